//! The attributes that are read, as one list over all devices (plans-vehicles-devices.md §7.6, §7.7, §5.1).

use std::sync::{Arc, Mutex};

use super::Broken;
use super::value::{Combined, Delivery, Kind, Make, MakeVehicle, Part, Target};
use crate::config::{
    ChargerDevice, Config, MeterDevice, OperatorDevice, Source, VehicleDevice, by_phase,
};
use crate::model::{
    Amps, ChargerValue, KilowattHours, LoadPointIx, MeterIx, MeterValue, OperatorSignal, Percent,
    StatusReason, VehicleIx, VehicleValue, Volts, Watts,
};

/// One value to be read somewhere.
pub(super) struct Input<'a> {
    /// Position of the attribute; the two inputs of a combined status share it.
    pub(super) slot: usize,
    /// Name of the device.
    pub(super) device: &'a str,
    /// Name of the attribute in the configuration.
    pub(super) attribute: String,
    /// Where it is read; never `Combined`.
    pub(super) source: &'a Source,
    /// Where the value goes.
    pub(super) delivery: Delivery,
}

impl Input<'_> {
    pub(super) fn broken(&self, error: impl Into<String>) -> Broken {
        Broken {
            device: self.device.to_owned(),
            attribute: self.attribute.clone(),
            error: error.into(),
        }
    }
}

/// Everything that is read, in the order of the configuration, and what cannot be.
pub(super) fn inputs(config: &Config) -> (Vec<Input<'_>>, Vec<Broken>) {
    let (setup, devices) = (&config.setup, &config.devices);
    let mut list = List::default();
    for (ix, (meter, device)) in setup.meters.iter().zip(&devices.meters).enumerate() {
        list.device = &meter.name;
        list.meter(MeterIx(ix), device);
    }
    for (ix, (lp, device)) in setup.loadpoints.iter().zip(&devices.chargers).enumerate() {
        list.device = super::charger_name(lp);
        list.charger(LoadPointIx(ix), device);
    }
    for (ix, (vehicle, device)) in setup.vehicles.iter().zip(&devices.vehicles).enumerate() {
        list.device = &vehicle.name;
        list.vehicle(VehicleIx(ix), device);
    }
    if let Some(operator) = &devices.operator {
        list.device = "hems";
        list.operator(operator);
    }
    (list.inputs, list.broken)
}

/// A word that is not known is no reason.
fn status_reason(word: String) -> ChargerValue {
    ChargerValue::StatusReason(word.trim().parse().unwrap_or(StatusReason::Unknown))
}

#[derive(Default)]
struct List<'a> {
    device: &'a str,
    slots: usize,
    inputs: Vec<Input<'a>>,
    broken: Vec<Broken>,
}

type Single<'a, M> = (&'static str, &'a Option<Source>, M);
type PerPhase<'a, X> =
    (&'static str, &'a Option<Box<[Source; 3]>>, fn(crate::model::Phase, f64) -> X);

impl<'a> List<'a> {
    fn meter(&mut self, ix: MeterIx, device: &'a MeterDevice) {
        use MeterValue as V;
        let single: [Single<'a, Make<V>>; 4] = [
            ("power", &device.power, Make::Number(|w| V::Power(Watts(w)))),
            ("energy", &device.energy, Make::Counter(|e| V::Energy(KilowattHours(e)))),
            (
                "returnenergy",
                &device.return_energy,
                Make::Counter(|e| V::ReturnEnergy(KilowattHours(e))),
            ),
            ("soc", &device.soc, Make::Number(|soc| V::Soc(Percent(soc)))),
        ];
        let phases: [PerPhase<'a, V>; 3] = [
            ("currents", &device.currents, |p, a| V::Current(p, Amps(a))),
            ("powers", &device.powers, |p, w| V::PhasePower(p, Watts(w))),
            ("voltages", &device.voltages, |p, v| V::Voltage(p, Volts(v))),
        ];
        self.table(single, phases, |make| Target::Meter(ix, make));
    }

    fn operator(&mut self, device: &'a OperatorDevice) {
        use OperatorSignal as V;
        let (source, make) = match device {
            OperatorDevice::Limit(source) => (source, Make::Number(|w| V::Limit(Watts(w)))),
            OperatorDevice::Relay(source) => (source, Make::Bool(V::Closed)),
        };
        self.attribute("limit".to_owned(), Some(source), Target::Operator(make));
    }

    fn charger(&mut self, ix: LoadPointIx, device: &'a ChargerDevice) {
        use ChargerValue as V;
        let single: [Single<'a, Make<V>>; 8] = [
            ("status", &device.status, Make::Status(V::Status)),
            ("enabled", &device.enabled, Make::Bool(V::Enabled)),
            ("power", &device.power, Make::Number(|w| V::Power(Watts(w)))),
            ("energy", &device.energy, Make::Counter(|e| V::Energy(KilowattHours(e)))),
            ("soc", &device.soc, Make::Number(|soc| V::Soc(Percent(soc)))),
            ("limitsoc", &device.limit_soc, Make::Number(|soc| V::LimitSoc(Percent(soc)))),
            ("identify", &device.identify, Make::Text(V::Identity)),
            ("statusreason", &device.status_reason, Make::Text(status_reason)),
        ];
        let phases: [PerPhase<'a, V>; 2] = [
            ("currents", &device.currents, |p, a| V::Current(p, Amps(a))),
            ("voltages", &device.voltages, |p, v| V::Voltage(p, Volts(v))),
        ];
        self.table(single, phases, |make| Target::Charger(ix, make));
    }

    fn vehicle(&mut self, ix: VehicleIx, device: &'a VehicleDevice) {
        use MakeVehicle::{Bool, Number, Status};
        use VehicleValue as V;
        let single: [Single<'a, MakeVehicle>; 6] = [
            ("soc", &device.soc, Number(|soc| V::Soc(soc.map(Percent)))),
            ("range", &device.range, Number(V::RangeKm)),
            ("odometer", &device.odometer, Number(V::OdometerKm)),
            ("limitsoc", &device.limit_soc, Number(|soc| V::LimitSoc(soc.map(Percent)))),
            ("status", &device.status, Status(V::Status)),
            ("climater", &device.climater, Bool(V::Climater)),
        ];
        for (name, source, make) in single {
            self.attribute(name.to_owned(), source.as_ref(), Target::Vehicle(ix, make));
        }
    }

    /// Adds the rows of a table.
    fn table<X, const N: usize, const P: usize>(
        &mut self,
        single: [Single<'a, Make<X>>; N],
        phases: [PerPhase<'a, X>; P],
        target: impl Fn(Make<X>) -> Target,
    ) {
        for (name, source, make) in single {
            self.attribute(name.to_owned(), source.as_ref(), target(make));
        }
        for (name, sources, make) in phases {
            for (phase, source) in sources.iter().flat_map(|sources| by_phase(sources)) {
                let name = format!("{name}[{}]", phase.index());
                self.attribute(name, Some(source), target(Make::Phase(phase, make)));
            }
        }
    }

    fn attribute(&mut self, attribute: String, source: Option<&'a Source>, target: Target) {
        let Some(source) = source else { return };
        self.slots += 1;
        match source {
            Source::Combined { plugged, charging } => {
                self.combined(&attribute, plugged, charging, &target);
            }
            Source::Mqtt(_) | Source::Modbus(_) | Source::Const(_) | Source::Demo(_) => {
                self.add(attribute, source, Delivery::Whole(target));
            }
        }
    }

    fn combined(&mut self, name: &str, plugged: &'a Source, charging: &'a Source, target: &Target) {
        let state = Arc::new(Mutex::new(Combined::default()));
        let parts = [(Part::Plugged, plugged), (Part::Charging, charging)];
        let any = |wanted: fn(&Source) -> bool| parts.iter().any(|(_, source)| wanted(source));
        let error =
            if target.kind() != Kind::Status || any(|s| matches!(s, Source::Combined { .. })) {
                Some("combined makes a status of two plain bools")
            } else if any(|s| matches!(s, Source::Modbus(_)))
                && any(|s| matches!(s, Source::Mqtt(_) | Source::Demo(_)))
            {
                Some("combined takes both inputs from MQTT or both from modbus")
            } else {
                None
            };
        if let Some(error) = error {
            self.broken.push(Broken {
                device: self.device.to_owned(),
                attribute: name.to_owned(),
                error: error.to_owned(),
            });
            return;
        }
        for (part, source) in parts {
            let word = match part {
                Part::Plugged => "plugged",
                Part::Charging => "charging",
            };
            let delivery = Delivery::Part(part, Arc::clone(&state), target.clone());
            self.add(format!("{name}.{word}"), source, delivery);
        }
    }

    fn add(&mut self, attribute: String, source: &'a Source, delivery: Delivery) {
        self.inputs.push(Input {
            slot: self.slots,
            device: self.device,
            attribute,
            source,
            delivery,
        });
    }
}
