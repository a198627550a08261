//! Guessing a password gets slower with every wrong one, per address and for all together.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::model::Mono;

/// So many wrong passwords of one address are typing errors; each further one doubles the wait.
const FREE_TRIES: u32 = 5;
/// Nobody waits longer than this for the next try.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// An address that has not tried for this long is forgotten.
const FORGET: Duration = Duration::from_secs(900);
/// Addresses that are remembered; the one that tried longest ago gives way.
const ADDRESSES_MAX: usize = 256;
/// Tries of all addresses together within [`WINDOW`]; whoever has a session or a key is not held up.
const WINDOW_TRIES: u32 = 60;
const WINDOW: Duration = Duration::from_secs(60);

/// Who tried how often.
#[derive(Default)]
pub(super) struct Brake {
    addresses: BTreeMap<IpAddr, Tries>,
    window: Mono,
    in_window: u32,
}

struct Tries {
    count: u32,
    last: Mono,
    free_at: Mono,
}

impl Brake {
    /// Counts a try as wrong until it is forgiven, so that many at a time are counted too.
    ///
    /// # Errors
    /// How long to wait before the next one; this one must not be looked at.
    pub(super) fn enter(&mut self, from: IpAddr, now: Mono) -> Result<(), Duration> {
        let from = place(from);
        if now.since(self.window) >= WINDOW {
            (self.window, self.in_window) = (now, 0);
        }
        if self.in_window >= WINDOW_TRIES {
            return Err(WINDOW.saturating_sub(now.since(self.window)));
        }
        self.addresses.retain(|_, tries| now.since(tries.last) < FORGET);
        if let Some(tries) = self.addresses.get(&from)
            && now < tries.free_at
        {
            return Err(tries.free_at.since(now));
        }
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&from) {
            let oldest = self.addresses.iter().min_by_key(|(_, tries)| tries.last);
            if let Some(oldest) = oldest.map(|(from, _)| *from) {
                self.addresses.remove(&oldest);
            }
        }
        let tries =
            self.addresses.entry(from).or_insert(Tries { count: 0, last: now, free_at: now });
        tries.count = tries.count.saturating_add(1);
        tries.last = now;
        tries.free_at = now + wait(tries.count);
        self.in_window += 1;
        Ok(())
    }

    /// The password was right.
    pub(super) fn forgive(&mut self, from: IpAddr) {
        self.addresses.remove(&place(from));
        self.in_window = self.in_window.saturating_sub(1);
    }
}

fn wait(tries: u32) -> Duration {
    match tries.checked_sub(FREE_TRIES) {
        None => Duration::ZERO,
        Some(further) => Duration::from_secs(1 << further.min(16)).min(WAIT_MAX),
    }
}

/// A household has a whole /64 of IPv6.
fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(86_400_000) + Duration::from_secs(seconds)
    }

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn the_wait_doubles_and_ends() {
        let mut brake = Brake::default();
        for _ in 0..FREE_TRIES {
            assert_eq!(brake.enter(address(1), at(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert_eq!(brake.enter(address(1), at(now)), Err(Duration::from_secs(wait)));
            assert_eq!(brake.enter(address(2), at(now)), Ok(()), "another address is free");
            brake.forgive(address(2));
            now += wait;
            assert_eq!(brake.enter(address(1), at(now)), Ok(()));
        }
        assert_eq!(brake.enter(address(1), at(now + 900)), Ok(()), "forgotten");
        assert_eq!(brake.enter(address(1), at(now + 900)), Ok(()));
    }

    #[test]
    fn a_right_password_is_forgiven() {
        let mut brake = Brake::default();
        for _ in 0..200 {
            assert_eq!(brake.enter(address(1), at(0)), Ok(()));
            brake.forgive(address(1));
        }
    }

    #[test]
    fn many_addresses_wait_together_and_the_table_is_bounded() {
        let mut brake = Brake::default();
        for n in 0..WINDOW_TRIES {
            assert_eq!(brake.enter(address(n), at(10)), Ok(()));
        }
        assert_eq!(brake.enter(address(999), at(40)), Err(Duration::from_secs(30)));
        for n in 0..2000 {
            let _ = brake.enter(address(n), at(70 + u64::from(n / 10)));
        }
        assert!(brake.addresses.len() <= ADDRESSES_MAX, "{}", brake.addresses.len());
    }

    #[test]
    fn neighbours_in_ipv6_are_one() {
        let mut brake = Brake::default();
        let neighbour = |n: u32| format!("2001:db8::{n:x}").parse().unwrap();
        for n in 0..FREE_TRIES {
            assert_eq!(brake.enter(neighbour(n), at(0)), Ok(()));
        }
        assert!(brake.enter(neighbour(77), at(0)).is_err());
    }
}
