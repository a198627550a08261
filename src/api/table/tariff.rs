//! Prices, emissions, forecasts and the limits on them (api.md §4.1, §4.2, §4.7).

use crate::api::field::{Field, Kind, Rest, Set, Told, View, Write};
use crate::api::{Slots, Value};
use crate::control::tariff::{Tariff, Tariffs};
use crate::control::{Control, LoadPoint, Refusal, SmartLimit};
use crate::model::{LoadPointIx, Now, TariffKind, TariffUse};

const PRICE: &str = "currency/kWh";
const EMISSION: &str = "g/kWh";
const LIMIT: &str = "currency/kWh or g/kWh";
/// Beyond every price of every currency; evcc asks only that it is finite.
const ANY: Option<(f64, f64)> = Some((-1e6, 1e6));

/// The key whose parts have WebSocket frames of their own.
pub(in crate::api) const FORECAST_KEY: &str = "forecast";

pub(super) const SITE: &[Field] = &[
    Field {
        key: FORECAST_KEY,
        kind: Kind::Object,
        told: Told::JsonOnly,
        doc: "What is known of prices, emissions and the sun: start, end, value.",
        get: |view, _| forecast(view),
        ..Field::SITE
    },
    Field {
        key: "smartCostAvailable",
        kind: Kind::Bool,
        doc: "There is a tariff that varies for `smartCostLimit`.",
        get: |view, _| Value::Bool(varies(tariffs(view).planner())),
        ..Field::SITE
    },
    Field {
        key: "smartCostType",
        kind: Kind::Enum(TariffKind::SPELLINGS),
        doc: "What `smartCostLimit` and plans go by.",
        get: |view, _| {
            let planner = tariffs(view).planner();
            planner.map_or(Value::Null, |tariff| Value::word(tariff.kind.as_str()))
        },
        ..Field::SITE
    },
    Field {
        key: "smartFeedInPriorityAvailable",
        kind: Kind::Bool,
        doc: "There is a feed-in tariff that varies for `smartFeedInPriorityLimit`.",
        get: |view, _| Value::Bool(varies(tariffs(view).get(TariffUse::FeedIn))),
        ..Field::SITE
    },
    Field {
        key: "tariffCo2",
        kind: Kind::Price,
        unit: EMISSION,
        doc: "Emissions of the grid now.",
        get: |view, _| value(view, TariffUse::Co2),
        ..Field::SITE
    },
    Field {
        key: "tariffCo2Home",
        kind: Kind::Price,
        unit: EMISSION,
        doc: "Emissions of what the house draws, its share of green energy counted as none.",
        get: |view, _| co2(view, view.control.site().balance.green_share_home),
        ..Field::SITE
    },
    Field {
        key: "tariffCo2Loadpoints",
        kind: Kind::Price,
        unit: EMISSION,
        doc: "Emissions of what the load points draw.",
        get: |view, _| co2(view, view.control.site().balance.green_share_loadpoints),
        ..Field::SITE
    },
    Field {
        key: "tariffFeedIn",
        kind: Kind::Price,
        unit: PRICE,
        doc: "What feeding in pays now.",
        get: |view, _| value(view, TariffUse::FeedIn),
        ..Field::SITE
    },
    Field {
        key: "tariffGrid",
        kind: Kind::Price,
        unit: PRICE,
        doc: "The price of power from the grid now.",
        get: |view, _| value(view, TariffUse::Grid),
        ..Field::SITE
    },
    Field {
        key: "tariffPriceHome",
        kind: Kind::Price,
        unit: PRICE,
        doc: "The price of what the house draws; green energy costs what feeding it in would pay.",
        get: |view, _| price(view, view.control.site().balance.green_share_home),
        ..Field::SITE
    },
    Field {
        key: "tariffPriceLoadpoints",
        kind: Kind::Price,
        unit: PRICE,
        doc: "The price of what the load points draw.",
        get: |view, _| price(view, view.control.site().balance.green_share_loadpoints),
        ..Field::SITE
    },
    Field {
        key: "tariffSolar",
        kind: Kind::Price,
        unit: "W",
        doc: "The power that the solar forecast sees now.",
        get: |view, _| value(view, TariffUse::Solar),
        ..Field::SITE
    },
    Field {
        key: "tariffStatus",
        kind: Kind::Object,
        doc: "How far each tariff can be relied upon: `fresh`, `cached`, `estimated` or `stale`.",
        get: |view, _| status(tariffs(view)),
        ..Field::SITE
    },
    Field {
        key: "tariffTemperature",
        kind: Kind::Price,
        unit: "°C",
        doc: "The temperature outside that the forecast sees now.",
        get: |view, _| value(view, TariffUse::Temperature),
        ..Field::SITE
    },
];

/// On MQTT every forecast is one JSON text (api.md §1.5.4); `GET /api/tariff` answers with the same.
pub(super) const FORECASTS: &[Field] = &[
    Field {
        key: "forecastCo2",
        told: Told::TopicOnly("forecast/co2"),
        doc: "What is known of emissions.",
        get: |view, _| rates(view, TariffUse::Co2),
        ..FORECAST
    },
    Field {
        key: "forecastFeedIn",
        told: Told::TopicOnly("forecast/feedIn"),
        doc: "What is known of feed-in prices.",
        get: |view, _| rates(view, TariffUse::FeedIn),
        ..FORECAST
    },
    Field {
        key: "forecastFeedin",
        told: Told::TopicOnly("forecast/feedin"),
        doc: "The newer name of `forecast/feedIn`.",
        get: |view, _| rates(view, TariffUse::FeedIn),
        ..FORECAST
    },
    Field {
        key: "forecastGrid",
        told: Told::TopicOnly("forecast/grid"),
        doc: "What is known of grid prices.",
        get: |view, _| rates(view, TariffUse::Grid),
        ..FORECAST
    },
    Field {
        key: "forecastPlanner",
        told: Told::TopicOnly("forecast/planner"),
        doc: "What plans and `smartCostLimit` go by.",
        get: |view, _| rates(view, TariffUse::Planner),
        ..FORECAST
    },
    Field {
        key: "forecastSolar",
        told: Told::TopicOnly("forecast/solar"),
        doc: "The sun of the coming days.",
        get: |view, _| {
            let solar = solar(view, "energy");
            solar.map_or(Value::Absent, |solar| Value::Packed(Box::new(solar)))
        },
        ..FORECAST
    },
    Field {
        key: "forecastSolarParts",
        kind: Kind::Object,
        told: Told::TopicOnly("forecast"),
        doc: "The parts of `forecast/solar` as topics of their own.",
        get: |view, _| {
            let solar = solar(view, "yield");
            solar.map_or(Value::Absent, |solar| Value::Object(vec![("solar".into(), solar)]))
        },
        ..FORECAST
    },
    Field {
        key: "forecastTemperature",
        told: Told::TopicOnly("forecast/temperature"),
        doc: "The temperature outside in the coming days.",
        get: |view, _| rates(view, TariffUse::Temperature),
        ..FORECAST
    },
];

const FORECAST: Field = Field { kind: Kind::Json, ..Field::SITE };

/// The row that holds the rates of a use.
pub(in crate::api) fn forecast_key(usage: TariffUse) -> &'static str {
    match usage {
        TariffUse::Grid => "forecastGrid",
        TariffUse::FeedIn => "forecastFeedIn",
        TariffUse::Co2 => "forecastCo2",
        TariffUse::Planner => "forecastPlanner",
        TariffUse::Solar => "forecastSolar",
        TariffUse::Temperature => "forecastTemperature",
    }
}

/// Limits of the site are those of all load points; told where they agree.
pub(super) const LIMITS: &[Field] = &[
    Field {
        key: "smartCostLimit",
        kind: Kind::Price,
        unit: LIMIT,
        doc: "`smartCostLimit` of all load points; empty where they differ.",
        get: |view, _| common(view, |loadpoint| loadpoint.settings.smart_cost_limit),
        write: Some(Write {
            name: "smartCostLimit",
            range: ANY,
            clears: true,
            stored: false,
            rest: Rest::post(&["/smartcostlimit/{value}"]).delete("/smartcostlimit"),
            set: Set::FloatOrNone(|control, now, _, limit| {
                all(control, |control, lp| control.set_smart_cost_limit(now, lp, limit))
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
    Field {
        key: "smartFeedInPriorityLimit",
        kind: Kind::Price,
        unit: PRICE,
        doc: "`smartFeedInPriorityLimit` of all load points; empty where they differ.",
        get: |view, _| common(view, |loadpoint| loadpoint.settings.smart_feed_in_limit),
        write: Some(Write {
            name: "smartFeedInPriorityLimit",
            range: ANY,
            clears: true,
            stored: false,
            rest: Rest::post(&["/smartfeedinprioritylimit/{value}"])
                .delete("/smartfeedinprioritylimit"),
            set: Set::FloatOrNone(|control, now, _, limit| {
                all(control, |control, lp| control.set_smart_feed_in_limit(now, lp, limit))
            }),
            ..Write::SETTING
        }),
        ..Field::SITE
    },
];

pub(super) const LOADPOINT: &[Field] = &[
    Field {
        key: "smartCostActive",
        kind: Kind::Bool,
        doc: "The price of now is not above `smartCostLimit`.",
        get: |view, ix| Value::Bool(loadpoint(view, ix).smart_cost.active),
        ..Field::LOADPOINT
    },
    Field {
        key: "smartCostLimit",
        kind: Kind::Price,
        unit: LIMIT,
        doc: "Charge fast at this price or below it in the solar modes; empty is never.",
        get: |view, ix| limit(loadpoint(view, ix).settings.smart_cost_limit),
        write: Some(Write {
            name: "smartCostLimit",
            range: ANY,
            clears: true,
            rest: Rest::post(&["/loadpoints/{id}/smartcostlimit/{value}"])
                .delete("/loadpoints/{id}/smartcostlimit"),
            set: Set::FloatOrNone(set_cost),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "smartCostNextStart",
        kind: Kind::Time,
        doc: "When the price will next not be above `smartCostLimit`.",
        get: |view, ix| next_start(loadpoint(view, ix).smart_cost),
        ..Field::LOADPOINT
    },
    Field {
        key: "smartFeedInPriorityActive",
        kind: Kind::Bool,
        doc: "Feeding in pays no less than `smartFeedInPriorityLimit` now.",
        get: |view, ix| Value::Bool(loadpoint(view, ix).smart_feed_in.active),
        ..Field::LOADPOINT
    },
    Field {
        key: "smartFeedInPriorityLimit",
        kind: Kind::Price,
        unit: PRICE,
        doc: "Leave the sun to the grid at this feed-in price or above it; empty is never.",
        get: |view, ix| limit(loadpoint(view, ix).settings.smart_feed_in_limit),
        write: Some(Write {
            name: "smartFeedInPriorityLimit",
            range: ANY,
            clears: true,
            rest: Rest::post(&["/loadpoints/{id}/smartfeedinprioritylimit/{value}"])
                .delete("/loadpoints/{id}/smartfeedinprioritylimit"),
            set: Set::FloatOrNone(set_feed_in),
            ..Write::SETTING
        }),
        ..Field::LOADPOINT
    },
    Field {
        key: "smartFeedInPriorityNextStart",
        kind: Kind::Time,
        doc: "When feeding in will next pay no less than `smartFeedInPriorityLimit`.",
        get: |view, ix| next_start(loadpoint(view, ix).smart_feed_in),
        ..Field::LOADPOINT
    },
];

fn tariffs<'a>(view: &View<'a>) -> &'a Tariffs {
    view.control.tariffs()
}

fn loadpoint<'a>(view: &View<'a>, ix: usize) -> &'a LoadPoint {
    &view.control.loadpoints()[ix]
}

fn varies(tariff: Option<&Tariff>) -> bool {
    tariff.is_some_and(|tariff| tariff.kind != TariffKind::PriceStatic)
}

/// The planner's rates are those that it goes by, named or not.
fn of(tariffs: &Tariffs, usage: TariffUse) -> Option<&Tariff> {
    let tariff = match usage {
        TariffUse::Planner => tariffs.planner(),
        TariffUse::Grid
        | TariffUse::FeedIn
        | TariffUse::Co2
        | TariffUse::Solar
        | TariffUse::Temperature => tariffs.get(usage),
    };
    tariff.filter(|tariff| !tariff.rates.is_empty())
}

fn rates(view: &View<'_>, usage: TariffUse) -> Value {
    of(tariffs(view), usage).map_or(Value::Absent, |tariff| {
        Value::Rates(Slots::new(tariff.rates.clone(), view.system.about.forecast))
    })
}

fn forecast(view: &View<'_>) -> Value {
    Value::Object(vec![
        ("co2".into(), rates(view, TariffUse::Co2)),
        ("feedin".into(), rates(view, TariffUse::FeedIn)),
        ("grid".into(), rates(view, TariffUse::Grid)),
        ("planner".into(), rates(view, TariffUse::Planner)),
        ("solar".into(), solar(view, "energy").unwrap_or(Value::Absent)),
        ("temperature".into(), rates(view, TariffUse::Temperature)),
    ])
}

/// The days have `energy` in JSON and `yield` on MQTT (api.md §1.3).
fn solar(view: &View<'_>, energy: &'static str) -> Option<Value> {
    let tariffs = tariffs(view);
    let tariff = of(tariffs, TariffUse::Solar)?;
    let days = ["today", "tomorrow", "dayAfterTomorrow"].into_iter().zip(tariffs.solar_days);
    let days = days.map(|(name, day)| {
        let members = vec![
            (energy.into(), Value::float(day.energy.0)),
            ("complete".into(), Value::Bool(day.complete)),
        ];
        (name.into(), Value::Object(members))
    });
    let mut members = vec![("scale".into(), Value::float(view.control.history().solar_scale()))];
    members.extend(days);
    members.push((
        "timeseries".into(),
        Value::Rates(Slots::series(tariff.rates.clone(), view.system.about.forecast)),
    ));
    Some(Value::Object(members))
}

fn status(tariffs: &Tariffs) -> Value {
    let status = TariffUse::ALL.iter().filter_map(|usage| {
        let tariff = tariffs.get(*usage)?;
        Some((usage.as_str().into(), Value::word(tariff.status.as_str())))
    });
    let members: Vec<_> = status.collect();
    if members.is_empty() { Value::Absent } else { Value::Object(members) }
}

fn or_absent(number: Option<f64>) -> Value {
    number.map_or(Value::Absent, Value::price)
}

fn value(view: &View<'_>, usage: TariffUse) -> Value {
    or_absent(tariffs(view).value(usage, view.now.utc))
}

fn price(view: &View<'_>, green: f64) -> Value {
    or_absent(tariffs(view).effective_price(view.now.utc, green))
}

fn co2(view: &View<'_>, green: f64) -> Value {
    or_absent(tariffs(view).effective_co2(view.now.utc, green))
}

fn limit(limit: Option<f64>) -> Value {
    limit.map_or(Value::Null, Value::price)
}

fn next_start(smart: SmartLimit) -> Value {
    smart.next_start.map_or(Value::Null, Value::time)
}

fn common(view: &View<'_>, limit_of: fn(&LoadPoint) -> Option<f64>) -> Value {
    let mut limits = view.control.loadpoints().iter().map(limit_of);
    let first = limits.next().flatten();
    limit(first.filter(|first| limits.all(|other| other == Some(*first))))
}

fn all(
    control: &mut Control,
    set: impl Fn(&mut Control, LoadPointIx) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    (0..control.loadpoints().len()).try_for_each(|lp| set(control, LoadPointIx(lp)))
}

fn set_cost(control: &mut Control, now: Now, ix: usize, limit: Option<f64>) -> Result<(), Refusal> {
    control.set_smart_cost_limit(now, LoadPointIx(ix), limit)
}

fn set_feed_in(
    control: &mut Control,
    now: Now,
    ix: usize,
    limit: Option<f64>,
) -> Result<(), Refusal> {
    control.set_smart_feed_in_limit(now, LoadPointIx(ix), limit)
}
