//! Rates of any length onto quarters of an hour, old ones beside new ones, and what stands in for
//! those that are missing (plans-vehicles-devices.md §2.2, §2.6).

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Rate;

/// Most slots of one tariff: three weeks of quarters.
pub const MAX_SLOTS: usize = 2016;

/// Length of a slot; slots begin at multiples of it in Unix time.
pub const SLOT: TimeDelta = TimeDelta::minutes(15);
const DAY: TimeDelta = TimeDelta::days(1);

/// The start of the quarter of an hour in which an instant lies.
pub fn slot_of(instant: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = instant.timestamp();
    let start = seconds - seconds.rem_euclid(SLOT.num_seconds());
    DateTime::from_timestamp(start, 0).unwrap_or(instant)
}

/// Rates in the order of their start, without those that contradict later ones: of two with the same
/// start the later in the list counts, and one that reaches into the next ends where that begins.
pub fn ordered(mut rates: Vec<Rate>) -> Vec<Rate> {
    rates.retain(|rate| rate.start < rate.end && rate.value.is_finite());
    let by_start: BTreeMap<_, _> = rates.into_iter().map(|rate| (rate.start, rate)).collect();
    let starts: Vec<_> = by_start.keys().copied().skip(1).collect();
    let nexts = starts.into_iter().map(Some).chain(std::iter::once(None));
    by_start
        .into_values()
        .zip(nexts)
        .map(|(rate, next)| Rate { end: next.map_or(rate.end, |next| rate.end.min(next)), ..rate })
        .collect()
}

/// Quarters of an hour; a remainder stays a shorter slot (W-06). Slots that are over at the quarter
/// of `now` are left out. `shaped` bends the values of longer slots towards their neighbours, as the
/// sun does not go in steps.
pub fn normalised(rates: &[Rate], now: DateTime<Utc>, shaped: bool) -> Vec<Rate> {
    let mut slots = Vec::new();
    for (n, rate) in rates.iter().enumerate() {
        let mut pieces = cut(rate);
        if shaped && rate.value > 0.0 {
            let neighbour = |ix: Option<usize>| ix.and_then(|ix| rates.get(ix)).map(|r| r.value);
            let before = neighbour(n.checked_sub(1)).unwrap_or(rate.value);
            shape(&mut pieces, rate, before, neighbour(Some(n + 1)).unwrap_or(rate.value));
        }
        slots.extend(pieces);
        if slots.len() > MAX_SLOTS {
            slots.truncate(MAX_SLOTS);
            break;
        }
    }
    let from = slot_of(now);
    slots.retain(|slot| slot.end > from);
    slots
}

fn cut(rate: &Rate) -> Vec<Rate> {
    let mut pieces = Vec::new();
    let mut start = rate.start;
    while start < rate.end && pieces.len() < MAX_SLOTS {
        let end = (start + SLOT).min(rate.end);
        pieces.push(Rate { start, end, value: rate.value });
        start = end;
    }
    pieces
}

/// Bends the pieces of a slot and keeps their mean (E-47).
fn shape(pieces: &mut [Rate], whole: &Rate, before: f64, after: f64) {
    let seconds = |from: DateTime<Utc>, to: DateTime<Utc>| (to - from).as_seconds_f64();
    let length = seconds(whole.start, whole.end);
    let mut energy = 0.0;
    for piece in pieces.iter_mut() {
        let duration = seconds(piece.start, piece.end);
        let at = (seconds(whole.start, piece.start) + duration / 2.0) / length - 0.5;
        let slope = if at < 0.0 { whole.value - before } else { after - whole.value };
        piece.value = (whole.value + at * slope).max(0.0);
        energy += piece.value * duration;
    }
    if energy > 0.0 {
        let scale = whole.value * length / energy;
        pieces.iter_mut().for_each(|piece| piece.value *= scale);
    }
}

/// Every value replaced by the mean of its clock hour, weighted by time (E-57).
pub fn averaged(rates: &[Rate]) -> Vec<Rate> {
    let hour = |rate: &Rate| rate.start.timestamp().div_euclid(3600);
    let mut means: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for rate in rates {
        let seconds = (rate.end - rate.start).as_seconds_f64();
        let (sum, time) = means.entry(hour(rate)).or_default();
        *sum += rate.value * seconds;
        *time += seconds;
    }
    let mean = |rate: &Rate| means.get(&hour(rate)).map_or(rate.value, |(sum, time)| sum / time);
    rates.iter().map(|rate| Rate { value: mean(rate), ..*rate }).collect()
}

/// New rates, after those of the old ones that end before them and after `keep_from` (E-59).
pub fn merged(old: &[Rate], new: &[Rate], keep_from: DateTime<Utc>) -> Vec<Rate> {
    let first = new.first().map(|rate| rate.start);
    let kept = old
        .iter()
        .filter(|rate| rate.end > keep_from && first.is_none_or(|first| rate.end <= first));
    kept.chain(new).copied().collect()
}

/// A first source as far as it is known, then a second one, if that goes on exactly there (E-59); without
/// the first one, the second one.
pub fn continued(first: Vec<Rate>, known_until: DateTime<Utc>, second: &[Rate]) -> Vec<Rate> {
    if first.is_empty() {
        return second.to_vec();
    }
    let next = second.partition_point(|rate| rate.start < known_until);
    match second.get(next) {
        Some(rate) if rate.start == known_until => {
            let known = first.into_iter().filter(|rate| rate.start < known_until);
            known.chain(second[next..].iter().copied()).take(MAX_SLOTS).collect()
        }
        Some(_) | None => first,
    }
}

/// The sum of several sources, slot by slot (E-58).
pub fn combined(sources: &[Vec<Rate>]) -> Vec<Rate> {
    let mut sums: BTreeMap<DateTime<Utc>, Rate> = BTreeMap::new();
    for rate in sources.iter().flatten() {
        sums.entry(rate.start).and_modify(|sum| sum.value += rate.value).or_insert(*rate);
    }
    sums.into_values().collect()
}

/// Goes on until `until` with what held at the same time of the day before, as far as that is known.
pub fn extended(rates: &mut Vec<Rate>, until: DateTime<Utc>) {
    while let Some(last) = rates.last() {
        let start = last.end;
        let Some(pattern) = Rate::at(rates, start - DAY).copied() else { return };
        if start >= until || rates.len() >= MAX_SLOTS {
            return;
        }
        let end = (pattern.end + DAY).min(until);
        rates.push(Rate { start, end, value: pattern.value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    /// Slots one after the other: minutes and value.
    fn row(slots: &[(i64, f64)]) -> Vec<Rate> {
        let mut start = 0;
        let mut rates = Vec::new();
        for (minutes, value) in slots {
            rates.push(Rate { start: at(start), end: at(start + minutes), value: *value });
            start += minutes;
        }
        rates
    }

    fn values(rates: &[Rate]) -> Vec<f64> {
        rates.iter().map(|rate| (rate.value * 1e9).round() / 1e9).collect()
    }

    #[test]
    fn slots_become_quarters() {
        for (minutes, count) in [(15, 1), (30, 2), (60, 4), (120, 8)] {
            assert_eq!(normalised(&row(&[(minutes, 1.0)]), at(0), false).len(), count, "E-46");
        }
        let mixed = normalised(&row(&[(15, 1.0), (60, 3.0)]), at(0), false);
        assert_eq!(values(&mixed), [1.0, 3.0, 3.0, 3.0, 3.0], "E-46");
        assert_eq!(normalised(&mixed, at(15), false).len(), 4, "E-46: over exactly now");
        let odd = normalised(&row(&[(20, 1.0), (10, 2.0)]), at(0), false);
        assert_eq!(values(&odd), [1.0, 1.0, 2.0], "W-06");
        assert_eq!(odd[1].end, at(20));
    }

    #[test]
    fn the_sun_does_not_go_in_steps() {
        let shaped = |slots: &[(i64, f64)]| values(&normalised(&row(slots), at(0), true));
        let round = |value: f64| (value * 1e9_f64).round() / 1e9;
        let sevenths = [20.0 / 7.0, 4.0, 32.0 / 7.0, 32.0 / 7.0].map(round);
        assert_eq!(shaped(&[(60, 0.0), (60, 4.0)])[4..], sevenths, "E-47");
        assert_eq!(shaped(&[(60, 0.0), (60, 4.0), (60, 8.0)])[4..8], [2.5, 3.5, 4.5, 5.5], "E-47");
        assert_eq!(shaped(&[(60, -1.0)]), [-1.0; 4], "E-47");
    }

    #[test]
    fn old_and_new_rates_and_several_sources() {
        let hour = |n: i64, value| Rate { start: at(n * 60), end: at(n * 60 + 60), value };
        let (old, new) = ([hour(1, 1.0), hour(2, 2.0)], [hour(2, 2.0), hour(3, 3.0)]);
        assert_eq!(values(&merged(&old, &new, at(60))), [1.0, 2.0, 3.0], "E-59");
        assert_eq!(values(&merged(&old, &new, at(120))), [2.0, 3.0], "E-59");
        assert_eq!(values(&combined(&[old.to_vec(), new.to_vec()])), [1.0, 4.0, 3.0], "E-58");
        let sums = |order: [i64; 3]| {
            let unsorted = |offset: f64| order.map(|n| hour(n, n as f64 * 10.0 + offset)).to_vec();
            values(&combined(&[unsorted(0.25), unsorted(0.25), unsorted(0.5)]))
        };
        assert_eq!(sums([3, 1, 2]), [31.0, 61.0, 91.0], "E-58: ascending");
    }

    #[test]
    fn a_second_source_goes_on_where_the_first_one_ends() {
        let hour = |n: i64, value| Rate { start: at(n * 60), end: at(n * 60 + 60), value };
        let first = vec![hour(0, 0.10), hour(1, 0.12)];
        let second = [hour(1, 0.20), hour(2, 0.22), hour(3, 0.24)];
        let both =
            |first: &[Rate], second: &[Rate]| values(&continued(first.to_vec(), at(120), second));
        assert_eq!(both(&first, &second), [0.10, 0.12, 0.22, 0.24], "E-59");
        assert_eq!(both(&first, &second[2..]), [0.10, 0.12], "E-59: a gap");
        assert_eq!(both(&first, &[]), [0.10, 0.12], "E-59: no second one");
        assert_eq!(both(&[], &second), [0.20, 0.22, 0.24], "E-59: no first one");
        let guessed = [first.clone(), vec![hour(2, 0.10)]].concat();
        assert_eq!(both(&guessed, &second), [0.10, 0.12, 0.22, 0.24], "a guess yields");
        assert_eq!(both(&guessed, &second[2..]), [0.10, 0.12, 0.10], "it stays in a gap");
    }

    #[test]
    fn an_hour_has_one_mean() {
        // 08:00 UTC.
        let quarter = |n: i64, value| Rate { start: at(n * 15), end: at(n * 15 + 15), value };
        let rates: Vec<_> =
            (2..).zip([1.0, 2.0, 3.0, 4.0, 5.0]).map(|(n, v)| quarter(n, v)).collect();
        assert_eq!(values(&averaged(&rates)), [1.5, 1.5, 4.0, 4.0, 4.0], "E-57");
    }

    #[test]
    fn doubles_and_overlaps_are_put_in_order() {
        let rate = |start, end, value| Rate { start: at(start), end: at(end), value };
        let odd = vec![
            rate(60, 120, 2.0),
            rate(0, 90, 1.0),
            rate(60, 120, 3.0),
            rate(30, 30, 9.0),
            rate(200, 300, f64::NAN),
        ];
        assert_eq!(ordered(odd), [rate(0, 60, 1.0), rate(60, 120, 3.0)]);
    }

    #[test]
    fn the_day_before_stands_in() {
        let mut rates: Vec<Rate> = row(&[(60, 0.0); 24]);
        rates.iter_mut().enumerate().for_each(|(n, rate)| rate.value = n as f64);
        extended(&mut rates, at(60 * 60));
        assert_eq!(rates.len(), 60);
        assert_eq!(Rate::at(&rates, at(59 * 60 + 30)).map(|rate| rate.value), Some(11.0));
        let mut short = row(&[(60, 1.0)]);
        extended(&mut short, at(600));
        assert_eq!(short.len(), 1, "no day before");
    }

    #[test]
    fn a_rate_is_found_at_its_time() {
        let hour = |n: i64| Rate { start: at(n * 60), end: at(n * 60 + 60), value: n as f64 };
        let rates = [hour(1), hour(2), hour(3), hour(4)];
        let value = |minutes| Rate::at(&rates, at(minutes)).map(|rate| rate.value);
        assert_eq!([value(0), value(300), value(90)], [None, None, Some(1.0)], "E-45");
    }
}
