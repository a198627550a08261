//! Waking cars, and a charger that falls silent.

use super::*;

/// A load point in mode now with a car that does not draw.
fn drowsy(charger: bool, car: bool) -> Bench {
    let mut point = loadpoint("a");
    point.charger.can_wake = charger;
    point.vehicle = Some(VehicleIx(0));
    let vehicle = VehicleSetup { name: "car".into(), can_wake: car, ..VehicleSetup::default() };
    let mut bench = Bench::new(Setup { vehicles: vec![vehicle], ..setup(vec![point]) });
    bench.charger(0, ChargerValue::Status(ChargeStatus::Disconnected));
    bench.charger(0, ChargerValue::Enabled(false));
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.set_mode(0, Mode::Now);
    bench
}

impl Bench {
    /// Seconds from the first command at which charger (c) and vehicle (v) are woken within a time.
    fn woken(&mut self, seconds: u64) -> Vec<(u64, char)> {
        let wakes =
            |bench: &Bench| bench.commands.iter().filter(|c| c.2 == ChargerCommand::WakeUp).count();
        let (mut last, mut woken, mut cars) = (wakes(self), Vec::new(), self.wakes);
        for second in 1..=seconds {
            self.charger(0, ChargerValue::Enabled(self.control.loadpoints()[0].enabled));
            self.seconds(1);
            if wakes(self) > last {
                woken.push((second, 'c'));
            }
            if self.wakes > cars {
                woken.push((second, 'v'));
            }
            (last, cars) = (wakes(self), self.wakes);
        }
        woken
    }
}

fn letters(woken: &[(u64, char)]) -> String {
    woken.iter().map(|(_, letter)| letter).collect()
}

#[test]
fn charger_and_vehicle_are_woken_in_turn() {
    // E-76 and control.md §19.3: 5, 3, 1 are the charger's, 4, 2, 0 the vehicle's if both can.
    for (charger, car, expected) in
        [(true, true, "cvcvcv"), (true, false, "ccc"), (false, true, "vvv"), (false, false, "")]
    {
        let mut bench = drowsy(charger, car);
        let woken = bench.woken(240);
        assert_eq!(letters(&woken), expected, "{charger}, {car}: {woken:?}");
        let asleep = bench.events.iter().filter(|kind| **kind == EventKind::Asleep);
        assert_eq!(asleep.count(), 1, "210 s after enabling");
        if charger && car {
            let at: Vec<_> = woken.iter().map(|(at, _)| *at).collect();
            assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 30), "{woken:?}");
            assert!((29..=31).contains(&at[0]), "{woken:?}");
        }
    }
}

#[test]
fn a_car_is_not_woken_for_ever() {
    let mut bench = drowsy(true, true);
    let mut woken = Vec::new();
    for _ in 0..8 {
        woken.extend(bench.woken(300));
        bench.set_mode(0, Mode::Off);
        bench.seconds(1);
        bench.set_mode(0, Mode::Now);
    }
    assert_eq!(woken.len(), 9, "the budget of a day");
}

#[test]
fn a_refusal_because_of_sleep_wakes_the_vehicle() {
    let mut bench = drowsy(false, true);
    bench.seconds(1);
    let command = ChargerCommand::MaxCurrent(Amps(16.0));
    let fact = Fact::Done { lp: LoadPointIx(0), command, outcome: Outcome::Asleep };
    bench.fact(fact);
    assert_eq!(bench.wakes, 0);
    bench.seconds(1);
    assert_eq!(bench.wakes, 1, "at once, not after 30 s");
}

#[test]
fn a_silent_charger_is_left_as_it_is_and_off_still_works() {
    let mut bench = connected(Mode::Pv, vec![loadpoint("a")]);
    bench.live(90, 5000.0);
    assert_eq!(bench.offered(0), 7.0);
    bench.charger(0, ChargerValue::Lost(ChargerAttribute::Status));
    for _ in 0..60 {
        bench.grid(-9000.0);
        bench.seconds(1);
    }
    assert_eq!((bench.offered(0), bench.why(0)), (7.0, Why::ChargerSilent), "nothing is raised");
    bench.set_mode(0, Mode::Off);
    bench.seconds(1);
    assert_eq!(bench.commands.last().unwrap().2, ChargerCommand::Enable(false));
    bench.charger(0, ChargerValue::Status(ChargeStatus::Connected));
    bench.set_mode(0, Mode::Now);
    bench.seconds(1);
    assert_eq!(bench.why(0), Why::ModeNow, "back with its first word");
}

#[test]
fn what_a_charger_says_no_more_is_not_known_any_more() {
    let mut bench = connected(Mode::Now, vec![loadpoint("a")]);
    bench.charger(0, ChargerValue::Soc(Percent(60.0)));
    bench.charger(0, ChargerValue::Current(Phase::L1, Amps(10.0)));
    assert_eq!(bench.control.soc(LoadPointIx(0)), Some(Percent(60.0)));
    for attribute in [ChargerAttribute::Soc, ChargerAttribute::Current(Phase::L1)] {
        bench.charger(0, ChargerValue::Lost(attribute));
    }
    assert_eq!(bench.control.soc(LoadPointIx(0)), None);
    assert_eq!(bench.control.loadpoints()[0].currents[0], None);
}
