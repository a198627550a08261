//! One car: raw values by key, and the typed values that follow from them once a burst has settled.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{
    ChargeStatus, Mono, Now, Origin, Percent, Telemetry, TeslaMateCar, VehicleValue,
};

use super::parse;
use super::soc::{Seen, SocGuard};
use super::table::{ROWS, at};
use super::trust::{Pulse, Stance, trust};

/// TeslaMate sends the values of one poll in any order; after this they are looked at together (§6.6).
const BURST: Duration = Duration::from_millis(250);
/// A discovered car waits this long for its display name, which a broker may deliver late.
const NAME_WAIT: Duration = Duration::from_secs(5);

/// A typed value by its place among all of a car's values; telemetry follows the typed ones.
pub(super) type Slot = usize;

/// Where telemetry slots begin; above the number of typed values.
const TELEMETRY: Slot = 100;

/// One car of one TeslaMate.
#[derive(Clone, Debug)]
pub(super) struct Car {
    pub(super) id: TeslaMateCar,
    pub(super) first_seen: Now,
    /// Payloads that could not be read.
    pub(super) malformed: u64,
    /// Parallel to [`ROWS`].
    fields: Vec<Field>,
    soc: SocGuard,
    range: Option<(f64, Origin)>,
    pulse: Pulse,
    /// TeslaMate's word of the last settled burst, and what it means.
    state: Option<String>,
    stance: Stance,
    burst: Option<Burst>,
    /// When silence was last looked at.
    looked: Mono,
    told: BTreeMap<Slot, (VehicleValue, Origin)>,
}

/// The newest value under one key.
#[derive(Clone, Debug)]
struct Field {
    value: Option<Telemetry>,
    origin: Origin,
    complained: bool,
}

/// Messages that are not looked at yet.
#[derive(Clone, Copy, Debug)]
struct Burst {
    ends: Mono,
    /// What a live `healthy` in it said.
    healthy: Option<bool>,
}

impl Car {
    pub(super) fn new(id: TeslaMateCar, now: Now) -> Self {
        let empty = Field { value: None, origin: Origin::Retained, complained: false };
        Self {
            id,
            first_seen: now,
            malformed: 0,
            fields: vec![empty; ROWS.len()],
            soc: SocGuard::default(),
            range: None,
            pulse: Pulse::default(),
            state: None,
            stance: Stance::Awake,
            burst: None,
            looked: now.mono,
            told: BTreeMap::new(),
        }
    }

    /// Records a value that was read; a retained message that repeats a live value changes nothing.
    pub(super) fn record(
        &mut self,
        now: Now,
        row: usize,
        value: Option<Telemetry>,
        origin: Origin,
    ) {
        let burst = self.burst.get_or_insert(Burst { ends: now.mono + BURST, healthy: None });
        if origin == Origin::Live {
            self.pulse.heard = Some(now.mono);
        }
        if row == at::HEALTHY {
            // Retained, it was left behind by an old version and says nothing (§6.1).
            if let (Some(Telemetry::Bool(healthy)), Origin::Live) = (value, origin) {
                burst.healthy = Some(healthy);
                self.pulse.beat(now, healthy);
            }
            return;
        }
        let field = &mut self.fields[row];
        if origin == Origin::Live || field.value != value {
            field.value = value;
            field.origin = origin;
        }
    }

    /// Counts a payload that could not be read; true the first time for this key.
    pub(super) fn complain(&mut self, row: usize) -> bool {
        self.malformed = self.malformed.saturating_add(1);
        !std::mem::replace(&mut self.fields[row].complained, true)
    }

    /// The name that the owner has given to the car.
    pub(super) fn display_name(&self) -> Option<&str> {
        self.text(at::DISPLAY_NAME)
    }

    /// Whether the display name is known, or will hardly come any more.
    pub(super) fn is_ready(&self, now: Now) -> bool {
        self.display_name().is_some() || now.mono >= self.first_seen.mono + NAME_WAIT
    }

    /// When the car must be looked at again.
    pub(super) fn deadline(&self) -> Option<Mono> {
        if let Some(burst) = self.burst {
            // Until then nothing is looked at, and an older deadline would be asked for ever again.
            return Some(burst.ends);
        }
        let name = Some(self.first_seen.mono + NAME_WAIT);
        let stale = self.pulse.stale_at(self.stance);
        [name, stale].into_iter().flatten().filter(|at| *at > self.looked).min()
    }

    /// Looks at a burst that has ended, and at the silence; what changed goes to `changed`.
    pub(super) fn handle_timeout(
        &mut self,
        now: Now,
        mut changed: impl FnMut(Slot, VehicleValue, Origin),
    ) {
        let mut healthy = None;
        if let Some(burst) = self.burst.take_if(|burst| now.mono >= burst.ends) {
            self.settle(&burst);
            healthy = burst.healthy;
        } else if self.burst.is_some() {
            // Half a burst may contradict itself; only the silence before it could be news.
            return;
        }
        self.looked = now.mono;
        let news = self.values(now);
        for (slot, (value, origin)) in news {
            // A sign of life is told even if it says the same: it is what keeps the data fresh.
            let repeated = healthy.is_some() && matches!(value, VehicleValue::Healthy(_));
            let last = self.told.insert(slot, (value.clone(), origin));
            if repeated || last.is_none_or(|last| last != (value.clone(), origin)) {
                changed(slot, value, origin);
            }
        }
    }

    fn settle(&mut self, burst: &Burst) {
        let state = self.text(at::STATE).map(str::to_owned);
        let stance = Stance::of(state.as_deref());
        if state != self.state {
            self.state = state;
            self.stance = stance;
            self.pulse.restart(burst.healthy.is_some());
        }
        let soc = [at::USABLE_BATTERY_LEVEL, at::BATTERY_LEVEL]
            .into_iter()
            .find_map(|row| Some((self.number(row)?, self.fields[row].origin)));
        self.soc.handle(Seen {
            soc,
            stance,
            driving: self.drives(),
            odometer_km: self.number(at::ODOMETER),
            polled: burst.healthy == Some(true),
        });
        // A doubted state of charge came with a doubtful range.
        if !self.soc.doubts() {
            self.range = self.reported_range();
        }
    }

    /// All values as they are now. A value that was never told and is not known is left out.
    fn values(&self, now: Now) -> Vec<(Slot, (VehicleValue, Origin))> {
        use VehicleValue as V;
        let soc = self.soc.soc();
        let soc_origin = soc.map_or(Origin::Live, |(_, origin)| origin);
        let range_origin = self.range.map_or(Origin::Live, |(_, origin)| origin);
        let number = |row: usize| (self.number(row), self.fields[row].origin);
        let text = |row: usize| (self.text(row).map(str::to_owned), self.fields[row].origin);
        let (odometer, odometer_origin) = number(at::ODOMETER);
        let (limit, limit_origin) = number(at::CHARGE_LIMIT_SOC);
        let (status, status_origin) = self.status();
        let (position, position_origin) = self.position();
        let (geofence, geofence_origin) = text(at::GEOFENCE);
        let (state, state_origin) = text(at::STATE);
        let (charging, charging_origin) = text(at::CHARGING_STATE);
        let (hours, hours_origin) = number(at::TIME_TO_FULL_CHARGE);
        let climater = self.flag(at::IS_PRECONDITIONING);
        let climater_origin = self.fields[at::IS_PRECONDITIONING].origin;
        let typed = [
            (V::Soc(soc.map(|(soc, _)| Percent(soc))), soc_origin),
            (V::RangeKm(self.range.map(|(range, _)| range)), range_origin),
            (V::OdometerKm(odometer), odometer_origin),
            (V::LimitSoc(limit.map(Percent)), limit_origin),
            (V::Status(status), status_origin),
            (V::Climater(climater), climater_origin),
            (V::Position(position), position_origin),
            (V::Geofence(geofence), geofence_origin),
            (V::State(state), state_origin),
            (V::ChargingState(charging), charging_origin),
            // Zero is what an idle car says (§6.4).
            (V::TimeToFullH(hours.filter(|hours| *hours > 0.0)), hours_origin),
            (V::Healthy(self.pulse.healthy), Origin::Live),
            (V::Trust(trust(now, self.stance, &self.pulse, self.conflicts())), Origin::Live),
        ];
        let telemetry =
            ROWS.iter().zip(&self.fields).enumerate().filter(|(_, (row, _))| row.telemetry);
        let telemetry = telemetry.map(|(at, (row, field))| {
            let value = field.value.clone().filter(|_| at != at::SPEED || self.drives());
            (TELEMETRY + at, (V::Telemetry(row.key, value), field.origin))
        });
        typed
            .into_iter()
            .enumerate()
            .chain(telemetry)
            .filter(|(slot, (value, _))| is_known(value) || self.told.contains_key(slot))
            .collect()
    }

    /// Connected and charging (§6.6): a car that drives is not plugged in; `charging_state` is the
    /// car's own word, `Starting` and words we do not know mean connected; without it `plugged_in`.
    fn status(&self) -> (Option<ChargeStatus>, Origin) {
        let plugged = self.flag(at::PLUGGED_IN);
        let draws = self.number(at::CHARGER_CURRENT).is_some_and(|current| current > 0.0);
        if self.drives() {
            return (Some(ChargeStatus::Disconnected), self.fields[at::STATE].origin);
        }
        let charging_origin = self.fields[at::CHARGING_STATE].origin;
        match (self.text(at::CHARGING_STATE), plugged) {
            (Some("Disconnected"), _) => (Some(ChargeStatus::Disconnected), charging_origin),
            (Some("Charging"), _) => (Some(ChargeStatus::Charging), charging_origin),
            (Some(_), _) => (Some(ChargeStatus::Connected), charging_origin),
            (None, plugged) => {
                let status = plugged.map(|plugged| match (plugged, draws) {
                    (false, _) => ChargeStatus::Disconnected,
                    (true, true) => ChargeStatus::Charging,
                    (true, false) => ChargeStatus::Connected,
                });
                (status, self.fields[at::PLUGGED_IN].origin)
            }
        }
    }

    fn reported_range(&self) -> Option<(f64, Origin)> {
        [at::RATED_RANGE, at::IDEAL_RANGE, at::ESTIMATED_RANGE]
            .into_iter()
            .find_map(|row| Some((self.number(row)?, self.fields[row].origin)))
    }

    /// `location`, or the deprecated pair of topics (§6.4).
    fn position(&self) -> (Option<(f64, f64)>, Origin) {
        let location = self.text(at::LOCATION).and_then(parse::location);
        if location.is_some() {
            return (location, self.fields[at::LOCATION].origin);
        }
        let pair = self.number(at::LATITUDE).zip(self.number(at::LONGITUDE));
        (pair, self.fields[at::LATITUDE].origin)
    }

    fn drives(&self) -> bool {
        matches!(self.text(at::SHIFT_STATE), Some("D" | "N" | "R"))
            || self.text(at::STATE) == Some("driving")
    }

    /// A doubted state of charge, or a car that claims to drive and to charge.
    fn conflicts(&self) -> bool {
        self.soc.doubts() || (self.drives() && self.text(at::CHARGING_STATE) == Some("Charging"))
    }

    fn number(&self, row: usize) -> Option<f64> {
        match self.fields[row].value {
            Some(Telemetry::Number(number)) => Some(number),
            Some(Telemetry::Bool(_) | Telemetry::Text(_) | Telemetry::Time(_)) | None => None,
        }
    }

    fn flag(&self, row: usize) -> Option<bool> {
        match self.fields[row].value {
            Some(Telemetry::Bool(flag)) => Some(flag),
            Some(Telemetry::Number(_) | Telemetry::Text(_) | Telemetry::Time(_)) | None => None,
        }
    }

    fn text(&self, row: usize) -> Option<&str> {
        match &self.fields[row].value {
            Some(Telemetry::Text(text)) => Some(text),
            Some(Telemetry::Bool(_) | Telemetry::Number(_) | Telemetry::Time(_)) | None => None,
        }
    }
}

/// Whether a value says something, rather than that something is gone.
fn is_known(value: &VehicleValue) -> bool {
    match value {
        VehicleValue::Soc(soc) | VehicleValue::LimitSoc(soc) => soc.is_some(),
        VehicleValue::RangeKm(number)
        | VehicleValue::OdometerKm(number)
        | VehicleValue::TimeToFullH(number) => number.is_some(),
        VehicleValue::Status(status) => status.is_some(),
        VehicleValue::Climater(flag) | VehicleValue::Healthy(flag) => flag.is_some(),
        VehicleValue::Position(position) => position.is_some(),
        VehicleValue::Geofence(text)
        | VehicleValue::State(text)
        | VehicleValue::ChargingState(text) => text.is_some(),
        VehicleValue::Telemetry(_, value) => value.is_some(),
        VehicleValue::Trust(_) => true,
    }
}
