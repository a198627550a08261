//! The world without a bus: the setup of its site, facts out, effects in.

use crate::model::{
    BatteryMode, ChargeStatus, ChargerCommand, ChargerSetup, ChargerValue, Effect, Fact,
    LoadPointIx, LoadPointSetup, MeterIx, MeterRole, MeterSetup, MeterValue, Origin, Outcome,
    Percent, Phase, Setup, Trust, VehicleIx, VehicleSetup, VehicleValue, Watts,
};

use super::wallbox::{Command, VOLTAGE, WallBoxPlan};
use super::world::OUTCOMES_MAX;
use super::{CarPlan, World, wire};

impl World {
    /// The site as the core sees it. Meters: grid, each field of panels, battery; load points and
    /// vehicles by place.
    pub fn setup(&self) -> Setup {
        let mut meters = vec![MeterSetup::new("grid", MeterRole::Grid)];
        let fields = (1..).zip(&self.plan.pv);
        meters.extend(fields.map(|(nth, _)| MeterSetup::new(format!("pv{nth}"), MeterRole::Pv)));
        meters.extend(self.plan.battery.as_ref().map(|battery| MeterSetup {
            capacity: Some(battery.capacity),
            max_discharge_power: Some(battery.max_discharge),
            controllable: true,
            ..MeterSetup::new("bat", MeterRole::Battery)
        }));
        let places = &self.plan.places;
        Setup {
            title: "Simulation".to_owned(),
            voltage: VOLTAGE,
            meters,
            loadpoints: (0..)
                .zip(places)
                .map(|(ix, (wallbox, _))| loadpoint(ix, wallbox))
                .collect(),
            vehicles: places.iter().map(|(_, car)| vehicle(car)).collect(),
            ..Setup::default()
        }
    }

    /// Outcomes of commands, and every `report` period what all devices say.
    pub fn facts(&mut self) -> Vec<Fact> {
        let mut facts: Vec<_> = self.outcomes.drain(..).collect();
        if !wire::is_due(self.reported.facts, self.now, self.plan.report) {
            return facts;
        }
        self.reported.facts = Some(self.now.mono);
        self.meter_facts(&mut facts);
        for (ix, wallbox) in self.boxes.iter_mut().enumerate() {
            let Some(report) = wallbox.report(self.now.mono) else {
                continue;
            };
            let values = [
                ChargerValue::Status(report.status),
                ChargerValue::Enabled(report.enabled),
                ChargerValue::Power(report.power),
                ChargerValue::Energy(report.energy),
            ];
            let currents = Phase::ALL.into_iter().zip(report.currents);
            let currents = currents.map(|(phase, current)| ChargerValue::Current(phase, current));
            let lp = LoadPointIx(ix);
            let origin = Origin::Live;
            facts.extend(values.into_iter().chain(currents).map(|value| Fact::Charger {
                lp,
                value,
                origin,
            }));
        }
        self.vehicle_facts(&mut facts);
        facts
    }

    /// Carries out what the core wants; what became of it comes out of [`Self::facts`].
    pub fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Charger { lp, command } => {
                let outcome = self.command(*lp, *command);
                if self.outcomes.len() >= OUTCOMES_MAX {
                    self.outcomes.pop_front();
                }
                self.outcomes.push_back(Fact::Done { lp: *lp, command: *command, outcome });
            }
            Effect::Battery { mode, .. } => {
                if let Some(battery) =
                    self.battery.as_mut().filter(|_| *mode != BatteryMode::Unknown)
                {
                    battery.mode = *mode;
                }
            }
            Effect::WakeVehicle { vehicle } => {
                if let Some(car) = self.cars.get_mut(vehicle.0) {
                    car.wake();
                }
            }
            Effect::Curtail { .. }
            | Effect::Event(_)
            | Effect::Journal { .. }
            | Effect::Slot(_)
            | Effect::GridLimit(_) => {}
        }
    }

    fn command(&mut self, lp: LoadPointIx, command: ChargerCommand) -> Outcome {
        let Some((wallbox, car)) = self.boxes.get_mut(lp.0).zip(self.cars.get_mut(lp.0)) else {
            return Outcome::Failed;
        };
        let command = match command {
            ChargerCommand::MaxCurrent(current) => Command::MaxCurrent(current),
            ChargerCommand::Enable(enable) => Command::Enable(enable),
            ChargerCommand::Phases(phases) => Command::Phases(phases),
            ChargerCommand::WakeUp => {
                car.wake();
                return Outcome::Done;
            }
            ChargerCommand::Renew => return Outcome::Done,
        };
        wallbox.handle(self.now.mono, command)
    }

    fn meter_facts(&self, facts: &mut Vec<Fact>) {
        let mut say = |ix: usize, value: MeterValue| {
            let (meter, origin) = (MeterIx(ix), Origin::Live);
            facts.push(Fact::Meter { meter, value, origin });
        };
        if let Some(grid) = self.grid_meter() {
            say(0, MeterValue::Power(grid));
            for phase in Phase::ALL {
                say(0, MeterValue::Current(phase, (grid / 3.0).current(VOLTAGE, 1)));
            }
        }
        for (ix, power) in (1..).zip(self.pv()) {
            say(ix, MeterValue::Power(power));
        }
        if let Some(battery) = &self.battery {
            let ix = 1 + self.plan.pv.len();
            say(ix, MeterValue::Power(battery.power));
            say(ix, MeterValue::Soc(battery.soc));
        }
    }

    /// Cars that a TeslaMate watches, without its delays: those are tested with its messages.
    fn vehicle_facts(&self, facts: &mut Vec<Fact>) {
        for (ix, (car, wallbox)) in self.cars.iter().zip(&self.boxes).enumerate() {
            if !car.plan.teslamate {
                continue;
            }
            let status = match (car.is_plugged(), wallbox.power() > Watts::ZERO) {
                (false, _) => ChargeStatus::Disconnected,
                (true, false) => ChargeStatus::Connected,
                (true, true) => ChargeStatus::Charging,
            };
            let trust = if car.asleep { Trust::Asleep } else { Trust::Live };
            let values = [
                VehicleValue::Soc(Some(Percent(car.soc.0.floor()))),
                VehicleValue::RangeKm(Some(car.range_km())),
                VehicleValue::OdometerKm(Some(car.odometer_km)),
                VehicleValue::LimitSoc(Some(car.limit_soc)),
                VehicleValue::Status(Some(status)),
                VehicleValue::Trust(trust),
            ];
            let (vehicle, origin) = (VehicleIx(ix), Origin::Live);
            facts.extend(values.map(|value| Fact::Vehicle { vehicle, value, origin }));
        }
    }
}

fn loadpoint(ix: usize, wallbox: &WallBoxPlan) -> LoadPointSetup {
    LoadPointSetup {
        name: format!("lp-{}", ix + 1),
        title: format!("Place {}", ix + 1),
        max_current: wallbox.max_current,
        vehicle: Some(VehicleIx(ix)),
        charger: ChargerSetup {
            name: format!("wb{}", ix + 1),
            phase_switching: wallbox.phase_switching,
            has_power: true,
            has_energy: true,
            has_currents: true,
            can_wake: true,
            ..ChargerSetup::default()
        },
        ..LoadPointSetup::default()
    }
}

fn vehicle(car: &CarPlan) -> VehicleSetup {
    VehicleSetup {
        name: car.name.to_lowercase().replace(' ', "-"),
        title: car.name.clone(),
        capacity: Some(car.capacity),
        phases: Some(car.phases),
        ..VehicleSetup::default()
    }
}
