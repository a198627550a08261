//! Meters and the power balance of the site (api.md §1.5.2, §1.5.3, §4.1), and their old names.

use crate::api::Value;
use crate::api::field::{Cadence, Field, Kind, Told, View};
use crate::control::{Meter, Site};
use crate::model::{MeterRole, Percent, Watts};

const SAMPLED: Field = Field { cadence: Cadence::Sampled, ..Field::SITE };
const MIRROR: Field = Field { mirror: true, ..SAMPLED };

pub(super) const ROWS: &[Field] = &[
    Field {
        key: "aux",
        kind: Kind::List,
        doc: "Self-regulating loads, one by one.",
        get: |view, _| devices(view, MeterRole::Aux),
        ..SAMPLED
    },
    Field {
        key: "auxPower",
        kind: Kind::Float,
        unit: "W",
        doc: "Power of all self-regulating loads.",
        get: |view, _| power(site(view).balance.aux, site(view), MeterRole::Aux),
        ..SAMPLED
    },
    Field {
        key: "battery",
        kind: Kind::Object,
        doc: "The home batteries together and one by one; null without one.",
        get: battery,
        ..SAMPLED
    },
    Field {
        key: "consumers",
        kind: Kind::List,
        doc: "Monitored consumers, one by one.",
        get: |view, _| some_devices(view, MeterRole::Consumer),
        ..SAMPLED
    },
    Field {
        key: "ext",
        kind: Kind::List,
        doc: "Further meters, one by one.",
        get: |view, _| devices(view, MeterRole::Ext),
        ..SAMPLED
    },
    Field {
        key: "greenShareHome",
        kind: Kind::Float,
        doc: "Share of green energy in the house, 0 to 1.",
        get: |view, _| Value::float(site(view).balance.green_share_home),
        ..SAMPLED
    },
    Field {
        key: "greenShareLoadpoints",
        kind: Kind::Float,
        doc: "Share of green energy in the load points, 0 to 1.",
        get: |view, _| Value::float(site(view).balance.green_share_loadpoints),
        ..SAMPLED
    },
    Field {
        key: "grid",
        kind: Kind::Object,
        doc: "The meter at the grid connection; import is positive.",
        get: grid,
        ..SAMPLED
    },
    Field {
        key: "gridConfigured",
        kind: Kind::Bool,
        cadence: Cadence::Once,
        doc: "There is a meter at the grid connection.",
        get: |view, _| Value::Bool(site(view).has(MeterRole::Grid)),
        ..Field::SITE
    },
    Field {
        key: "homePower",
        kind: Kind::Float,
        unit: "W",
        doc: "Power of the house without the load points.",
        get: |view, _| Value::float_or_absent(site(view).balance.home.map(|power| power.0)),
        ..SAMPLED
    },
    Field {
        key: "pv",
        kind: Kind::List,
        doc: "Producers, one by one.",
        get: |view, _| devices(view, MeterRole::Pv),
        ..SAMPLED
    },
    Field {
        key: "pvEnergy",
        kind: Kind::Float,
        unit: "kWh",
        doc: "Sum of the producers' counters.",
        get: |view, _| Value::float(site(view).balance.pv_energy.0),
        ..SAMPLED
    },
    Field {
        key: "pvPower",
        kind: Kind::Float,
        unit: "W",
        doc: "Power of all producers.",
        get: |view, _| power(site(view).balance.pv, site(view), MeterRole::Pv),
        ..SAMPLED
    },
    Field {
        key: "siteTitle",
        cadence: Cadence::Once,
        doc: "The title of the site.",
        get: |view, _| Value::text(&view.control.setup().title),
        ..Field::SITE
    },
];

/// Names of evcc before 0.133 (grid) and 0.301 (battery) that clients still read.
pub(super) const MIRRORS: &[Field] = &[
    Field {
        key: "batteryCapacity",
        kind: Kind::Float,
        unit: "kWh",
        doc: "The old name of `battery.capacity`.",
        get: |view, ix| member(battery(view, ix), "capacity"),
        ..MIRROR
    },
    Field {
        key: "batteryDevices",
        kind: Kind::List,
        told: Told::TopicOnly("battery"),
        doc: "The old place of `battery/devices`: count and devices.",
        get: |view, _| some_devices(view, MeterRole::Battery),
        ..MIRROR
    },
    Field {
        key: "batteryEnergy",
        kind: Kind::Float,
        unit: "kWh",
        doc: "The old name of `battery.energy`.",
        get: |view, ix| member(battery(view, ix), "energy"),
        ..MIRROR
    },
    Field {
        key: "batteryPower",
        kind: Kind::Float,
        unit: "W",
        doc: "The old name of `battery.power`; discharge is positive.",
        get: |view, ix| member(battery(view, ix), "power"),
        ..MIRROR
    },
    Field {
        key: "batterySoc",
        kind: Kind::Float,
        unit: "%",
        doc: "The old name of `battery.soc`.",
        get: |view, ix| member(battery(view, ix), "soc"),
        ..MIRROR
    },
    Field {
        key: "gridCurrents",
        kind: Kind::Phases,
        unit: "A",
        doc: "The old name of `grid.currents`.",
        get: |view, ix| member(grid(view, ix), "currents"),
        ..MIRROR
    },
    Field {
        key: "gridEnergy",
        kind: Kind::Float,
        unit: "kWh",
        doc: "The old name of `grid.energy`.",
        get: |view, ix| member(grid(view, ix), "energy"),
        ..MIRROR
    },
    Field {
        key: "gridPower",
        kind: Kind::Float,
        unit: "W",
        doc: "The old name of `grid.power`; import is positive.",
        get: |view, ix| member(grid(view, ix), "power"),
        ..MIRROR
    },
    Field {
        key: "gridPowers",
        kind: Kind::Phases,
        unit: "W",
        doc: "The old name of `grid.powers`.",
        get: |view, ix| member(grid(view, ix), "powers"),
        ..MIRROR
    },
];

fn site<'a>(view: &View<'a>) -> &'a Site {
    view.control.site()
}

/// What the balance says, or the last words of the meters while the balance has none: a value that
/// was told once stays until a newer one comes, and `fresh` says how good it is.
fn power(balance: Option<Watts>, site: &Site, role: MeterRole) -> Value {
    let heard = || {
        let known = site.of(role).filter_map(|meter| meter.power.as_ref());
        known.map(|reading| reading.value).reduce(|sum, power| sum + power)
    };
    balance.or_else(heard).map_or(Value::Absent, Value::from)
}

fn devices(view: &View<'_>, role: MeterRole) -> Value {
    Value::List(site(view).of(role).map(|meter| measurement(view, meter)).collect())
}

/// As [`devices`], but absent when there are none.
fn some_devices(view: &View<'_>, role: MeterRole) -> Value {
    let devices = devices(view, role);
    if devices == Value::List(Vec::new()) { Value::Absent } else { devices }
}

/// The grid meter; without one an object that carries only the estimated power.
fn grid(view: &View<'_>, _: usize) -> Value {
    let site = site(view);
    match site.grid_meter() {
        Some(meter) if meter.power.is_none() => Value::Null,
        Some(meter) => measurement(view, meter),
        None => site
            .balance
            .grid
            .map_or(Value::Null, |power| Value::Object(vec![("power".into(), Value::from(power))])),
    }
}

fn battery(view: &View<'_>, _: usize) -> Value {
    let site = site(view);
    let balance = &site.balance;
    if !site.has(MeterRole::Battery) {
        return Value::Null;
    }
    let energy: f64 =
        site.of(MeterRole::Battery).filter_map(|meter| meter.energy).map(|energy| energy.0).sum();
    let soc = balance.battery_soc.or_else(|| mean_soc(site));
    Value::Object(vec![
        ("power".into(), power(balance.battery, site, MeterRole::Battery)),
        ("soc".into(), Value::float_or_absent(soc.map(|soc| soc.0))),
        ("energy".into(), Value::float_or_absent(Some(energy).filter(|energy| *energy != 0.0))),
        (
            "capacity".into(),
            Value::float_or_absent(balance.battery_capacity.map(|capacity| capacity.0)),
        ),
        ("devices".into(), devices(view, MeterRole::Battery)),
    ])
}

/// The mean of the last words, weighted by capacity if every battery has one (api.md §1.5.3).
fn mean_soc(site: &Site) -> Option<Percent> {
    let batteries = || site.of(MeterRole::Battery);
    let weighted = batteries().all(|meter| meter.setup.capacity.is_some());
    let (sum, weights) = batteries()
        .filter_map(|meter| {
            let capacity = meter.setup.capacity.filter(|_| weighted).map_or(1.0, |kwh| kwh.0);
            meter.soc.as_ref().map(|soc| (soc.value.0, capacity))
        })
        .fold((0.0, 0.0), |(sum, weights), (soc, weight)| (sum + soc * weight, weights + weight));
    (weights > 0.0).then(|| Percent(sum / weights))
}

/// One meter with its last words (api.md §4.5). `fresh` is an addition of ours: whether control
/// acts upon the power; false from the moment on at which it does not.
fn measurement(view: &View<'_>, meter: &Meter) -> Value {
    let setup = &meter.setup;
    let named = |text: &String| match text.is_empty() {
        true => Value::Absent,
        false => Value::text(text),
    };
    let number = |number: Option<f64>| Value::float_or_absent(number);
    let power = meter.power.as_ref();
    // What a hybrid inverter has beyond its AC limit; evcc leaves 0 out, and MQTT has a name of its own.
    let excess = power.zip(setup.max_ac_power).map(|(reading, limit)| (reading.value - limit).0);
    let excess = excess.filter(|excess| *excess > 0.0);
    let mut members = vec![
        ("name".into(), named(&setup.name)),
        ("title".into(), named(&setup.title)),
        ("power".into(), number(power.map(|reading| reading.value.0))),
        ("energy".into(), number(meter.energy.map(|energy| energy.0))),
        ("returnEnergy".into(), number(meter.return_energy.map(|energy| energy.0))),
        ("powers".into(), Value::phases(meter.powers.map(|power| power.map(|power| power.0)))),
        ("currents".into(), Value::phases(meter.currents.map(|amps| amps.map(|amps| amps.0)))),
        ("excessdcpower".into(), number(excess)),
        ("excessDCPower".into(), number(excess)),
    ];
    if setup.role == MeterRole::Battery {
        members.extend([
            ("capacity".into(), number(setup.capacity.map(|capacity| capacity.0))),
            ("soc".into(), number(meter.soc.as_ref().map(|soc| soc.value.0))),
            ("controllable".into(), Value::Bool(setup.controllable)),
        ]);
    }
    let fresh = power.is_some_and(|reading| reading.is_fresh(view.now, setup.timeout));
    members.push(("fresh".into(), Value::Bool(fresh)));
    Value::Object(members)
}

/// A member of an object; absent if there is none.
fn member(object: Value, name: &str) -> Value {
    let Value::Object(members) = object else {
        return Value::Absent;
    };
    members.into_iter().find(|(key, _)| key == name).map_or(Value::Absent, |(_, member)| member)
}
