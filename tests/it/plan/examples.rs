//! The worked examples of plans-vehicles-devices.md §10.1–§10.3 and of control.md §31.8.

use std::time::Duration;

use chargebus::control::{
    Aim, Estimator, Goal, Request, charge_duration, choose, mean_value, plan,
};
use chargebus::model::{KilowattHours, Percent, WattHours, Watts};
use serde_json::Value as Json;

use super::*;

fn read(name: &str) -> Json {
    let path = format!("{}/tests/data/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(json: &Json) -> f64 {
    json.as_f64().unwrap()
}

fn rates(json: &Json) -> Vec<Rate> {
    let slots = json.as_array().unwrap().iter();
    slots.map(|slot| rate(number(&slot[0]), number(&slot[1]), number(&slot[2]))).collect()
}

#[test]
fn slots_are_those_of_the_examples() {
    let examples = read("planner.json");
    assert_eq!(examples.as_array().unwrap().len(), 44);
    for example in examples.as_array().unwrap() {
        let id = &example["id"];
        let request = Request {
            now: at(number(&example["now"])),
            required: minutes(number(&example["required"])),
            precondition: minutes(number(&example["precondition"])),
            target: at(number(&example["target"])),
            continuous: example["continuous"] == true,
        };
        let slots = plan(&request, &rates(&example["rates"]));
        let expected = example["slots"].as_array().map(|_| rates(&example["slots"]));
        assert_eq!(slots, expected, "{id}");
        let slots = slots.unwrap_or_default();
        if let Some(mean) = example["mean"].as_f64() {
            assert!((mean_value(&slots) - mean).abs() < 5e-5, "{id}: {}", mean_value(&slots));
        }
        if let Some(cost) = example["cost"].as_f64() {
            let hours: TimeDelta = slots.iter().map(Rate::length).sum();
            let total = mean_value(&slots) * hours.as_seconds_f64() / 3600.0;
            assert!((total - cost).abs() < 1e-9, "{id}: {total}");
        }
    }
}

#[test]
fn the_mean_value_is_weighted_by_time() {
    assert_eq!(mean_value(&[rate(0.0, 30.0, 10.0), rate(30.0, 120.0, 20.0)]), 17.5); // E-22
    assert_eq!(mean_value(&[]), 0.0);
}

fn duration(capacity: f64, soc: f64, goal: f64, power: f64) -> Option<Duration> {
    let capacity = KilowattHours(capacity / 0.85).watt_hours();
    charge_duration(capacity, Percent(soc), Percent(goal), Watts(power))
}

#[test]
fn charging_takes_as_long_as_in_the_examples() {
    for row in read("charge_duration.json").as_array().unwrap() {
        let value = |key: &str| number(&row[key]);
        let taken = duration(value("capacity"), value("soc"), value("goal"), value("power"));
        assert_eq!(taken, Some(Duration::from_secs(value("seconds") as u64)), "{}", row["id"]);
    }
    for row in read("misc.json")["remaining_s"].as_array().unwrap() {
        let [capacity, soc, goal, power, seconds] = [0, 1, 2, 3, 4].map(|n| number(&row[n]));
        let taken = duration(capacity, soc, goal, power);
        assert_eq!(taken, Some(Duration::from_secs(seconds as u64)), "{row}");
    }
    assert_eq!(duration(50.0, 80.0, 60.0, 11_000.0), Some(Duration::ZERO));
    assert_eq!(duration(50.0, 10.0, 60.0, 0.0), None);
    assert_eq!(duration(50.0, 10.0, 60.0, f64::NAN), None);
}

#[test]
fn the_estimate_follows_the_examples() {
    for example in read("estimator.json").as_array().unwrap() {
        let mut estimator = Estimator::new(KilowattHours(number(&example["capacity"])));
        for step in example["steps"].as_array().unwrap() {
            let told = step[1].as_f64().map(Percent);
            let soc = estimator.update(told, WattHours(number(&step[0]))).unwrap();
            assert!((soc.0 - number(&step[2])).abs() < 1e-9, "{} {step}: {soc}", example["id"]);
            let whole = estimator.virtual_capacity().0;
            assert!((whole - number(&step[3])).abs() < 1e-6, "{} {step}: {whole}", example["id"]);
        }
    }
    let mut estimator = Estimator::new(KilowattHours(8.5));
    for row in read("misc.json")["estimator_8_5kwh"].as_array().unwrap() {
        let told = Some(Percent(number(&row[1])));
        let soc = estimator.update(told, WattHours(number(&row[0]))).unwrap();
        assert!((soc.0 - number(&row[2])).abs() < 1e-9, "{row}: {soc}");
    }
}

#[test]
fn the_plan_that_counts_is_that_of_the_examples() {
    for example in read("plan_choice.json").as_array().unwrap() {
        let plans = example["plans"].as_array().unwrap().iter();
        let goals: Vec<_> = plans
            .map(|plan| {
                let goal = Goal {
                    id: plan[0].as_u64().unwrap() as usize,
                    time: at(number(&plan[1]) * 60.0),
                    aim: Aim::Soc(Percent(number(&plan[2]))),
                };
                // 10 kW, and the goal counts as kilowatt-hours.
                (goal, Duration::from_secs_f64(number(&plan[2]) * 360.0))
            })
            .collect();
        let chosen = choose(&goals, example["soc"].as_f64().map(Percent));
        let chosen = chosen.map(|goal| goal.id as u64);
        assert_eq!(chosen, example["chosen"].as_u64(), "{}", example["id"]);
    }
}
