//! Repeating plans and the calendar: weekdays, zones, days that are an hour short or long.

use chargebus::control::{Refusal, RepeatingPlan};
use chargebus::model::Percent;

use super::*;

fn repeating(days: &[i64], time: &str, tz: &str) -> RepeatingPlan {
    RepeatingPlan::new(days, time, tz, Percent(80.0), true).unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn the_next_time_is_found_in_the_zone_of_the_plan() {
    // 2026-11-22 is a Sunday.
    let cases = [
        (
            &[1, 2, 3, 4, 5][..],
            "07:00",
            "Europe/Berlin",
            "2026-11-22T12:00:00Z",
            "2026-11-23T06:00:00Z",
        ),
        (&[0], "07:00", "Europe/Berlin", "2026-11-22T05:59:59Z", "2026-11-22T06:00:00Z"),
        (&[0], "07:00", "Europe/Berlin", "2026-11-22T06:00:00Z", "2026-11-22T06:00:00Z"),
        (&[0], "07:00", "Europe/Berlin", "2026-11-22T06:00:01Z", "2026-11-29T06:00:00Z"),
        (&[6], "23:30", "America/New_York", "2026-11-22T04:00:00Z", "2026-11-22T04:30:00Z"),
        (&[1], "00:10", "Pacific/Auckland", "2026-11-22T10:00:00Z", "2026-11-22T11:10:00Z"),
        // Summer time begins on 29 March: seven o'clock comes an hour earlier in UTC.
        (&[0, 6], "07:00", "Europe/Berlin", "2026-03-28T07:00:00Z", "2026-03-29T05:00:00Z"),
        // Half past two does not exist that day, and exists twice on 25 October.
        (&[0], "02:30", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
        (&[0], "02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        (&[0, 1], "02:30", "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z"),
        // Samoa had no 30 December 2011, a Friday.
        (&[5], "12:00", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T22:00:00Z"),
    ];
    for (days, time, tz, now, next) in cases {
        assert_eq!(repeating(days, time, tz).next(utc(now)), Some(utc(next)), "{time} {tz} {now}");
    }
}

#[test]
fn what_is_off_or_has_no_weekday_never_comes() {
    let mut plan = repeating(&[0, 1], "07:00", "UTC");
    plan.active = false;
    assert_eq!(plan.next(origin()), None);
    assert_eq!(repeating(&[], "07:00", "UTC").next(origin()), None);
}

#[test]
fn nonsense_is_refused_by_name() {
    let new = |days: &[i64], time, tz| RepeatingPlan::new(days, time, tz, Percent(80.0), true);
    let refused = |result: Result<_, Refusal>| result.unwrap_err().to_string();
    assert_eq!(refused(new(&[1, 7], "07:00", "UTC")), "weekday out of range: 7");
    assert_eq!(refused(new(&[-1], "07:00", "UTC")), "weekday out of range: -1");
    assert_eq!(refused(new(&[1], "07:00", "Mars/Base")), "invalid timezone: Mars/Base");
    for time in ["24:00", "7", "07:60", "", "07:00:00"] {
        assert_eq!(refused(new(&[1], time, "UTC")), format!("invalid time: {time}"));
    }
    let plan = repeating(&[3, 3, 0], "07:05", "Europe/Berlin");
    assert_eq!(
        (plan.weekdays(), plan.time().as_str(), plan.tz()),
        (&[3, 0][..], "07:05", "Europe/Berlin")
    );
}
