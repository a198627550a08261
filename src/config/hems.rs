//! `hems`: what the grid operator allows, to draw and to feed in (control.md §23.1).

use std::time::Duration;

use super::device::{FeedInDevice, OperatorDevice, Source};
use super::finding::Flaw;
use super::reader::{Field, Section};
use super::source::{Want, source};
use super::text::quoted;
use super::unsupported::Scope;
use crate::model::{FeedInContact, FeedInSetup, OperatorSetup, Percent, Watts};

/// What §14a EnWG leaves a site at least, in W; the limit after the loss of the signal.
const LEAST: f64 = 4200.0;

/// What the grid operator can limit.
#[derive(Default)]
pub(super) struct Hems {
    /// What is drawn.
    pub(super) consumption: Option<(OperatorSetup, OperatorDevice)>,
    /// What is fed in.
    pub(super) feed_in: Option<(FeedInSetup, FeedInDevice)>,
}

/// What is read of a limit, if it is there.
type Read<T> = Option<Result<T, Flaw>>;

/// How the grid operator limits the site. What cannot be read is said, loudly.
pub(super) fn read(root: &Section<'_>) -> Hems {
    let Some(section) = root.section("hems") else {
        return Hems::default();
    };
    let Some((kind, word)) = section
        .need("type")
        .ok()
        .and_then(|kind| Some((kind.text()?, kind)))
        .map(|(word, kind)| (kind, word.to_lowercase()))
    else {
        return Hems::default();
    };
    let (consumption, feed_in) = match word.as_str() {
        "custom" => custom(&section),
        "relay" => (Some(relay(&section, "limit", "maxPower")), None),
        "fnn" | "fnn-3" => fnn(&section),
        word => {
            kind.notice(format!(
                "{} is not built yet, limits of the grid operator are NOT enforced: built are \
                 custom, relay and fnn",
                quoted(word)
            ));
            return Hems::default();
        }
    };
    let fail_safe = section.get("failSafe").and_then(|field| field.number_within(LEAST, 1e9));
    let share = section.get("failSafeFeedIn").and_then(|field| field.number_within(0.0, 100.0));
    let timeout = section.time("timeout");
    let nominal = section.get_any(&["productionNominalMax", "maxCurtailPower"]);
    let nominal = nominal.and_then(|field| field.number_within(0.0, 1e9)).filter(|max| *max > 0.0);
    if consumption.is_none() && feed_in.is_none() {
        section
            .error("limit", "is missing: limit, curtailedPercent, W4 or W3 says what is limited");
    }
    if nominal.is_none() && section.has("curtailedPercent") {
        section.error("productionNominalMax", "is missing: curtailedPercent is a share of it");
    }
    section.finish(Scope::Hems);
    let built = |flaw: Flaw| {
        if let Flaw::Unsupported(mut finding) = flaw {
            finding.text.push_str("; limits of the grid operator are NOT enforced");
            root.report.notice(finding);
        }
    };
    let consumption = consumption.and_then(|read| read.map_err(built).ok());
    let feed_in = feed_in.and_then(|read| read.map_err(built).ok());
    let consumption = consumption.map(|(device, max_power)| {
        let (OperatorDevice::Limit(source) | OperatorDevice::Relay(source)) = &device;
        let timeout = timeout_of(source, timeout);
        warn(&kind, source, timeout, "failSafe (4200 W) holds until the signal is back");
        let fail_safe = Watts(fail_safe.unwrap_or(LEAST));
        (OperatorSetup { max_power, fail_safe, timeout }, device)
    });
    let feed_in = feed_in.map(|device| {
        let first = match &device {
            FeedInDevice::Percent(source) => Some(source),
            FeedInDevice::Contacts(contacts) => contacts.first().map(|(_, source)| source),
        };
        let timeout = first.and_then(|source| timeout_of(source, timeout));
        if let Some(source) = first.filter(|_| share.is_some()) {
            warn(&kind, source, timeout, "failSafeFeedIn holds until the signal is back");
        }
        (
            FeedInSetup { nominal: nominal.map(Watts), fail_safe: share.map(Percent), timeout },
            device,
        )
    });
    Hems { consumption, feed_in }
}

/// After which silence the signal is lost; a constant never is.
fn timeout_of(source: &Source, timeout: Option<Duration>) -> Option<Duration> {
    timeout.or(source.timeout()).filter(|_| !matches!(source, Source::Const(_)))
}

fn warn(kind: &Field<'_>, source: &Source, timeout: Option<Duration>, then: &str) {
    if timeout.is_none() && matches!(source, Source::Mqtt(_)) {
        kind.notice(format!(
            "has no timeout: the loss of the signal is not noticed; with one, {then}"
        ));
    }
}

/// A power in W, 0 is no limit; a share of what can be produced, 100 is none.
fn custom(section: &Section<'_>) -> (Read<(OperatorDevice, Watts)>, Read<FeedInDevice>) {
    let limit = section.get_any(&["limit", "maxConsumptionPower", "maxPower"]);
    let limit = limit.map(|field| source(&field, Want::Number));
    let share = section.get("curtailedPercent").map(|field| source(&field, Want::Number));
    let limited = |limit| (OperatorDevice::Limit(limit), Watts(LEAST));
    (limit.map(|limit| limit.map(limited)), share.map(|share| share.map(FeedInDevice::Percent)))
}

/// A control box of the FNN: W4 limits what is drawn, W3, S2 and S1 what is fed in.
fn fnn(section: &Section<'_>) -> (Read<(OperatorDevice, Watts)>, Read<FeedInDevice>) {
    let consumption = section.has("W4").then(|| relay(section, "W4", "maxDimPower"));
    let read = FeedInContact::ALL.into_iter().filter_map(|contact| {
        let field = section.get(contact.name())?;
        Some(source(&field, Want::Flag).map(|source| (contact, source)))
    });
    let contacts = read.collect::<Result<Vec<_>, _>>();
    let none = contacts.as_ref().is_ok_and(Vec::is_empty);
    (consumption, (!none).then(|| contacts.map(FeedInDevice::Contacts)))
}

/// A contact: closed is limited.
fn relay(
    section: &Section<'_>,
    contact: &'static str,
    power: &'static str,
) -> Result<(OperatorDevice, Watts), Flaw> {
    let max_power = section.need(power).and_then(|field| {
        let power = field.number().ok_or(Flaw::Reported)?;
        if power <= 0.0 {
            field.error(format!("must be above 0, found {power}"));
        } else if power < LEAST {
            field.notice(format!("{LEAST} W are used: the law grants at least that (§14a EnWG)"));
        }
        Ok(Watts(power))
    });
    let relay = section.need(contact).and_then(|field| source(&field, Want::Flag));
    Ok((OperatorDevice::Relay(relay?), max_power?))
}
