//! Which vehicle was plugged in where nobody said so: what speaks for each of them, and how much
//! (control.md §20.4). evcc compares the status alone; here the moment of plugging in, the place of the
//! car and the rhythm of its charging count too, and a car that stands elsewhere is never ours (W-25).

use std::time::Duration;

use crate::model::{
    ChargeStatus, LoadPointIx, Mono, Now, Telemetry, Trust, VehicleFeature, VehicleIx, Watts,
};

use super::{Control, LoadPoint, Vehicle};

/// A car that was plugged in this long before the load point saw one stands elsewhere.
const PLUGGED_ELSEWHERE: Duration = Duration::from_secs(120);
/// A car that was plugged in with us says so within this time.
const PLUG_REPORTED: Duration = Duration::from_secs(300);
/// Car and charger report the same start or stop within this time of each other.
const TOGETHER: Duration = Duration::from_secs(90);
/// What car and charger say against each other for so long is no delay.
const CONTRADICTS: Duration = Duration::from_secs(120);
/// From this power on somebody charges.
const CHARGES: Watts = Watts(1000.0);
/// TeslaMate tells whole kilowatts.
const SAME_POWER: Watts = Watts(1000.0);

/// A car is taken for the one that was plugged in from here on.
const ENOUGH: u8 = 25;
/// Before all cars had the time to report, and after the search was given up, only this is enough.
const STRONG: u8 = 60;
/// Nobody else may be as near as this.
const LEAD: u8 = 10;
/// Sources that ask their cars every 30 s have reported by then.
const ALL_REPORTED: Duration = Duration::from_secs(35);
/// A car whose source is doubtful is not believed more than this.
const DOUBTFUL: u8 = 20;

/// What speaks for or against a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// The car says what the charger says.
    SameStatus,
    /// The car says that it is plugged in.
    Plugged,
    /// It was plugged in when the charger saw somebody.
    PlugTime,
    /// It was here before and has not left its plug since.
    Returned,
    /// It is at home.
    Home,
    /// It began or stopped to charge together with the charger.
    Charging,
    /// It draws what the charger gives.
    Power,
    /// Its source is doubtful.
    Doubtful,
    /// It does not say whether it is plugged in.
    Unknown,
    /// It is not plugged in.
    Unplugged,
    /// It was plugged in before.
    PluggedElsewhere,
    /// It is at another place.
    Elsewhere,
    /// It charges and the charger does not, or the other way round.
    ChargesElsewhere,
    /// It stands at another load point.
    Taken,
}

impl Sign {
    /// The wire spelling.
    pub fn code(self) -> &'static str {
        match self {
            Self::SameStatus => "same_status",
            Self::Plugged => "plugged",
            Self::PlugTime => "plug_time",
            Self::Returned => "returned",
            Self::Home => "home",
            Self::Charging => "charging",
            Self::Power => "power",
            Self::Doubtful => "doubtful",
            Self::Unknown => "unknown",
            Self::Unplugged => "unplugged",
            Self::PluggedElsewhere => "plugged_elsewhere",
            Self::Elsewhere => "elsewhere",
            Self::ChargesElsewhere => "charges_elsewhere",
            Self::Taken => "taken",
        }
    }

    /// How much it speaks for the car.
    fn weight(self) -> u8 {
        match self {
            Self::SameStatus => 40,
            Self::Plugged => 25,
            Self::PlugTime | Self::Returned | Self::Charging => 30,
            Self::Home | Self::Power => 15,
            Self::Doubtful
            | Self::Unknown
            | Self::Unplugged
            | Self::PluggedElsewhere
            | Self::Elsewhere
            | Self::ChargesElsewhere
            | Self::Taken => 0,
        }
    }
}

/// What a load point remembers of those who came and went.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// The identifier that was acted on last.
    pub(super) acted_on: Option<String>,
    /// Who left last, and when.
    pub(super) left: Option<(VehicleIx, Mono)>,
    /// When the vehicle last began (true) or stopped to charge.
    pub(super) turned: Option<(bool, Mono)>,
}

/// A vehicle that may have been plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which vehicle.
    pub vehicle: VehicleIx,
    /// How likely it is, 0 to 100; 0 = it is somebody else.
    pub confidence: u8,
    /// Why.
    pub signs: Vec<Sign>,
}

impl Candidate {
    fn against(vehicle: VehicleIx, sign: Sign) -> Self {
        Self { vehicle, confidence: 0, signs: vec![sign] }
    }
}

impl Control {
    /// All vehicles that take part in the search, with what speaks for them at a load point.
    pub(super) fn candidates(&self, now: Now, lp: LoadPointIx) -> Vec<Candidate> {
        let vehicles = self.vehicles.iter().enumerate();
        vehicles
            .filter(|(_, vehicle)| !vehicle.has(VehicleFeature::AutodetectDisabled))
            .map(|(ix, _)| self.candidate(now, lp, VehicleIx(ix)))
            .collect()
    }

    /// What speaks for a vehicle at a load point.
    pub(super) fn candidate(&self, now: Now, lp: LoadPointIx, ix: VehicleIx) -> Candidate {
        let (loadpoint, vehicle) = (&self.loadpoints[lp.0], &self.vehicles[ix.0]);
        if let Some(sign) = self.stands_elsewhere(now, lp, ix) {
            return Candidate::against(ix, sign);
        }
        let status = match vehicle.status {
            None => return Candidate::against(ix, Sign::Unknown),
            Some(ChargeStatus::Disconnected) => return Candidate::against(ix, Sign::Unplugged),
            status if status == loadpoint.status => Sign::SameStatus,
            Some(ChargeStatus::Connected | ChargeStatus::Charging) => Sign::Plugged,
        };
        let connected_at = loadpoint.connected_at().map_or(now.mono, |at| at.mono);
        let reported =
            |at: Mono| at + PLUGGED_ELSEWHERE >= connected_at && at <= connected_at + PLUG_REPORTED;
        let signs = [
            (status, true),
            (Sign::PlugTime, vehicle.plugged_since.is_some_and(reported)),
            (Sign::Returned, loadpoint.was_here(ix, vehicle)),
            (Sign::Home, self.home.holds(vehicle) == Some(true)),
            (Sign::Charging, together(loadpoint, vehicle)),
            (Sign::Power, same_power(now, loadpoint, vehicle)),
        ];
        let mut signs: Vec<_> =
            signs.into_iter().filter(|(_, speaks)| *speaks).map(|(sign, _)| sign).collect();
        let sum: u8 = signs.iter().map(|sign| sign.weight()).fold(0, u8::saturating_add);
        let mut confidence = sum.min(100);
        if matches!(vehicle.trust, Trust::Stale | Trust::Conflicting) {
            confidence = confidence.min(DOUBTFUL);
            signs.push(Sign::Doubtful);
        }
        Candidate { vehicle: ix, confidence, signs }
    }

    /// Why a vehicle cannot be the one that is plugged in here, if there is a reason.
    pub(super) fn stands_elsewhere(
        &self,
        now: Now,
        lp: LoadPointIx,
        ix: VehicleIx,
    ) -> Option<Sign> {
        let (loadpoint, vehicle) = (&self.loadpoints[lp.0], &self.vehicles[ix.0]);
        let mut others = self.loadpoints.iter().enumerate().filter(|(other, _)| *other != lp.0);
        // A default vehicle may stand anywhere while nothing is plugged in where it belongs.
        if others.any(|(_, other)| other.vehicle == Some(ix) && other.connected()) {
            return Some(Sign::Taken);
        }
        let connected_at = loadpoint.connected_at()?.mono;
        let before = vehicle.plugged_since.is_some_and(|at| at + PLUGGED_ELSEWHERE < connected_at);
        if before && !loadpoint.was_here(ix, vehicle) {
            return Some(Sign::PluggedElsewhere);
        }
        // A car that arrives may have been heard last on its way.
        if vehicle.plugged() && self.home.holds(vehicle) == Some(false) {
            return Some(Sign::Elsewhere);
        }
        if vehicle.trust == Trust::Live && contradicts(now, loadpoint, vehicle) {
            return Some(Sign::ChargesElsewhere);
        }
        None
    }

    /// The one vehicle that was most likely plugged in, if it stands out.
    pub(super) fn likely(&self, now: Now, lp: LoadPointIx) -> Option<VehicleIx> {
        let loadpoint = &self.loadpoints[lp.0];
        let age = now.mono.since(loadpoint.connected_at()?.mono);
        let searching = loadpoint.detecting_until.is_some();
        let enough = if searching && age >= ALL_REPORTED { ENOUGH } else { STRONG };
        let best = loadpoint.candidates.iter().max_by_key(|candidate| candidate.confidence)?;
        let others =
            loadpoint.candidates.iter().filter(|candidate| candidate.vehicle != best.vehicle);
        let next = others.map(|candidate| candidate.confidence).max().unwrap_or(0);
        let stands_out = best.confidence >= enough && best.confidence - next >= LEAD;
        stands_out.then_some(best.vehicle)
    }

    /// When weak signs begin to count at a load point.
    pub(super) fn all_reported(&self, lp: LoadPointIx) -> Option<Mono> {
        let loadpoint = &self.loadpoints[lp.0];
        loadpoint.detecting_until?;
        Some(loadpoint.connected_at()?.mono + ALL_REPORTED)
    }
}

impl LoadPoint {
    /// Whether a vehicle stood here and has not left its plug since: the charger's contact was lost,
    /// not the car.
    fn was_here(&self, ix: VehicleIx, vehicle: &Vehicle) -> bool {
        self.trace.left.is_some_and(|(left, at)| {
            left == ix && vehicle.plugged() && vehicle.plugged_since.is_none_or(|since| since < at)
        })
    }
}

/// Whether car and charger began or stopped to charge at the same time in this session.
pub(super) fn together(loadpoint: &LoadPoint, vehicle: &Vehicle) -> bool {
    let (Some((here, at)), Some((there, then))) = (loadpoint.trace.turned, vehicle.turned) else {
        return false;
    };
    let apart = at.since(then).max(then.since(at));
    let session = loadpoint.connected_at().is_some_and(|connected| at > connected.mono);
    session && here == there && apart <= TOGETHER
}

/// Whether the car draws what the charger gives.
pub(super) fn same_power(now: Now, loadpoint: &LoadPoint, vehicle: &Vehicle) -> bool {
    let Some((here, there)) = measured(now, loadpoint).zip(vehicle.draws()) else { return false };
    let charge = here >= CHARGES && there >= CHARGES && vehicle.trust == Trust::Live;
    charge && (here - there).abs() <= SAME_POWER.max(here * 0.15)
}

/// Whether the car charges and the charger does not, or the other way round, for longer than a report
/// takes.
fn contradicts(now: Now, loadpoint: &LoadPoint, vehicle: &Vehicle) -> bool {
    let connected_at = loadpoint.connected_at().map(|at| at.mono);
    let since = loadpoint.trace.turned.map(|(_, at)| at).max(connected_at).unwrap_or(now.mono);
    let (Some(here), Some(there)) = (measured(now, loadpoint), vehicle.draws()) else {
        return false;
    };
    let one_only = (here >= CHARGES) != (there >= CHARGES);
    one_only && (here >= CHARGES) == loadpoint.charging() && now.mono.since(since) >= CONTRADICTS
}

fn measured(now: Now, loadpoint: &LoadPoint) -> Option<Watts> {
    let power = loadpoint.power.filter(|power| power.is_fresh(now, None));
    power.filter(|_| loadpoint.setup.charger.has_power).map(|power| power.value)
}

impl Vehicle {
    /// Whether the car says that it is plugged in, anywhere.
    pub(super) fn plugged(&self) -> bool {
        matches!(self.status, Some(ChargeStatus::Connected | ChargeStatus::Charging))
    }

    /// The power at which the car says that it charges.
    fn draws(&self) -> Option<Watts> {
        match self.telemetry.get("charger_power") {
            Some(Telemetry::Number(kilowatts)) => Some(Watts(kilowatts * 1000.0)),
            // What is withdrawn while the car does not charge is no power (§6.4).
            None if self.charging_state.is_some() => Some(Watts::ZERO),
            Some(Telemetry::Bool(_) | Telemetry::Text(_) | Telemetry::Time(_)) | None => None,
        }
    }
}
