//! The state of charge that is believed: TeslaMate sometimes goes back to an old value when the
//! car falls asleep, and repeats nothing that has not changed.

use crate::model::Origin;

use super::trust::Stance;

/// Cold, standby and the difference between shown and usable move the value this much without
/// a drive or a charge, in percentage points.
const NATURAL: f64 = 3.0;
/// Kilometres that prove a drive which nobody reported.
const DRIVE_KM: f64 = 1.0;
/// Polls of an awake car that must leave a doubted value standing.
const CONFIRMATIONS: u32 = 2;

/// Decides which state of charge is believed.
///
/// A value is believed at once if nothing live was believed before, if it moved by at most
/// 3 points, if the car has driven since (reported, or 1 km on the odometer), or if it rose while
/// the car was awake. It is doubted if it
///
/// - moved by more while the car was asleep or offline: nobody has asked the car, or
/// - fell by more without a drive.
///
/// While a value is doubted the older one stays and the car is *conflicting*. The doubt ends when a
/// value arrives that is believed by the rules above, or when the doubted value still stands after
/// two more polls (live `healthy = true`) of the car while it is online, driving or charging:
/// TeslaMate sends changes only, so a poll without a new value confirms the old one.
#[derive(Clone, Debug, Default)]
pub(super) struct SocGuard {
    believed: Option<Believed>,
    doubt: Option<Doubt>,
    /// The car has driven since the believed value was last confirmed at rest.
    drove: bool,
}

#[derive(Clone, Copy, Debug)]
struct Believed {
    soc: f64,
    origin: Origin,
    odometer_km: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    soc: f64,
    confirmations: u32,
}

/// What a settled burst says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The newest reported value, unchanged or not.
    pub(super) soc: Option<(f64, Origin)>,
    /// What TeslaMate does with the car.
    pub(super) stance: Stance,
    /// The car drives.
    pub(super) driving: bool,
    /// Kilometres.
    pub(super) odometer_km: Option<f64>,
    /// The burst held a live `healthy = true`.
    pub(super) polled: bool,
}

impl SocGuard {
    /// Takes note of a settled burst.
    pub(super) fn handle(&mut self, seen: Seen) {
        self.drove |= seen.driving;
        let Some((soc, origin)) = seen.soc else {
            self.believed = None;
            self.doubt = None;
            return;
        };
        let polled_awake = seen.polled && seen.stance == Stance::Awake;
        if self.believes(soc, &seen) {
            let unchanged = self.believed.is_some_and(|believed| believed.soc == soc);
            self.believe(soc, origin, &seen);
            // A parked car whose value a poll has confirmed starts a new rest.
            if !seen.driving && (polled_awake || !unchanged) {
                self.drove = false;
            }
            return;
        }
        let confirmations = match self.doubt {
            Some(doubt) if doubt.soc == soc => doubt.confirmations + u32::from(polled_awake),
            Some(_) | None => 0,
        };
        if confirmations >= CONFIRMATIONS {
            self.believe(soc, origin, &seen);
        } else {
            self.doubt = Some(Doubt { soc, confirmations });
        }
    }

    /// The believed value with its origin.
    pub(super) fn soc(&self) -> Option<(f64, Origin)> {
        self.believed.map(|believed| (believed.soc, believed.origin))
    }

    /// Whether another value is reported than the believed one.
    pub(super) fn doubts(&self) -> bool {
        self.doubt.is_some()
    }

    fn believes(&self, soc: f64, seen: &Seen) -> bool {
        let Some(believed) = self.believed.filter(|believed| believed.origin == Origin::Live)
        else {
            return true;
        };
        let moved = soc - believed.soc;
        let driven_km = match (seen.odometer_km, believed.odometer_km) {
            (Some(now), Some(then)) => now - then,
            (None, _) | (_, None) => 0.0,
        };
        if moved.abs() <= NATURAL || self.drove || driven_km >= DRIVE_KM {
            return true;
        }
        match seen.stance {
            Stance::Awake | Stance::Quiet => moved > 0.0,
            Stance::Asleep | Stance::NoContact => false,
        }
    }

    fn believe(&mut self, soc: f64, origin: Origin, seen: &Seen) {
        self.believed = Some(Believed { soc, origin, odometer_km: seen.odometer_km });
        self.doubt = None;
    }
}
