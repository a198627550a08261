//! How long charging takes, and how much is missing (plans-vehicles-devices.md §1.6, §3.3).

use std::time::Duration;

use crate::control::learn::taper_steps;
use crate::control::loadpoint::VehicleView;
use crate::model::{Percent, WattHours, Watts};

/// Cars take this little just before they are full.
const LEAST: f64 = 1000.0;
/// Watts by which the power that a car takes falls with every percent above half full.
const SLOPE: f64 = (50_000.0 - LEAST) / 50.0;
/// Whatever takes longer is not planned to the second: times stay far from the ends of a calendar.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

/// Of a power that was learned, this part of the time is planned more (W-34).
const RESERVE: f64 = 0.05;
/// At most so much more: less than the pause for which a plan is not interrupted, so that what is not
/// needed in the end costs no second start.
const RESERVE_MAX: Duration = Duration::from_secs(10 * 60);

/// What is planned beyond the required time, so that a cold battery or a neighbour's kettle is no
/// missed deadline. Where nothing was learned yet, nothing: the plan is that of the nominal power.
pub(super) fn reserve(required: Duration, vehicle: &VehicleView) -> Duration {
    match vehicle.share {
        Some(_) => required.mul_f64(RESERVE).min(RESERVE_MAX),
        None => Duration::ZERO,
    }
}

/// How long it takes to get from `soc` to `goal` at `power`, slower where the car tapers; `None`
/// without power. `capacity` is what the grid has to give for all of the battery.
pub fn charge_duration(
    capacity: WattHours,
    soc: Percent,
    goal: Percent,
    power: Watts,
) -> Option<Duration> {
    let taper = 100.0 - (power.0 - LEAST) / SLOPE;
    let below = (goal.0.min(taper) - soc.0).max(0.0);
    let above = (goal.0 - soc.0.max(taper)).max(0.0);
    let tapered = Watts((power.0 + LEAST) / 2.0);
    let share = |percent: f64| WattHours(capacity.0 * percent / 100.0);
    let seconds = seconds_of(share(below), power)? + seconds_of(share(above), tapered)?;
    whole_seconds(seconds)
}

/// As [`charge_duration`], with what is known of the last fifth of this car (W-26).
pub(super) fn learned_duration(
    capacity: WattHours,
    goal: Percent,
    power: Watts,
    vehicle: &VehicleView,
) -> Option<Duration> {
    let soc = vehicle.soc.unwrap_or(Percent::ZERO);
    let mut total = charge_duration(capacity, soc, goal, power)?;
    for (begin, end, share) in taper_steps(&vehicle.taper) {
        let (from, to) = (soc.max(begin), goal.min(end));
        if let Some(share) = share.filter(|_| from < to) {
            let usual = charge_duration(capacity, from, to, power)?;
            let known = energy_duration(missing_energy(capacity, from, to), power * share)?;
            total = total.saturating_sub(usual) + known;
        }
    }
    Some(total)
}

/// How long `energy` takes at constant `power`; `None` without power.
pub(crate) fn energy_duration(energy: WattHours, power: Watts) -> Option<Duration> {
    whole_seconds(seconds_of(energy, power)?)
}

/// What the grid has to give to get from `soc` to `goal`.
pub fn missing_energy(capacity: WattHours, soc: Percent, goal: Percent) -> WattHours {
    WattHours(capacity.0 * (goal.0 - soc.0).max(0.0) / 100.0)
}

fn seconds_of(energy: WattHours, power: Watts) -> Option<f64> {
    (power.0 > 0.0).then(|| energy.0.max(0.0) / power.0 * 3600.0)
}

fn whole_seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.round().min(LONGEST)).ok()
}
