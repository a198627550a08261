//! Repeatable chance: functions of a seed and a position, so that nothing depends on step sizes.

/// A well mixed 64-bit number: the output step of SplitMix64 at position `n` of the seed's sequence.
fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in 0..1, evenly distributed, at a whole position.
pub(super) fn at(seed: u64, n: u64) -> f64 {
    // 53 bits are what an f64 holds.
    (mix(seed, n) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number in 0..1 that changes smoothly between whole positions; `x` must not be negative.
pub(super) fn smooth(seed: u64, x: f64) -> f64 {
    let left = x.floor();
    let part = x - left;
    let eased = part * part * (3.0 - 2.0 * part);
    let n = left as u64;
    at(seed, n) * (1.0 - eased) + at(seed, n.wrapping_add(1)) * eased
}
