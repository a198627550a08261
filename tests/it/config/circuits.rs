//! `circuits` and `hems`: a tree that cannot be wrong, and what is not enforced is said loudly.

use std::time::Duration;

use chargebus::config::{FeedInDevice, OperatorDevice, Source};
use chargebus::model::{
    Amps, CircuitIx, FeedInContact, FeedInSetup, MeterIx, MeterRole, OperatorSetup, Percent,
    Rotation, Watts, Wiring,
};

use super::{errors, good, loadpoint, notices};

const CIRCUITS: &str = "
meters:
  - name: fuse
    type: custom
    power: {source: mqtt, topic: fuse/power}
    currents:
      - {source: mqtt, topic: fuse/l1}
      - {source: mqtt, topic: fuse/l2}
      - {source: mqtt, topic: fuse/l3}
  - name: plain
    type: custom
    power: {source: mqtt, topic: plain/power}
circuits:
  - {name: garage, title: Garage, parent: main, maxPower: 11000, maxCurrent: 0}
  - {name: main, meter: fuse, maxCurrent: 35, timeout: 20s}
";

fn site(keys: &[&str], more: &str) -> String {
    format!("{}{more}", loadpoint(keys))
}

#[test]
fn a_tree() {
    let setup = good(&site(&["circuit: garage", "phaseRotation: l2l3l1"], CIRCUITS)).setup;
    let [garage, main] = setup.limits.circuits.as_slice() else { panic!("{setup:?}") };
    assert_eq!((garage.parent, main.parent), (Some(CircuitIx(1)), None));
    assert_eq!((garage.max_power, garage.max_current), (Some(Watts(11000.0)), None));
    assert_eq!((garage.meter, garage.title.as_str()), (None, "Garage"));
    assert_eq!((main.meter, main.max_current), (Some(MeterIx(0)), Some(Amps(35.0))));
    assert_eq!(main.timeout, Some(Duration::from_secs(20)));
    assert_eq!(setup.meters[0].role, MeterRole::Circuit);
    let wiring = Wiring { circuit: Some(CircuitIx(0)), rotation: Rotation::L2L3L1 };
    assert_eq!(setup.loadpoints[0].wiring, wiring);
}

#[test]
fn wrong_trees() {
    let with = |from: &str, to: &str| {
        let errors = errors(&site(&["circuit: main"], &CIRCUITS.replace(from, to)));
        errors.iter().map(|e| e.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        with("parent: main", "parent: mian"),
        ["circuits[0].parent: unknown circuit \"mian\" (did you mean \"main\"?)"]
    );
    assert_eq!(
        with("parent: main, ", ""),
        [
            "circuits[1]: there can be only one circuit without parent, and \"garage\" is one: write \
          parent"
        ]
    );
    let itself = "the circuit feeds itself: one circuit must have no parent";
    assert_eq!(
        with("meter: fuse,", "parent: garage,"),
        [format!("circuits[0].parent: {itself}"), format!("circuits[1].parent: {itself}")]
    );
    assert_eq!(
        with("meter: fuse", "meter: plain"),
        ["circuits[1].meter: has no currents: maxCurrent needs those of all three phases"]
    );
    assert_eq!(
        with("name: garage", "name: main"),
        [
            "circuits[0].parent: the circuit feeds itself: one circuit must have no parent",
            "circuits[1].name: the circuit \"main\" exists already"
        ]
    );
    assert_eq!(
        with("name: garage", "name: a/b"),
        ["circuits[0].name: is part of topics: no / + #, found \"a/b\""]
    );
    assert_eq!(
        with("maxCurrent: 35", "maxcurent: 35"),
        ["circuits[1].maxcurent: unknown key (did you mean \"maxCurrent\"?)"]
    );
    let unknown = errors(&site(&["circuit: Garage"], CIRCUITS));
    assert_eq!(
        unknown,
        ["11:5 loadpoints[0].circuit: unknown circuit \"Garage\" (did you mean \"garage\"?)"]
    );
}

#[test]
fn what_is_not_guarded_is_said() {
    let said = notices(&site(&[], &CIRCUITS.replace("20s", "0s")));
    let has = |text: &str| assert!(said.iter().any(|notice| notice.contains(text)), "{said:?}");
    has("loadpoints[0]: belongs to no circuit: no fuse limits it, write circuit: <name>");
    has("circuits[1].timeout: 60s is used: a fuse is not left unguarded for longer");
}

#[test]
fn the_grid_operator() {
    let relay =
        "hems: {type: relay, maxPower: 5000, limit: {source: mqtt, topic: relay}, timeout: 2m}";
    let config = good(&site(&[], relay));
    let (max_power, fail_safe) = (Watts(5000.0), Watts(4200.0));
    let timeout = Some(Duration::from_secs(120));
    assert_eq!(config.setup.limits.operator, Some(OperatorSetup { max_power, fail_safe, timeout }));
    assert!(matches!(config.devices.operator, Some(OperatorDevice::Relay(Source::Mqtt(_)))));

    let custom = "hems: {type: custom, limit: {source: const, value: 4200}}";
    let config = good(&site(&[], custom));
    assert!(matches!(config.devices.operator, Some(OperatorDevice::Limit(Source::Const(_)))));

    let said = |hems: &str| notices(&site(&[], hems)).join("\n");
    assert!(said("hems: {type: eebus, ski: 1}").contains("NOT enforced"));
    assert!(said("hems: {type: custom, limit: {source: sma}}").contains("NOT enforced"));
    assert!(said("hems: {type: custom, limit: {source: mqtt, topic: x}}").contains("no timeout"));
    assert_eq!(
        errors(&site(&[], "hems: {type: relay, limit: {source: mqtt, topic: relay}}")).len(),
        1
    );
}

#[test]
fn the_grid_operator_limits_the_feed_in() {
    let share = "curtailedPercent: {source: mqtt, topic: share}";
    let custom = format!(
        "hems: {{type: custom, {share}, productionNominalMax: 9900, timeout: 2m, failSafeFeedIn: 50}}"
    );
    let config = good(&site(&[], &custom));
    let (nominal, fail_safe) = (Some(Watts(9900.0)), Some(Percent(50.0)));
    let timeout = Some(Duration::from_secs(120));
    assert_eq!(config.setup.limits.feed_in, Some(FeedInSetup { nominal, fail_safe, timeout }));
    assert!(matches!(config.devices.feed_in, Some(FeedInDevice::Percent(Source::Mqtt(_)))));
    assert_eq!(config.setup.limits.operator, None);

    let contact = |name: &str| format!("{name}: {{source: mqtt, topic: {name}}}");
    let [w4, w3, s1] = ["W4", "W3", "S1"].map(contact);
    let fnn = format!(
        "hems: {{type: fnn, {w4}, maxDimPower: 8400, {w3}, {s1}, maxCurtailPower: 9900, timeout: 1m}}"
    );
    let config = good(&site(&[], &fnn));
    assert_eq!(config.setup.limits.operator.unwrap().max_power, Watts(8400.0));
    assert_eq!(config.setup.limits.feed_in.unwrap().nominal, Some(Watts(9900.0)));
    let Some(FeedInDevice::Contacts(contacts)) = &config.devices.feed_in else { panic!() };
    let names: Vec<_> = contacts.iter().map(|(contact, _)| *contact).collect();
    assert_eq!(names, [FeedInContact::W3, FeedInContact::S1]);

    let wrong = |hems: &str| errors(&site(&[], hems)).join("\n");
    assert!(
        wrong(&format!("hems: {{type: custom, {share}}}"))
            .contains("productionNominalMax: is missing")
    );
    assert!(wrong("hems: {type: custom}").contains("hems.limit: is missing"));
    assert!(wrong("hems: {type: fnn, maxDimPower: 5000}").contains("hems.limit: is missing"));
    let meters = "meters:
  - {name: roof, type: custom, power: {source: const, value: 0}, curtail: {source: mqtt, topic: roof/max}}
  - {name: house, type: custom, power: {source: const, value: 0}, curtail: {source: mqtt, topic: x}}
site: {meters: {pv: roof, aux: house}}
";
    let config = good(&site(&[], meters));
    let takes = config.setup.meters.iter().map(|meter| meter.curtailable);
    assert_eq!(takes.collect::<Vec<_>>(), [true, false]);
    let said = notices(&site(&[], meters)).join("\n");
    assert!(said.contains("curtail of \"house\" is used for pv and grid only"), "{said}");
}
