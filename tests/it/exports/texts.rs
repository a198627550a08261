//! Texts for people: names become the values of the moment.

use std::time::Duration;

use chargebus::api::{Occasion, State, View};
use chargebus::control::{Control, SocPlan};
use chargebus::model::{
    ChargeStatus, ChargerValue, Effect, Event, EventKind, Fact, KilowattHours, LoadPointIx, Now,
    Origin, Percent, Template, VehicleIx,
};

use crate::house;

fn occasion(control: &Control, event: &Event, now: Now) -> Occasion {
    let system = house::system();
    Occasion::new(event, &View { control, system: &system, now }, &State::default())
}

fn event(lp: Option<usize>, vehicle: Option<usize>, kind: EventKind) -> Event {
    Event { lp: lp.map(LoadPointIx), vehicle: vehicle.map(VehicleIx), kind }
}

#[track_caller]
fn reads(occasion: &Occasion, template: &str, text: &str) {
    let (template, flaws) = Template::parse(template);
    assert_eq!(flaws, [""; 0]);
    assert_eq!(occasion.text(&template), text, "{}", template.source);
}

#[test]
fn names_are_those_of_site_load_point_and_vehicle() {
    let mut control = house::fed();
    let now = house::noon();
    let time = now.utc + chrono::TimeDelta::hours(8);
    let plan = Some(SocPlan { soc: Percent(90.0), time });
    control.set_plan_soc(now, VehicleIx(0), plan).unwrap();
    let occasion = occasion(&control, &event(Some(0), Some(0), EventKind::Start), now);
    reads(
        &occasion,
        "${title} ${loadpoint} ${mode}: ${vehicleTitle}",
        "Carport 1 pv: Blauer Tesla",
    );
    reads(&occasion, "${pvPower:%.1fk} kW, {{.grid.Power}} W", "4.0 kW, -3000 W");
    reads(&occasion, "{{round .battery.Soc 0}} {{.siteTitle}} ${event}", "55 Zuhause start");
    reads(&occasion, "${vehicleCapacity} ${vehicleSoc:%.0f}%", "75 41%");
    reads(&occasion, "${vehiclePlanSoc} ${vehiclePlanTime}", "90 2026-08-08T20:00:00Z");
    reads(&occasion, "${chargeDuration} ${vehicleIcon} ${nonsense}", "0s – –");
    let silent = self::occasion(&control, &event(None, None, EventKind::MeterSilent), now);
    reads(&silent, "${event} ${mode} ${homePower:%d}", "metersilent – 800");
}

#[test]
fn a_car_that_has_left_is_still_named() {
    let mut control = house::fed();
    let mut now = house::noon().later(Duration::from_secs(10));
    let lp = LoadPointIx(0);
    control.set_vehicle(now, lp, Some(VehicleIx(1))).unwrap();
    let charger = |value| Fact::Charger { lp, value, origin: Origin::Live };
    for value in [
        ChargerValue::Status(ChargeStatus::Charging),
        ChargerValue::Energy(KilowattHours(128.63)),
        ChargerValue::Status(ChargeStatus::Disconnected),
    ] {
        now = now.later(Duration::from_secs(1800));
        control.handle(now, charger(value));
    }
    let mut last = None;
    while let Some(effect) = control.poll() {
        if let Effect::Event(event) = effect {
            last = Some(event);
        }
    }
    let event = last.unwrap();
    assert_eq!((event.kind, event.vehicle), (EventKind::Disconnect, Some(VehicleIx(1))));
    assert_eq!(control.loadpoints()[0].vehicle, Some(VehicleIx(0)), "the default is back");
    let occasion = occasion(&control, &event, now);
    reads(&occasion, "${vehicleTitle} ${vehicleName} ${chargedEnergy:%.1fk}", "Zoe zoe 5.2");
    reads(&occasion, "${vehicleSoc}", "–");
}

#[test]
fn machines_are_told_what_where_who_and_when() {
    let control = house::fed();
    let occasion = occasion(&control, &event(Some(0), Some(0), EventKind::Soc(50)), house::noon());
    let json: serde_json::Value = serde_json::from_str(&occasion.json(house::noon())).unwrap();
    let expected = serde_json::json!({
        "event": "soc", "circuit": null, "limit": null, "loadpoint": 1, "soc": 50,
        "vehicle": "tesla", "time": "2026-08-08T12:00:00Z",
    });
    assert_eq!(json, expected);
}
