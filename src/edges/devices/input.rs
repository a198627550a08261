//! The attributes that are read, as one list over all devices (plans-vehicles-devices.md §7.6, §7.7, §5.1).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::Broken;
use super::tree::Tree;
use super::value::{Delivery, Make, MakeVehicle, Target};
use crate::config::{
    ChargerDevice, Config, FeedInDevice, MeterDevice, OperatorDevice, Source, VehicleDevice,
    by_phase,
};
use crate::model::{
    Amps, ChargerValue, Fact, FeedInContact, FeedInSignal, KilowattHours, LoadPointIx, MeterIx,
    MeterValue, Mono, OperatorSignal, Origin, Percent, StatusReason, VehicleIx, VehicleValue,
    Volts, Watts,
};

/// One value to be read somewhere.
pub(super) struct Input<'a> {
    /// Position of the attribute; the parts of a composite share it.
    pub(super) slot: usize,
    /// Name of the device.
    pub(super) device: &'a str,
    /// Name of the attribute in the configuration.
    pub(super) attribute: String,
    /// Where it is read; never a composite or a constant.
    pub(super) source: &'a Source,
    /// The attribute needs somebody who asks for a part of it: then its messages go there, too.
    pub(super) asked: bool,
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

/// The attributes of a site, or a part of them.
#[derive(Default)]
pub(super) struct List<'a> {
    /// What is read.
    pub(super) inputs: Vec<Input<'a>>,
    /// What never changes, by position of the attribute.
    pub(super) constants: Vec<(usize, Fact)>,
    /// What cannot work, by position of the attribute.
    pub(super) broken: Vec<(usize, Broken)>,
    device: &'a str,
    slots: usize,
}

/// Everything that is read, in the order of the configuration, and what cannot be.
pub(super) fn inputs(config: &Config) -> List<'_> {
    let (setup, devices) = (&config.setup, &config.devices);
    let mut list = List::default();
    for (ix, (meter, device)) in setup.meters.iter().zip(&devices.meters).enumerate() {
        list.device = &meter.name;
        list.meter(MeterIx(ix), device);
    }
    for (ix, (lp, device)) in setup.loadpoints.iter().zip(&devices.chargers).enumerate() {
        list.device = lp.charger_name();
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
    if let Some(feed_in) = &devices.feed_in {
        list.device = "hems";
        list.feed_in(feed_in);
    }
    list
}

/// A word that is not known is no reason.
fn status_reason(word: String) -> ChargerValue {
    ChargerValue::StatusReason(word.trim().parse().unwrap_or(StatusReason::Unknown))
}

/// One phase or three; a charger that says two has three, and 0 is unknown.
fn switched_phases(number: f64) -> ChargerValue {
    ChargerValue::Phases(if number >= 2.0 { 3 } else { u8::from(number >= 1.0) })
}

/// What a script or a setter reads: all of it goes where the asking is done.
pub(super) fn read_first<'a>(
    device: &'a str,
    attribute: String,
    source: &'a Source,
    target: Target,
) -> List<'a> {
    let mut list = List { device, ..List::default() };
    list.attribute(attribute, Some(source), target);
    list.inputs.iter_mut().for_each(|input| input.asked = true);
    list
}

/// The topics of what the device tasks put together or read before they write something.
pub(super) fn topics(config: &Config) -> BTreeSet<&str> {
    let mut topics = BTreeSet::new();
    for input in inputs(config).inputs.into_iter().filter(|input| input.asked) {
        input.source.topics(&mut topics);
    }
    let devices = &config.devices;
    let chargers = devices.chargers.iter().flat_map(|charger| {
        [
            &charger.enable,
            &charger.max_current,
            &charger.max_current_millis,
            &charger.phases,
            &charger.wakeup,
        ]
    });
    let meters = devices.meters.iter().flat_map(|meter| [&meter.battery_mode, &meter.curtail]);
    chargers.chain(meters).flatten().for_each(|sink| sink.topics(&mut topics));
    topics
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

    fn feed_in(&mut self, device: &'a FeedInDevice) {
        use FeedInContact::{S1, S2, W3};
        use FeedInSignal as V;
        match device {
            FeedInDevice::Percent(source) => {
                let make = Make::Number(|percent| V::Share(Percent(percent)));
                let name = "curtailedPercent".to_owned();
                self.attribute(name, Some(source), Target::FeedIn(make));
            }
            FeedInDevice::Contacts(contacts) => {
                for (contact, source) in contacts {
                    let make: fn(bool) -> V = match contact {
                        W3 => |closed| V::Contact(W3, closed),
                        S2 => |closed| V::Contact(S2, closed),
                        S1 => |closed| V::Contact(S1, closed),
                    };
                    let target = Target::FeedIn(Make::Bool(make));
                    self.attribute(contact.name().to_owned(), Some(source), target);
                }
            }
        }
    }

    fn charger(&mut self, ix: LoadPointIx, device: &'a ChargerDevice) {
        use ChargerValue as V;
        let single: [Single<'a, Make<V>>; 10] = [
            ("status", &device.status, Make::Status(V::Status)),
            ("enabled", &device.enabled, Make::Bool(V::Enabled)),
            ("power", &device.power, Make::Number(|w| V::Power(Watts(w)))),
            ("energy", &device.energy, Make::Counter(|e| V::Energy(KilowattHours(e)))),
            ("soc", &device.soc, Make::Number(|soc| V::Soc(Percent(soc)))),
            ("limitsoc", &device.limit_soc, Make::Number(|soc| V::LimitSoc(Percent(soc)))),
            (
                "getmaxcurrent",
                &device.offered_current,
                Make::Number(|a| V::OfferedCurrent(Amps(a))),
            ),
            ("getphases", &device.switched_phases, Make::Number(switched_phases)),
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
            Source::Const(_) | Source::Composite(_) => self.composite(attribute, source, target),
            Source::Mqtt(_)
            | Source::Modbus(_)
            | Source::SunSpec(_)
            | Source::Http(_)
            | Source::Socket(_)
            | Source::Script(_)
            | Source::Js(_)
            | Source::Demo(_) => self.add(attribute, source, source, Delivery::Whole(target)),
        }
    }

    fn composite(&mut self, attribute: String, source: &'a Source, target: Target) {
        let never = Mono::default();
        let (mut tree, leaves) = match Tree::new(target.kind(), source) {
            Ok(tree) => tree,
            Err(error) => return self.broken(attribute, error),
        };
        if leaves.is_empty() {
            match tree.value(never) {
                Ok(Some(known)) => {
                    let delivery = Delivery::Whole(target);
                    let fact = delivery.deliver(never, Some(known.value), Origin::Live);
                    self.constants.extend(fact.ok().flatten().map(|fact| (self.slots, fact)));
                }
                Ok(None) => {}
                Err(error) => self.broken(attribute, error),
            }
            return;
        }
        let tree = Arc::new(Mutex::new(tree));
        for (position, (kind, name, leaf)) in leaves.into_iter().enumerate() {
            let delivery = Delivery::Part(kind, position, Arc::clone(&tree), target.clone());
            self.add(format!("{attribute}{name}"), source, leaf, delivery);
        }
    }

    fn broken(&mut self, attribute: String, error: String) {
        let broken = Broken { device: self.device.to_owned(), attribute, error };
        self.broken.push((self.slots, broken));
    }

    fn add(&mut self, attribute: String, whole: &Source, leaf: &'a Source, delivery: Delivery) {
        self.inputs.push(Input {
            slot: self.slots,
            device: self.device,
            attribute,
            source: leaf,
            asked: whole.is_asked_for(),
            delivery,
        });
    }
}
