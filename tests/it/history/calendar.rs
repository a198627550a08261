//! What REST makes of slots: by the local calendar, as JSON and as a table.

use chargebus::api::Language;
use chargebus::api::history::{
    Aggregate, BadQuery, Collector, EnergyQuery, Format, POINTS_MAX, TooMany, grid_sessions_csv,
    grid_sessions_json,
};
use chargebus::model::{
    EnergyGroup, Entity, GridSession, KilowattHours, Percent, SlotEnergy, Watts,
};
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Berlin;
use chrono_tz::Tz;
use serde_json::{Value as Json, json};

fn berlin(month: u32, day: u32, hour: u32) -> DateTime<Utc> {
    Berlin.with_ymd_and_hms(2026, month, day, hour, 0, 0).unwrap().to_utc()
}

fn entity(group: EnergyGroup, title: &str) -> Entity {
    Entity { group, name: title.to_owned(), title: title.to_owned() }
}

fn energy(kwh: f64, back: f64) -> SlotEnergy {
    let (energy, return_energy) = (KilowattHours(kwh), KilowattHours(back));
    SlotEnergy { energy, return_energy, soc: None, recovered: false }
}

/// Every slot between two instants, a kilowatt-hour each.
fn fill(collector: &mut Collector, entity: &Entity, from: DateTime<Utc>, to: DateTime<Utc>) {
    let mut start = from;
    while start < to {
        collector.add(entity, start, energy(1.0, 0.25)).unwrap();
        start += TimeDelta::minutes(15);
    }
}

fn told(collector: &Collector) -> Json {
    serde_json::from_str(&collector.json()).unwrap()
}

#[test]
fn days_of_23_and_25_hours_are_days() {
    let home = entity(EnergyGroup::Home, "home");
    // Slots, hours, days and their energy; the days of the change and the months they are in.
    for (month, day, slots, hours) in [(3, 29, 92, 23), (10, 25, 100, 25), (6, 1, 96, 24)] {
        let (from, to) = (berlin(month, day, 0), berlin(month, day + 1, 0));
        let points = |aggregate| {
            let mut collector = Collector::new(Berlin, aggregate, false);
            fill(&mut collector, &home, from, to);
            told(&collector)[0]["data"].as_array().unwrap().clone()
        };
        assert_eq!(points(Aggregate::Quarter).len(), slots, "{month}/{day}");
        let by_hours = points(Aggregate::Hour);
        assert_eq!(by_hours.len(), hours, "{month}/{day}");
        assert!(by_hours.iter().all(|hour| hour["energy"] == 4), "{month}/{day}: {by_hours:?}");
        let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let days = points(Aggregate::Day);
        let expected = json!([{
            "start": time(from), "end": time(to),
            "energy": slots, "returnEnergy": slots as f64 / 4.0,
        }]);
        assert_eq!(serde_json::to_string(&days).unwrap(), expected.to_string().replace(".0", ""));
        let months = points(Aggregate::Month);
        assert_eq!(months.len(), 1);
        assert_eq!(months[0]["start"], time(berlin(month, 1, 0)));
        assert_eq!(months[0]["end"], time(berlin(month + 1, 1, 0)));
    }
}

#[test]
fn a_part_is_cut_at_local_midnight() {
    let home = entity(EnergyGroup::Home, "home");
    let mut collector = Collector::new(Berlin, Aggregate::Day, false);
    fill(&mut collector, &home, berlin(6, 1, 22), berlin(6, 2, 1));
    let data = &told(&collector)[0]["data"];
    assert_eq!((&data[0]["energy"], &data[1]["energy"]), (&json!(8), &json!(4)));
    assert_eq!(data[1]["start"], "2026-06-01T22:00:00Z");
}

#[test]
fn series_have_titles_groups_have_sums() {
    let (garage, cellar) =
        (entity(EnergyGroup::LoadPoint, "Garage"), entity(EnergyGroup::LoadPoint, "Cellar"));
    let battery = entity(EnergyGroup::Battery, "Akku \"LFP\", alt");
    let grid = entity(EnergyGroup::Grid, "grid");
    let collect = |grouped| {
        let mut collector = Collector::new(Tz::UTC, Aggregate::Hour, grouped);
        let at = |slot: i64| berlin(6, 1, 2) + TimeDelta::minutes(15 * slot);
        for slot in [0, 1] {
            collector.add(&garage, at(slot), energy(1.5, 0.0)).unwrap();
        }
        collector.add(&cellar, at(1), energy(0.4123, 0.0)).unwrap();
        let charged = SlotEnergy { soc: Some(Percent(54.5)), ..energy(0.0, 0.3661) };
        collector.add(&battery, at(1), charged).unwrap();
        collector.add(&grid, at(4), energy(2.5, 0.0)).unwrap();
        collector
    };
    let (start, end) = ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z");
    let point =
        |energy: f64| json!([{"start": start, "end": end, "energy": energy, "returnEnergy": 0}]);
    let series = told(&collect(false));
    let titles: Vec<_> = series.as_array().unwrap().iter().map(|of| &of["title"]).collect();
    assert_eq!(
        titles,
        [&battery.title, "null", "Cellar", "Garage"]
            .map(|title| match title {
                "null" => Json::Null,
                title => Json::from(title),
            })
            .iter()
            .collect::<Vec<_>>()
    );
    assert_eq!(series[0]["data"][0]["socTemp"], 54.5);
    assert_eq!(series[1]["data"][0]["start"], "2026-06-01T01:00:00Z");
    assert_eq!(series[2]["data"], point(0.412));
    let groups = told(&collect(true));
    assert_eq!(groups[2], json!({"group": "loadpoint", "data": point(3.412)}));
    assert_eq!(groups[0]["data"][0].get("socTemp"), None);

    let expected = "\u{feff}time.start,time.end,\
        \"battery.Akku \"\"LFP\"\", alt.energy.Wh\",\"battery.Akku \"\"LFP\"\", alt.returnEnergy.Wh\",\
        \"battery.Akku \"\"LFP\"\", alt.soc.pct\",\
        grid.energy.Wh,grid.returnEnergy.Wh,loadpoint.Cellar.energy.Wh,loadpoint.Garage.energy.Wh\n\
        2026-06-01 00:00:00,2026-06-01 01:00:00,0,366,54.5,,,412,3000\n\
        2026-06-01 01:00:00,2026-06-01 02:00:00,,,,2500,0,,\n";
    assert_eq!(collect(false).csv(), expected, "E-74");
    assert_eq!(Collector::new(Tz::UTC, Aggregate::Day, false).json(), "[]");
}

#[test]
fn an_answer_has_an_end() {
    let meter = entity(EnergyGroup::Meter, "m");
    let mut collector = Collector::new(Tz::UTC, Aggregate::Quarter, false);
    let at = |slot: usize| berlin(1, 1, 0) + TimeDelta::minutes(15 * slot as i64);
    for slot in 0..POINTS_MAX {
        collector.add(&meter, at(slot), energy(0.1, 0.0)).unwrap();
    }
    assert_eq!(collector.add(&meter, at(POINTS_MAX), energy(0.1, 0.0)), Err(TooMany));
}

#[test]
fn parameters_are_read_or_refused_with_a_reason() {
    let parse = |text: &str| {
        let pairs: Vec<(&str, &str)> =
            text.split('&').filter_map(|pair| pair.split_once('=')).collect();
        EnergyQuery::parse(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| *v))
    };
    assert_eq!(parse(""), Ok(EnergyQuery::default()));
    let query = parse(
        "from=2026-03-29T00:00:00 01:00&to=2026-03-30T00:00:00.000+02:00&aggregate=day\
         &grouped=true&group=pv&name=&title=Roof&format=csv",
    );
    let query = query.unwrap();
    assert_eq!((query.from, query.to), (Some(berlin(3, 29, 0)), Some(berlin(3, 30, 0))));
    assert!(query.grouped && query.aggregate == Aggregate::Day && query.format == Format::Csv);
    assert_eq!(
        (query.group.as_deref(), query.name, query.title.as_deref()),
        (Some("pv"), None, Some("Roof"))
    );
    for (text, message) in [
        ("aggregate=week", "invalid aggregate value"),
        (
            "from=yesterday",
            "from: invalid time \"yesterday\", expected RFC 3339: 2026-03-29T00:00:00Z",
        ),
        ("grouped=perhaps", "grouped: \"perhaps\" is neither true nor false"),
        ("format=xlsx", "format: \"xlsx\" is neither json nor csv"),
    ] {
        assert_eq!(parse(text).map_err(|bad: BadQuery| bad.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn a_file_is_named_after_its_year_month_or_day() {
    let name = |from, to| {
        let query = EnergyQuery { from: Some(from), to: Some(to), ..EnergyQuery::default() };
        query.file_name(Berlin)
    };
    let year = Berlin.with_ymd_and_hms(2027, 1, 1, 0, 0, 0).unwrap().to_utc();
    let second = TimeDelta::seconds(1);
    for (from, to, expected) in [
        (berlin(1, 1, 0), year, "-2026"),
        (berlin(3, 1, 0), berlin(4, 1, 0) - second, "-2026-03"),
        (berlin(10, 25, 0), berlin(10, 26, 0), "-2026-10-25"),
        (berlin(10, 31, 0), berlin(11, 1, 0), "-2026-10-31"),
        (berlin(10, 25, 1), berlin(10, 26, 1), ""),
        (berlin(1, 1, 0), berlin(3, 1, 0), ""),
        (berlin(6, 1, 0), berlin(6, 8, 0), ""),
    ] {
        assert_eq!(name(from, to), format!("history-energy{expected}"));
    }
    assert_eq!(EnergyQuery::default().file_name(Berlin), "history-energy");
}

#[test]
fn grid_sessions_are_in_kilowatts_where_the_captions_say_so() {
    let session = GridSession {
        id: 7,
        created: berlin(10, 25, 1),
        finished: None,
        kind: "consumption".to_owned(),
        grid: Some(Watts(6012.0)),
        limit: Watts(4200.0),
    };
    let over = GridSession {
        id: 6,
        created: berlin(6, 1, 12),
        finished: Some(berlin(6, 1, 13)),
        grid: None,
        ..session.clone()
    };
    let sessions = [session, over];
    let told: Json = serde_json::from_str(&grid_sessions_json(&sessions)).unwrap();
    let expected = json!([
        {"id": 7, "created": "2026-10-24T23:00:00Z", "type": "consumption", "grid": 6012, "limit": 4200},
        {"id": 6, "created": "2026-06-01T10:00:00Z", "finished": "2026-06-01T11:00:00Z",
         "type": "consumption", "limit": 4200},
    ]);
    assert_eq!(told, expected);
    let rows = "2026-10-25 01:00:00,,consumption,6.012,4.2\n\
                2026-06-01 12:00:00,2026-06-01 13:00:00,consumption,,4.2\n";
    for (lang, accepted, captions) in [
        (Some("de"), None, "Startzeit,Endzeit,Typ,Netzbezug (kW),Limit (kW)"),
        (None, Some("de-AT,en;q=0.5"), "Startzeit,Endzeit,Typ,Netzbezug (kW),Limit (kW)"),
        (Some("fr"), Some("de"), "Created,Finished,Type,Grid Power (kW),Limit (kW)"),
        (None, None, "Created,Finished,Type,Grid Power (kW),Limit (kW)"),
    ] {
        let csv = grid_sessions_csv(&sessions, Berlin, Language::chosen(lang, accepted));
        assert_eq!(csv, format!("\u{feff}{captions}\n{rows}"), "W-13");
    }
}
