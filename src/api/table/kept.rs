//! Settings that are kept for clients and change nothing here (api.md §3.2, §4.2, §7).

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Rest, Set, Told, View, Write};
use crate::api::operation::Method;
use crate::control::{Control, Refusal};
use crate::model::{LoadPointIx, Now, OptimizerStrategy, RemoteDemand, Watts};

use super::settings::member;

pub(super) const SITE: &[Field] = &[
    Field {
        key: "deviceColors",
        kind: Kind::List,
        told: Told::Config,
        doc: "Colours for user interfaces; written one by one as {title, color}, empty to remove.",
        get: |view, _| {
            let colors = view.control.kept().colors.iter();
            Value::List(colors.map(|(title, color)| color_value(title, color)).collect())
        },
        write: Some(Write {
            name: "deviceColors",
            rest: Rest::with(Method::Put, &["/devicecolors"]).answering(|view, _| {
                let colors = view.control.kept().colors.iter();
                let member = |(title, color): (&String, &String)| {
                    (title.clone().into(), Value::text(color.clone()))
                };
                Value::Object(colors.map(member).collect())
            }),
            set: Set::Json(|control, _, _, json| set_colors(control, json)),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "maxGridSupplyWhileBatteryCharging",
        kind: Kind::Float,
        unit: "W",
        told: Told::Vintage,
        doc: "Had lost its effect in evcc, too; accepted for old clients.",
        get: |view, _| Value::from(view.control.kept().max_grid_supply),
        write: Some(Write {
            name: "maxGridSupplyWhileBatteryCharging",
            range: Some((0.0, 1_000_000.0)),
            stored: false,
            rest: Rest::post(&["/maxgridsupply/{value}"]),
            set: Set::Float(|control, _, _, power| control.set_max_grid_supply(Watts(power))),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "optimizerChargingStrategies",
        kind: Kind::List,
        cadence: Cadence::Once,
        doc: "The words of `optimizerChargingStrategy`.",
        get: |_, _| {
            let words = OptimizerStrategy::SPELLINGS.iter();
            Value::List(words.map(|word| Value::word(word)).collect())
        },
        ..Field::SITE
    },
    Field {
        key: "optimizerChargingStrategy",
        kind: Kind::Enum(OptimizerStrategy::SPELLINGS),
        doc: "What an optimizer should spare; kept as advice.",
        get: |view, _| Value::word(view.control.kept().optimizer_strategy.as_str()),
        write: Some(Write {
            name: "optimizerChargingStrategy",
            rest: Rest::post(&["/optimizerchargingstrategy/{value}"]),
            set: Set::Word(|control, _, _, word| {
                let strategy = word.and_then(|word| word.parse().ok());
                control.set_optimizer_strategy(
                    strategy.unwrap_or(OptimizerStrategy::ChargeBeforeExport),
                )
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "telemetry",
        kind: Kind::Bool,
        doc: "The user would share data; kept as a wish, nothing is ever sent.",
        get: |view, _| Value::Bool(view.control.kept().telemetry),
        write: Some(Write {
            name: "telemetry",
            rest: Rest::post(&["/settings/telemetry/{value}", "/telemetry/{value}"]),
            set: Set::Bool(|control, _, _, on| control.set_telemetry(on)),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
];

pub(super) const LOADPOINT: &[Field] = &[Field {
    key: "remoteDemand",
    told: Told::Vintage,
    doc: "What a remote controller asks for: `<demand>/<its name>`; kept without effect.",
    get: |view, ix| {
        let (demand, source) = demand(view, ix);
        Value::text(format!("{demand}/{source}").trim_end_matches('/'))
    },
    write: Some(Write {
        name: "remoteDemand",
        stored: false,
        rest: Rest::post(&["/loadpoints/{id}/remotedemand/{value}/{source}"]).answering(
            |view, ix| {
                let (demand, source) = demand(view, ix);
                Value::Object(vec![
                    ("demand".into(), Value::word(demand.as_str())),
                    ("source".into(), Value::text(source)),
                ])
            },
        ),
        set: Set::Word(set_remote_demand),
        ..Write::SETTING
    }),
    ..Field::LOADPOINT
}];

fn color_value(title: &str, color: &str) -> Value {
    let Value::Object(mut members) = member("title", Value::text(title)) else {
        return Value::Absent;
    };
    members.push(("color".into(), Value::text(color)));
    Value::Object(members)
}

/// One colour, or the whole list as it is stored.
fn set_colors(control: &mut Control, json: &Json) -> Result<(), Refusal> {
    let one = |json: &Json| -> Result<(String, String), Refusal> {
        let text = |name: &str| match json.get(name) {
            None | Some(Json::Null) => Ok(String::new()),
            Some(Json::String(text)) => Ok(text.clone()),
            Some(_) => Err(Refusal::Malformed(format!("{name}: expected a text"))),
        };
        Ok((text("title")?, text("color")?))
    };
    match json {
        Json::Object(_) => {
            let (title, color) = one(json)?;
            control.set_color(&title, &color)
        }
        Json::Array(list) => {
            let colors: Result<BTreeMap<String, String>, Refusal> = list.iter().map(one).collect();
            control.set_colors(colors?)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(Refusal::Malformed(r##"expected {"title": "…", "color": "#rrggbb"}"##.to_owned()))
        }
    }
}

fn demand<'a>(view: &View<'a>, ix: usize) -> (RemoteDemand, &'a str) {
    let demand = view.control.kept().demands.get(&LoadPointIx(ix));
    demand.map_or((RemoteDemand::Enable, ""), |(demand, source)| (*demand, source))
}

/// Whatever is no demand means that charging is allowed (api.md §7).
fn set_remote_demand(
    control: &mut Control,
    _: Now,
    ix: usize,
    word: Option<&str>,
) -> Result<(), Refusal> {
    let word = word.unwrap_or_default();
    let (demand, source) = word.split_once('/').unwrap_or((word, ""));
    let demand = demand.trim().parse().unwrap_or(RemoteDemand::Enable);
    control.set_remote_demand(LoadPointIx(ix), demand, source.trim())
}
