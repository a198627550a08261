//! The site keeps the books of its load points: what is known around a session, and what is written.

use chrono::TimeDelta;

use crate::control::loadpoint::Change;
use crate::control::plan::mean_value;
use crate::control::{Control, LoadPoint};
use crate::model::{
    ChargerFeature, ChargerValue, Effect, JournalEntry, LoadPointIx, Now, Origin, Rate, SessionRow,
    Statistics, TariffUse,
};

use super::account::{Account, Mix, Words};

/// A session is compared with the mean of so long a time after plugging in.
const REFERENCE: TimeDelta = TimeDelta::hours(24);

impl Control {
    /// Goes on where the journal of an earlier run ends; to be called before settings are restored.
    /// Sessions at load points that do not exist any more are closed.
    pub fn restore_journal(&mut self, now: Now, journal: Vec<JournalEntry>) {
        let mut sessions: Vec<Vec<JournalEntry>> = Vec::new();
        for entry in journal {
            match sessions.last_mut() {
                Some(last) if last[0].session == entry.session => last.push(entry),
                Some(_) | None => sessions.push(vec![entry]),
            }
        }
        sessions.sort_by_key(|entries| entries[0].session.connected_ms);
        for entries in sessions {
            let name = &entries[0].session.loadpoint;
            let loadpoint = self.loadpoints.iter_mut().find(|lp| lp.setup.name == *name);
            let mut stray = Account::default();
            let (account, stays) = match loadpoint {
                Some(loadpoint) => (&mut loadpoint.account, true),
                None => (&mut stray, false),
            };
            // An older one of the same load point was never closed.
            account.abandon(now);
            let mut written = account.take_entries();
            account.resume(now, &entries);
            if !stays {
                account.abandon(now);
                written.extend(account.take_entries());
            }
            self.effects.extend(written.into_iter().map(effect));
        }
    }

    /// Writes what is not written yet: the program ends.
    pub fn close_books(&mut self, now: Now) {
        let mix = self.mix(now);
        for lp in 0..self.loadpoints.len() {
            self.loadpoints[lp].integrate(now.mono, mix);
            let account = &mut self.loadpoints[lp].account;
            account.write_all(now);
            self.effects.extend(account.take_entries().into_iter().map(effect));
        }
    }

    /// A new day has begun where the site stands: heaters have a session a day (control.md §21.5).
    pub fn begin_day(&mut self, now: Now) {
        for lp in 0..self.loadpoints.len() {
            let loadpoint = &mut self.loadpoints[lp];
            let heater = loadpoint.has(ChargerFeature::Heating)
                && loadpoint.has(ChargerFeature::IntegratedDevice);
            if heater {
                loadpoint.account.begin_anew(now);
                self.keep_books(now, LoadPointIx(lp));
            }
        }
    }

    /// What the sessions of certain periods come to; `None` until it is computed.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// Takes what the listed sessions come to.
    pub fn set_statistics(&mut self, statistics: Option<Statistics>) {
        self.statistics = statistics;
    }

    /// Records what a charger says of itself.
    pub(in crate::control) fn record(
        &mut self,
        now: Now,
        lp: LoadPointIx,
        value: ChargerValue,
        origin: Origin,
    ) {
        let turns = matches!(value, ChargerValue::Status(_));
        if turns {
            // What is known up to here belongs to what ends here.
            self.learn_around(now, lp);
        }
        let mix = self.mix(now);
        let loadpoint = &mut self.loadpoints[lp.0];
        // The first status tells what is; it is no news (Q07).
        let known = loadpoint.status.is_some();
        let changes = loadpoint.record(now, value, origin, mix);
        if let (false, Some(status)) = (known, loadpoint.status) {
            self.found(now, lp, status);
        }
        for change in changes {
            self.follow(now, lp, change, known);
            if change == Change::Connect && known && self.wants_welcome(lp) {
                self.loadpoints[lp.0].offer_welcome(now);
            }
        }
        if turns {
            self.keep_books(now, lp);
        }
    }

    /// What a kilowatt-hour that is charged now is made of and worth (§2.8).
    pub(in crate::control) fn mix(&self, now: Now) -> Mix {
        let balance = &self.site.balance;
        let green = balance.site.map(|_| balance.green_share_loadpoints);
        Mix {
            green,
            price: green.and_then(|green| self.tariffs.effective_price(now.utc, green)),
            co2: green.and_then(|green| self.tariffs.effective_co2(now.utc, green)),
        }
    }

    /// Notes what is known around the session of a load point.
    pub(in crate::control) fn learn_around(&mut self, now: Now, lp: LoadPointIx) {
        let loadpoint = &self.loadpoints[lp.0];
        if loadpoint.account.is_open() {
            let words = self.words(lp, loadpoint);
            self.loadpoints[lp.0].account.learn(now, words);
        }
    }

    /// Brings the books of a load point up to date.
    pub(in crate::control) fn keep_books(&mut self, now: Now, lp: LoadPointIx) {
        self.learn_around(now, lp);
        let references = self.loadpoints[lp.0]
            .account
            .begins()
            .then(|| [TariffUse::Grid, TariffUse::Co2].map(|usage| self.mean_of_day(now, usage)));
        let account = &mut self.loadpoints[lp.0].account;
        if let Some([price, co2]) = references {
            account.compare(price, co2);
        }
        account.write(now);
        self.effects.extend(account.take_entries().into_iter().map(effect));
    }

    fn words(&self, lp: LoadPointIx, loadpoint: &LoadPoint) -> Words {
        let integrated = loadpoint.has(ChargerFeature::IntegratedDevice);
        let vehicle = self.vehicle_at(lp);
        let title = vehicle.map(|vehicle| vehicle.setup.title.clone());
        // Whom the journal knows stays until somebody is found.
        let unknown = (!loadpoint.account.continued()).then(String::new);
        let soc = self.soc(lp).filter(|_| !loadpoint.has(ChargerFeature::Heating));
        Words {
            loadpoint: loadpoint.setup.title.clone(),
            vehicle: if integrated {
                Some(loadpoint.setup.title.clone())
            } else {
                title.or(unknown)
            },
            identifier: loadpoint.identity.clone(),
            soc,
            range_km: vehicle.and_then(|vehicle| vehicle.range_km),
            odometer_km: vehicle.and_then(|vehicle| vehicle.odometer_km),
        }
    }

    /// Mean of the coming day, weighted by time (W-28: evcc takes every slot alike).
    fn mean_of_day(&self, now: Now, usage: TariffUse) -> Option<f64> {
        let end = now.utc.checked_add_signed(REFERENCE)?;
        let rates: Vec<Rate> = self
            .tariffs
            .get(usage)?
            .rates
            .iter()
            .filter_map(|rate| rate.within(now.utc, end))
            .collect();
        (!rates.is_empty()).then(|| mean_value(&rates))
    }
}

impl Account {
    /// Closes what nobody will go on with.
    fn abandon(&mut self, now: Now) {
        if self.is_open() {
            self.stopped_meanwhile(now);
            self.close(now, now);
        }
    }
}

fn effect((entry, row): (JournalEntry, Option<SessionRow>)) -> Effect {
    Effect::Journal { entry: Box::new(entry), row: row.map(Box::new) }
}
