//! Who stands where: identifiers, what the cars tell, and what they cannot know.

use super::*;

fn car(name: &str, identifiers: &[&str]) -> VehicleSetup {
    VehicleSetup {
        name: name.into(),
        title: name.into(),
        identifiers: identifiers.iter().map(|id| (*id).to_owned()).collect(),
        ..VehicleSetup::default()
    }
}

fn garage(loadpoints: usize, cars: Vec<VehicleSetup>) -> Bench {
    let names = ["a", "b", "c"];
    let loadpoints = names[..loadpoints].iter().map(|name| loadpoint(name)).collect();
    let mut bench = Bench::new(Setup { vehicles: cars, ..setup(loadpoints) });
    for lp in 0..bench.control.loadpoints().len() {
        bench.charger(lp, ChargerValue::Status(ChargeStatus::Disconnected));
        bench.charger(lp, ChargerValue::Power(Watts(0.0)));
    }
    bench.seconds(20);
    bench
}

fn two(first: &[&str], second: &[&str]) -> Bench {
    garage(1, vec![car("v1", first), car("v2", second)])
}

impl Bench {
    fn tell(&mut self, car: usize, value: VehicleValue) {
        self.fact(Fact::Vehicle { vehicle: VehicleIx(car), value, origin: Origin::Live });
    }

    fn tells(&mut self, car: usize, status: ChargeStatus) {
        self.tell(car, VehicleValue::Status(Some(status)));
    }

    fn retained(&mut self, car: usize, value: VehicleValue) {
        self.fact(Fact::Vehicle { vehicle: VehicleIx(car), value, origin: Origin::Retained });
    }

    fn arrives(&mut self, lp: usize) {
        self.charger(lp, ChargerValue::Status(ChargeStatus::Connected));
    }

    fn leaves(&mut self, lp: usize) {
        self.charger(lp, ChargerValue::Status(ChargeStatus::Disconnected));
    }

    fn charges(&mut self, car: usize, kilowatts: f64) {
        self.tell(car, VehicleValue::Trust(Trust::Live));
        self.tell(car, VehicleValue::ChargingState(Some("Charging".into())));
        let power = Some(Telemetry::Number(kilowatts));
        self.tell(car, VehicleValue::Telemetry("charger_power", power));
        self.tells(car, ChargeStatus::Charging);
    }

    fn stands(&self, lp: usize) -> Option<usize> {
        self.control.loadpoints()[lp].vehicle.map(|vehicle| vehicle.0)
    }

    fn told(&self, kind: EventKind) -> usize {
        self.events.iter().filter(|event| **event == kind).count()
    }

    fn signs(&self, lp: usize, car: usize) -> (u8, Vec<&'static str>) {
        let candidates = &self.control.loadpoints()[lp].candidates;
        let candidate = candidates.iter().find(|candidate| candidate.vehicle.0 == car).unwrap();
        (candidate.confidence, candidate.signs.iter().map(|sign| sign.code()).collect())
    }
}

/// Identifiers of both cars, what is read, whose it is.
type Row = (&'static [&'static str], &'static [&'static str], &'static str, Option<usize>);

#[test]
fn identifiers_find_their_cars() {
    // E-67; the last three rows are those where a pattern that is not anchored would err (W-16).
    let rows: [Row; 9] = [
        (&[], &[], "1", None),
        (&["1"], &["2"], "1", Some(0)),
        (&["1"], &["2"], "2", Some(1)),
        (&["1*"], &["2"], "11", Some(0)),
        (&["1*"], &["2*"], "22", Some(1)),
        (&[], &["*"], "2", Some(1)),
        (&["1*"], &[], "A1B", None),
        (&["A*b"], &["a1B"], "A1b", Some(1)),
        (&["1.*"], &[], "123", None),
    ];
    for (first, second, id, expected) in rows {
        let mut bench = two(first, second);
        bench.arrives(0);
        bench.charger(0, ChargerValue::Identity(id.into()));
        bench.seconds(1);
        assert_eq!(bench.stands(0), expected, "{first:?} / {second:?}; {id}");
        let searching = bench.control.loadpoints()[0].detecting_until.is_some();
        assert_eq!(searching, expected.is_none());
    }
}

#[test]
fn the_same_identifier_is_acted_on_once() {
    let mut first = car("v1", &["1"]);
    first.on_identify.mode = Some(Mode::MinPv);
    let mut bench = garage(1, vec![first, car("v2", &[])]);
    bench.arrives(0);
    bench.charger(0, ChargerValue::Identity("1".into()));
    bench.seconds(1);
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::MinPv);
    bench.set_mode(0, Mode::Now);
    bench.charger(0, ChargerValue::Identity("1".into()));
    bench.seconds(1);
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::Now, "E-68");
    // A user who knows better is not overruled by what was read before.
    bench.control.set_vehicle(bench.now, LoadPointIx(0), Some(VehicleIx(1))).unwrap();
    bench.charger(0, ChargerValue::Identity("1".into()));
    bench.seconds(1);
    assert_eq!(bench.stands(0), Some(1));
}

#[test]
fn the_status_alone_decides_as_in_the_examples() {
    use ChargeStatus::{Charging as C, Connected as B, Disconnected as A};
    // E-69, charger in B.
    let rows = [
        (A, A, None),
        (B, A, Some(0)),
        (A, B, Some(1)),
        (A, C, Some(1)),
        (B, B, None),
        (B, C, Some(0)),
        (C, B, Some(1)),
        (C, C, None),
    ];
    for (first, second, expected) in rows {
        let mut bench = two(&[], &[]);
        // Retained, they are of unknown age and have no moment of plugging in.
        bench.retained(0, VehicleValue::Status(Some(first)));
        bench.retained(1, VehicleValue::Status(Some(second)));
        bench.arrives(0);
        bench.seconds(30);
        assert_eq!(bench.stands(0), None, "others may not have reported yet");
        bench.seconds(10);
        assert_eq!(bench.stands(0), expected, "{first:?}/{second:?}");
    }
}

#[test]
fn the_moment_of_plugging_in_tells_equal_cars_apart() {
    let mut bench = two(&[], &[]);
    bench.tells(0, ChargeStatus::Connected);
    bench.seconds(3600);
    bench.arrives(0);
    bench.seconds(15);
    bench.tells(1, ChargeStatus::Connected);
    bench.seconds(1);
    assert_eq!(
        bench.stands(0),
        Some(1),
        "F18: the other one has been plugged in elsewhere for long"
    );
    let (confidence, signs) = bench.signs(0, 1);
    assert_eq!((confidence, signs), (70, vec!["same_status", "plug_time"]));
    assert_eq!(bench.signs(0, 0), (0, vec!["plugged_elsewhere"]));
}

#[test]
fn the_rhythm_of_charging_tells_equal_cars_apart_even_late() {
    let mut bench = two(&[], &[]);
    for car in [0, 1] {
        bench.retained(car, VehicleValue::Status(Some(ChargeStatus::Connected)));
    }
    bench.arrives(0);
    bench.seconds(601);
    assert_eq!((bench.stands(0), bench.told(EventKind::Guest)), (None, 1));
    bench.events.retain(|kind| *kind != EventKind::MeterSilent && kind.device().is_none());
    assert_eq!(bench.events, [EventKind::Connect, EventKind::Guest]);
    // Weak signs are over, but a car that begins to charge with the charger is the one.
    bench.set_mode(0, Mode::Now);
    bench.live(10, 0.0);
    bench.charges(1, 11.0);
    bench.live(2, 0.0);
    assert_eq!(bench.stands(0), Some(1), "{:?}", bench.control.loadpoints()[0].candidates);
    assert_eq!(bench.signs(0, 1).1, ["same_status", "charging", "power"]);
    assert_eq!(bench.told(EventKind::Guest), 1);
    // Nobody is swapped in the middle of a session.
    bench.charges(0, 11.0);
    bench.live(900, 0.0);
    assert_eq!(bench.stands(0), Some(1));
}

#[test]
fn a_car_that_charges_elsewhere_is_never_ours() {
    // F17: nothing but its own words is known of the Tesla, and it stands at a Supercharger.
    let mut bench = garage(1, vec![car("tesla", &[])]);
    bench.charges(0, 120.0);
    bench.seconds(600);
    bench.arrives(0);
    for _ in 0..62 {
        bench.charges(0, 118.0);
        bench.seconds(10);
    }
    assert_eq!((bench.stands(0), bench.told(EventKind::Guest)), (None, 1));
    assert_eq!(bench.signs(0, 0), (0, vec!["plugged_elsewhere"]));
    assert_eq!(bench.told(EventKind::Connect), 1);
}

#[test]
fn a_default_car_at_another_place_gives_way_to_a_guest_and_comes_back() {
    let mut point = loadpoint("a");
    point.vehicle = Some(VehicleIx(0));
    let mut tesla = car("tesla", &[]);
    tesla.on_identify.mode = Some(Mode::Now);
    let mut bench = Bench::new(Setup { vehicles: vec![tesla], ..setup(vec![point]) });
    let home = chargebus::control::Home { position: Some((52.5, 13.4)), geofence: None };
    bench.control.set_home(bench.now, home).unwrap();
    bench.charger(0, ChargerValue::Status(ChargeStatus::Disconnected));
    bench.tell(0, VehicleValue::Trust(Trust::Asleep));
    bench.tell(0, VehicleValue::Position(Some((52.6, 13.4))));
    bench.retained(0, VehicleValue::Status(Some(ChargeStatus::Connected)));
    assert_eq!(bench.stands(0), Some(0));
    bench.arrives(0);
    bench.seconds(700);
    assert_eq!((bench.stands(0), bench.told(EventKind::Guest)), (None, 1));
    assert_eq!(bench.signs(0, 0), (0, vec!["elsewhere"]));
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::Off, "nothing of the Tesla's");
    bench.leaves(0);
    bench.seconds(1);
    assert_eq!(bench.stands(0), Some(0));
    // 100 m is a long garage.
    bench.tell(0, VehicleValue::Position(Some((52.5009, 13.4))));
    bench.arrives(0);
    bench.seconds(1);
    assert_eq!(
        (bench.stands(0), bench.control.loadpoints()[0].settings.mode),
        (Some(0), Mode::Now)
    );
}

#[test]
fn home_is_where_a_car_charged_with_us_beyond_doubt() {
    let mut bench = two(&[], &[]);
    bench.set_mode(0, Mode::Now);
    bench.tell(0, VehicleValue::Position(Some((48.1, 11.5))));
    bench.tell(0, VehicleValue::Geofence(Some("Nest".into())));
    bench.tells(0, ChargeStatus::Disconnected);
    bench.arrives(0);
    bench.tells(0, ChargeStatus::Connected);
    bench.live(10, 0.0);
    assert_eq!(bench.stands(0), Some(0));
    assert_eq!(bench.control.home().position, None, "it has not charged with us yet");
    bench.charges(0, 11.0);
    bench.live(2, 0.0);
    assert_eq!(bench.control.home().position, Some((48.1, 11.5)));
    assert_eq!(bench.control.home().geofence.as_deref(), Some("Nest"));
}

#[test]
fn people_hear_of_a_car_once_it_is_known() {
    let mut bench = two(&["1"], &[]);
    bench.arrives(0);
    bench.seconds(5);
    assert_eq!(bench.told(EventKind::Connect), 0, "nobody knows who it is");
    bench.charger(0, ChargerValue::Identity("1".into()));
    bench.seconds(1);
    assert_eq!(bench.told(EventKind::Connect), 1);
}

#[test]
fn a_status_that_is_made_of_two_values_turns_when_it_is_heard() {
    let mut bench = two(&[], &[]);
    let aged = |bench: &mut Bench, car, status| {
        let origin = Origin::Aged(Duration::from_secs(60));
        let value = VehicleValue::Status(Some(status));
        bench.fact(Fact::Vehicle { vehicle: VehicleIx(car), value, origin });
    };
    bench.arrives(0);
    aged(&mut bench, 0, ChargeStatus::Connected);
    aged(&mut bench, 1, ChargeStatus::Connected);
    bench.seconds(5);
    assert_eq!(bench.stands(0), None, "either may be it");
    bench.charger(0, ChargerValue::Status(ChargeStatus::Charging));
    aged(&mut bench, 0, ChargeStatus::Charging);
    bench.seconds(2);
    assert!(bench.signs(0, 0).1.contains(&"charging"));
    assert_eq!(bench.stands(0), Some(0));
}

#[test]
fn a_charger_that_loses_contact_does_not_lose_the_car() {
    let mut bench = two(&[], &[]);
    bench.arrives(0);
    bench.tells(0, ChargeStatus::Connected);
    bench.seconds(2);
    assert_eq!(bench.stands(0), Some(0));
    bench.seconds(3600);
    bench.leaves(0);
    bench.seconds(300);
    assert_eq!(bench.stands(0), None);
    bench.arrives(0);
    bench.seconds(2);
    assert_eq!(bench.stands(0), Some(0), "it never left its plug");
    assert_eq!(bench.signs(0, 0).1, ["same_status", "returned"]);
}

#[test]
fn a_restart_keeps_the_car_where_it_was_and_a_departure_does_not() {
    let restarted = |status| {
        let mut first = car("v1", &[]);
        first.on_identify.mode = Some(Mode::Now);
        let cars = vec![first, car("v2", &[])];
        let mut bench = Bench::new(Setup { vehicles: cars, ..setup(vec![loadpoint("a")]) });
        let (now, lp) = (bench.now, LoadPointIx(0));
        let put = |control: &mut Control| control.set_vehicle(now, lp, Some(VehicleIx(0)));
        bench.control.restore(put).unwrap();
        // F13: the car sleeps, and all that it says is of unknown age.
        bench.retained(0, VehicleValue::Status(Some(ChargeStatus::Connected)));
        bench.retained(1, VehicleValue::Status(Some(ChargeStatus::Connected)));
        bench.charger(0, ChargerValue::Status(status));
        bench.seconds(60);
        bench
    };
    let bench = restarted(ChargeStatus::Connected);
    assert_eq!(bench.stands(0), Some(0));
    assert_eq!(bench.control.loadpoints()[0].settings.mode, Mode::Off, "the stored mode counts");
    assert_eq!(restarted(ChargeStatus::Disconnected).stands(0), None);
}

#[test]
fn the_search_can_be_started_and_stopped_by_hand() {
    let mut bench = two(&["1"], &[]);
    bench.arrives(0);
    bench.charger(0, ChargerValue::Identity("1".into()));
    bench.seconds(1);
    let lp = LoadPointIx(0);
    bench.control.set_vehicle(bench.now, lp, None).unwrap();
    bench.seconds(1200);
    assert_eq!((bench.stands(0), bench.told(EventKind::Guest)), (None, 0), "none was the wish");
    bench.control.set_detection(bench.now, lp, true).unwrap();
    bench.seconds(1);
    assert_eq!(bench.stands(0), Some(0), "the identifier counts anew");
    bench.control.set_vehicle(bench.now, lp, None).unwrap();
    bench.control.set_detection(bench.now, lp, true).unwrap();
    bench.control.set_detection(bench.now, lp, false).unwrap();
    bench.seconds(1200);
    assert_eq!((bench.stands(0), bench.told(EventKind::Guest)), (None, 0));
    assert!(bench.control.set_detection(bench.now, LoadPointIx(9), true).is_err());
}

#[test]
fn a_default_car_may_stand_at_the_neighbour_s_place() {
    let mut left = loadpoint("left");
    left.vehicle = Some(VehicleIx(0));
    let cars = vec![car("v1", &[])];
    let mut bench = Bench::new(Setup { vehicles: cars, ..setup(vec![left, loadpoint("right")]) });
    bench.leaves(0);
    bench.leaves(1);
    bench.arrives(1);
    bench.tells(0, ChargeStatus::Connected);
    bench.seconds(1);
    assert_eq!((bench.stands(0), bench.stands(1)), (None, Some(0)));
    bench.arrives(0);
    bench.seconds(1);
    bench.tell(0, VehicleValue::Trust(Trust::Live));
    bench.seconds(40);
    assert_eq!(bench.stands(1), Some(0), "it stands there");
    bench.leaves(1);
    bench.leaves(0);
    bench.seconds(1);
    assert_eq!(bench.stands(0), Some(0), "and is at home again");
}
