//! Who stands where, and what the cars have taught us: fields of ours.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::api::Value;
use crate::api::field::{Field, Kind, Rest, Set, View, Write};
use crate::control::{Candidate, Control, Home, Refusal, Vehicle};
use crate::model::{LoadPointIx, Now, VehicleIx};

pub(super) const SITE: &[Field] = &[Field {
    key: "home",
    kind: Kind::Json,
    doc: "Where home is: latitude, longitude, geofence; learned unless it is written.",
    get: |view, _| home_value(view.control.home()),
    write: Some(Write {
        name: "home",
        clears: true,
        rest: Rest::post(&["/home"]).delete("/home"),
        set: Set::Json(|control, now, _, json| control.set_home(now, home(json)?)),
        ..Write::SETTING
    }),
    ..Field::SITE
}];

pub(super) const LOADPOINT: &[Field] = &[Field {
    key: "vehicleCandidates",
    kind: Kind::Json,
    doc: "Who may have been plugged in: vehicle, confidence (0 to 100), signs.",
    get: |view, ix| {
        let candidates = &view.control.loadpoints()[ix].candidates;
        Value::Json(match candidates.is_empty() {
            true => Json::Null,
            false => candidates.iter().map(|candidate| candidate_json(view, candidate)).collect(),
        })
    },
    ..Field::LOADPOINT
}];

pub(super) const VEHICLE: &[Field] = &[
    Field {
        key: "chargeEfficiency",
        kind: Kind::Float,
        unit: "1",
        doc: "Share of the energy from the grid that reaches the battery, as learned; cleared, anew.",
        get: |view, ix| {
            Value::float_or_absent(vehicle(view, ix).learned.efficiency.map(hundredths))
        },
        write: Some(Write {
            name: "chargeEfficiency",
            range: Some((0.75, 0.95)),
            clears: true,
            rest: Rest::post(&["/vehicles/{name}/chargeefficiency/{value}"])
                .delete("/vehicles/{name}/chargeefficiency"),
            set: Set::FloatOrNone(|control, now, ix, value| {
                control.set_efficiency(now, VehicleIx(ix), value)
            }),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "chargeShares",
        kind: Kind::Json,
        doc: "Share of the nominal power that it draws, by load point, as learned; cleared, anew.",
        get: |view, ix| {
            let shares = &vehicle(view, ix).learned.shares;
            match shares.is_empty() {
                true => Value::Absent,
                false => Value::Json(
                    shares
                        .iter()
                        .map(|(lp, share)| ((lp.0 + 1).to_string(), json!(hundredths(*share))))
                        .collect(),
                ),
            }
        },
        write: Some(Write {
            name: "chargeShares",
            clears: true,
            rest: Rest::post(&["/vehicles/{name}/chargeshares"])
                .delete("/vehicles/{name}/chargeshares"),
            set: Set::Json(set_shares),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
    Field {
        key: "chargeTaper",
        kind: Kind::Json,
        doc: "Share of its usual power that it draws from 80 % on, as learned; cleared, anew.",
        get: |view, ix| {
            let steps = TAPER.iter().zip(vehicle(view, ix).learned.taper);
            let known = steps.filter_map(|(begin, share)| Some((begin, json!(hundredths(share?)))));
            let known: serde_json::Map<_, _> =
                known.map(|(begin, share)| ((*begin).to_owned(), share)).collect();
            if known.is_empty() { Value::Absent } else { Value::Json(Json::Object(known)) }
        },
        write: Some(Write {
            name: "chargeTaper",
            clears: true,
            rest: Rest::post(&["/vehicles/{name}/chargetaper"])
                .delete("/vehicles/{name}/chargetaper"),
            set: Set::Json(set_taper),
            ..Write::SETTING
        }),
        ..Field::VEHICLE
    },
];

/// Where the steps of a taper begin, in %.
const TAPER: [&str; 4] = ["80", "85", "90", "95"];

fn set_taper(control: &mut Control, now: Now, ix: usize, json: &Json) -> Result<(), Refusal> {
    let form =
        || Refusal::Malformed(r#"expected {"80": 1, "85": 0.9, "90": 0.7, "95": 0.4}"#.into());
    let known = |begin: &&String| TAPER.contains(&begin.as_str());
    match json.as_object() {
        Some(members) if !members.keys().all(|begin| known(&begin)) => return Err(form()),
        None if !json.is_null() => return Err(form()),
        Some(_) | None => {}
    }
    let share = |begin: &str| match json.get(begin) {
        None | Some(Json::Null) => Ok(None),
        Some(share) => share.as_f64().map(Some).ok_or_else(form),
    };
    let [a, b, c, d] = TAPER.map(share);
    control.set_taper(now, VehicleIx(ix), [a?, b?, c?, d?])
}

fn vehicle<'a>(view: &View<'a>, ix: usize) -> &'a Vehicle {
    &view.control.vehicles()[ix]
}

/// What is learned moves all the while; hundredths are news, and are stored.
fn hundredths(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

fn candidate_json(view: &View<'_>, candidate: &Candidate) -> Json {
    let signs: Vec<&str> = candidate.signs.iter().map(|sign| sign.code()).collect();
    let name = &vehicle(view, candidate.vehicle.0).setup.name;
    json!({ "vehicle": name, "confidence": candidate.confidence, "signs": signs })
}

fn home_value(home: &Home) -> Value {
    let mut members = serde_json::Map::new();
    if let Some((latitude, longitude)) = home.position {
        members.insert("latitude".to_owned(), json!(latitude));
        members.insert("longitude".to_owned(), json!(longitude));
    }
    if let Some(geofence) = &home.geofence {
        members.insert("geofence".to_owned(), json!(geofence));
    }
    if members.is_empty() { Value::Absent } else { Value::Json(Json::Object(members)) }
}

fn home(json: &Json) -> Result<Home, Refusal> {
    let form = r#"expected {"latitude": 52.5, "longitude": 13.4}, {"geofence": "Home"}, or both"#;
    let number = |key: &str| json.get(key).and_then(Json::as_f64);
    let home = Home {
        position: number("latitude").zip(number("longitude")),
        geofence: json.get("geofence").and_then(Json::as_str).map(str::to_owned),
    };
    let nothing = home == Home::default() && !json.is_null();
    if nothing { Err(Refusal::Malformed(form.to_owned())) } else { Ok(home) }
}

fn set_shares(control: &mut Control, now: Now, ix: usize, json: &Json) -> Result<(), Refusal> {
    let form = || Refusal::Malformed(r#"expected {"1": 0.95}, by load point"#.to_owned());
    let mut shares = BTreeMap::new();
    if let Some(members) = json.as_object() {
        for (lp, share) in members {
            let lp = lp.parse::<usize>().ok().and_then(|lp| lp.checked_sub(1)).ok_or_else(form)?;
            shares.insert(LoadPointIx(lp), share.as_f64().ok_or_else(form)?);
        }
    } else if !json.is_null() {
        return Err(form());
    }
    control.set_shares(now, VehicleIx(ix), shares)
}
