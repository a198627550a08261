//! The state as the world is told it: immutable, cheap to keep, and able to say what changed.
//!
//! A turn of the loop makes the next state from the last one; what did not change is shared. MQTT,
//! WebSocket and store each ask for the difference to what they told last, so that nobody needs a
//! queue: whoever is slow skips states.

use std::sync::{Arc, OnceLock};

use crate::model::TariffUse;

use super::Value;
use super::field::{About, Cadence, Field, Scope, Told, View};
use super::rates;
use super::restore::stored_key;
use super::table::{self, rows};
use super::topic::{Address, Place};
use super::value::{write_comma, write_json_text};

/// All values at one instant. The default is the state of which nothing has been told.
#[derive(Clone, Debug, Default)]
pub struct State {
    site: Option<Arc<Block>>,
    loadpoints: Vec<Arc<Block>>,
    vehicles: Vec<Arc<Block>>,
    /// The text of all of it, once somebody has asked for it.
    json: Arc<OnceLock<Arc<str>>>,
}

/// The values of one place, parallel to the rows of its scope.
#[derive(Clone, Debug)]
struct Block {
    place: Place,
    values: Vec<Value>,
    extras: Extras,
}

/// What is told on MQTT only because the user wants it.
#[derive(Clone, Copy, Debug)]
struct Extras {
    config: bool,
    vintage: bool,
}

impl Extras {
    fn new(about: &About) -> Self {
        Self { config: about.publish_config, vintage: about.vintage }
    }

    /// The last part of the topic of a field, if it is told on MQTT.
    fn topic(self, field: &Field) -> Option<&'static str> {
        match field.told {
            Told::Config if !self.config => None,
            Told::Vintage if !self.vintage => None,
            Told::Config
            | Told::Vintage
            | Told::Everywhere
            | Told::TopicOnly(_)
            | Told::JsonOnly
            | Told::Nowhere => field.topic(),
        }
    }
}

/// What must be stored and told, in a stable order. Topics are below the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Settings that changed: key and text; to be stored before anything is told.
    pub stored: Vec<(String, String)>,
    /// Topics and payloads, retained. An empty payload says that there is no value any more.
    pub published: Vec<(String, String)>,
    /// Topics that are gone: elements of lists that shrank, members of objects that vanished.
    pub removed: Vec<String>,
}

impl Changes {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.published.is_empty() && self.removed.is_empty()
    }
}

impl State {
    /// The state after this one.
    pub fn next(&self, view: &View<'_>) -> Self {
        let control = view.control;
        let loadpoints = (0..control.loadpoints().len())
            .map(|ix| Block::next(self.loadpoints.get(ix), view, ix, || Place::LoadPoint(ix + 1)));
        let vehicles = control.vehicles().iter().enumerate().map(|(ix, vehicle)| {
            let place = || Place::Vehicle(vehicle.setup.name.clone());
            Block::next(self.vehicles.get(ix), view, ix, place)
        });
        Self {
            site: Some(Block::next(self.site.as_ref(), view, 0, || Place::Site)),
            loadpoints: loadpoints.collect(),
            vehicles: vehicles.collect(),
            json: Arc::default(),
        }
    }

    /// What MQTT and the store must be told after `older`. Settings are stored only when they
    /// change, so the first state after the default stores nothing.
    pub fn changes(&self, older: &Self) -> Changes {
        let mut changes = Changes::default();
        if self.counts() != older.counts() {
            let counts = self.counts().into_iter().flatten();
            changes.published.extend(counts.map(|(topic, n)| (topic.to_owned(), n.to_string())));
        }
        for (block, before) in self.blocks_after(older) {
            block.changes(before, &mut changes);
        }
        changes
    }

    /// Every topic and payload below the root, in a stable order; an empty payload is no value.
    pub fn topics(&self) -> Vec<(String, String)> {
        let mut topics = Vec::new();
        let counts = self.counts().into_iter().flatten();
        topics.extend(counts.map(|(topic, n)| (topic.to_owned(), n.to_string())));
        for (block, _) in self.blocks_after(&Self::default()) {
            for row in 0..block.values.len() {
                block.tell(row, &mut |topic, payload| topics.push((topic.to_owned(), payload)));
            }
        }
        topics
    }

    /// The topics of one field: what a writer is told again even if nothing changed.
    pub fn topics_of(&self, address: &Address) -> Vec<(String, String)> {
        let mut topics = Vec::new();
        if let Some(block) = self.block(&address.place) {
            let mut rows = rows(address.place.scope()).iter();
            let row = rows.position(|field| std::ptr::eq(*field, address.field));
            if let Some(row) = row {
                block.tell(row, &mut |topic, payload| topics.push((topic.to_owned(), payload)));
            }
        }
        topics
    }

    /// The WebSocket frames after `older`, none if nothing changed: flat JSON objects, then each part
    /// of the forecast that changed in a frame of its own (api.md §3.9). When the start is completed
    /// everything is told again, because clients forget all they knew.
    pub fn frames(&self, older: &Self) -> Vec<String> {
        if self.site.is_none() {
            // Whoever comes before the first state waits for it: the first frame is whole.
            return Vec::new();
        }
        let untold = Self::default();
        let older = if self.started() && !older.started() { &untold } else { older };
        let mut frame = Frame::default();
        for (block, before) in self.blocks_after(older) {
            if !matches!(block.place, Place::Vehicle(_)) {
                block.frame(before, &mut frame);
            }
        }
        let same = |(a, b): (&Arc<Block>, &Arc<Block>)| Arc::ptr_eq(a, b);
        if older.site.is_none()
            || self.vehicles.len() != older.vehicles.len()
            || !self.vehicles.iter().zip(&older.vehicles).all(same)
        {
            let out = frame.member("vehicles");
            self.write_vehicles(Some(older), out);
        }
        frame.finish().into_iter().chain(self.forecast_frames(older)).collect()
    }

    /// Parts that changed, and null for those that are gone.
    fn forecast_frames(&self, older: &Self) -> Vec<String> {
        let changed = self.forecast().filter(|part| older.forecast().all(|old| old != *part));
        let gone =
            older.forecast().filter(|(name, _)| self.forecast().all(|(now, _)| now != *name));
        let null = gone.map(|(name, _)| (name, &Value::Null));
        let frame = |(name, value): (&str, &Value)| {
            let mut frame = Frame::default();
            value.write_json(frame.member(&format!("{}.{name}", table::FORECAST_KEY)));
            frame.finish()
        };
        changed.chain(null).filter_map(frame).collect()
    }

    fn forecast(&self) -> impl Iterator<Item = (&str, &Value)> {
        let parts = match self.value(&Place::Site, table::FORECAST_KEY) {
            Some(Value::Object(parts)) => parts.as_slice(),
            Some(_) | None => &[],
        };
        let told = parts.iter().filter(|(_, value)| *value != Value::Absent);
        told.map(|(name, value)| (&**name, value))
    }

    /// `/api/state` (api.md §3.7); made once, however many ask for it.
    pub fn json(&self) -> Arc<str> {
        Arc::clone(self.json.get_or_init(|| self.rendered().into()))
    }

    fn rendered(&self) -> String {
        let mut frame = Frame::default();
        if let Some(site) = &self.site {
            site.write_members(None, &mut frame);
        }
        let out = frame.member("loadpoints");
        out.push('[');
        for (n, block) in self.loadpoints.iter().enumerate() {
            write_comma(n, out);
            out.push_str(&block.object(None));
        }
        out.push(']');
        let out = frame.member("vehicles");
        self.write_vehicles(None, out);
        frame.finish().unwrap_or_default()
    }

    /// The answer to `GET /api/tariff/<type>`; `None` without that tariff or its rates (api.md §3.2).
    pub fn tariff(&self, usage: TariffUse) -> Option<String> {
        let key = table::forecast_key(usage);
        let rates = self.site.as_ref()?.value(key)?.rates()?;
        Some(format!(r#"{{"rates":{}}}"#, rates::objects(rates)))
    }

    /// A frame that says only that we are alive: never empty, always true (api.md §3.9).
    pub fn heartbeat(&self) -> String {
        let interval = self.site.as_ref().and_then(|site| site.value("interval"));
        format!(r#"{{"interval":{}}}"#, interval.unwrap_or(&Value::Null).json())
    }

    /// Whether stored settings are in force and devices are being asked.
    pub fn started(&self) -> bool {
        let started = self.site.as_ref().and_then(|site| site.value("startupCompleted"));
        started == Some(&Value::Bool(true))
    }

    /// Every value with its place and its row, told or not.
    pub fn values(&self) -> impl Iterator<Item = (&Place, &'static Field, &Value)> {
        self.site.iter().chain(&self.loadpoints).chain(&self.vehicles).flat_map(|block| {
            let rows = block.rows().iter().zip(&block.values);
            rows.map(|(field, value)| (&block.place, *field, value))
        })
    }

    /// The value of a field, told or not.
    pub fn value(&self, place: &Place, key: &str) -> Option<&Value> {
        self.block(place)?.value(key)
    }

    /// The topics that only count; none before anything was told.
    fn counts(&self) -> Option<[(&'static str, usize); 2]> {
        self.site.as_ref()?;
        Some([("loadpoints", self.loadpoints.len()), ("vehicles", self.vehicles.len())])
    }

    fn block(&self, place: &Place) -> Option<&Arc<Block>> {
        match place {
            Place::Site => self.site.as_ref(),
            Place::LoadPoint(number) => self.loadpoints.get(number.checked_sub(1)?),
            Place::Vehicle(_) => self.vehicles.iter().find(|block| block.place == *place),
        }
    }

    /// Blocks that are not the same as in `older`, each with its predecessor.
    fn blocks_after<'a>(
        &'a self,
        older: &'a Self,
    ) -> impl Iterator<Item = (&'a Block, Option<&'a Block>)> {
        let site = self.site.iter().map(|site| (site, older.site.as_ref()));
        let loadpoints = parallel(&self.loadpoints, &older.loadpoints);
        let vehicles = parallel(&self.vehicles, &older.vehicles);
        site.chain(loadpoints)
            .chain(vehicles)
            .filter(|(block, before)| before.is_none_or(|before| !Arc::ptr_eq(block, before)))
            .map(|(block, before)| (&**block, before.map(|before| &**before)))
    }

    fn write_vehicles(&self, older: Option<&Self>, out: &mut String) {
        out.push('{');
        for (n, block) in self.vehicles.iter().enumerate() {
            let Place::Vehicle(name) = &block.place else {
                continue;
            };
            write_comma(n, out);
            write_json_text(name, out);
            out.push(':');
            let before = older.and_then(|older| older.vehicles.get(n));
            out.push_str(&block.object(before.map(|before| &**before)));
        }
        out.push('}');
    }
}

impl Block {
    /// The block of a place now; the old one itself if nothing changed.
    fn next(
        old: Option<&Arc<Self>>,
        view: &View<'_>,
        ix: usize,
        place: impl Fn() -> Place,
    ) -> Arc<Self> {
        let read = |field: &Field| match field.mirror && !view.system.mirrors {
            true => Value::Absent,
            false => (field.get)(view, ix),
        };
        let Some(old) = old else {
            let place = place();
            let values = rows(place.scope()).iter().map(|field| read(field)).collect();
            let extras = Extras::new(&view.system.about);
            return Arc::new(Self { place, values, extras });
        };
        let mut new = None;
        for (row, field) in rows(old.place.scope()).iter().enumerate() {
            if field.cadence == Cadence::Once {
                continue;
            }
            let value = read(field);
            if value != old.values[row] {
                new.get_or_insert_with(|| Self::clone(old)).values[row] = value;
            }
        }
        new.map_or_else(|| Arc::clone(old), Arc::new)
    }

    fn rows(&self) -> &'static [&'static Field] {
        rows(self.place.scope())
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let row = self.rows().iter().position(|field| field.key == key)?;
        self.values.get(row)
    }

    /// Rows whose value is not the one before.
    fn changed<'a>(&'a self, before: Option<&'a Self>) -> impl Iterator<Item = usize> + 'a {
        (0..self.values.len())
            .filter(move |row| before.is_none_or(|old| old.values[*row] != self.values[*row]))
    }

    fn changes(&self, before: Option<&Self>, changes: &mut Changes) {
        for row in self.changed(before) {
            let mut old = Vec::new();
            if let Some(before) = before {
                before.tell(row, &mut |topic, payload| old.push((topic.to_owned(), payload)));
                if let Some(key) = self.rows()[row].stored() {
                    let key = stored_key(&self.place, key);
                    changes.stored.push((key, self.values[row].stored_text()));
                }
            }
            let mut new = Vec::new();
            self.tell(row, &mut |topic, payload| new.push((topic.to_owned(), payload)));
            let gone = old.iter().filter(|(topic, payload)| {
                !payload.is_empty() && !new.iter().any(|(told, _)| told == topic)
            });
            changes.removed.extend(gone.map(|(topic, _)| topic.clone()));
            // Of what is new, only what there is: the rest may be known from an earlier start.
            new.retain(|told| !old.contains(told) && (before.is_some() || !told.1.is_empty()));
            changes.published.append(&mut new);
        }
    }

    fn tell(&self, row: usize, tell: &mut dyn FnMut(&str, String)) {
        let Some(name) = self.extras.topic(self.rows()[row]) else {
            return;
        };
        let topic = self.place.topic(name);
        match self.place.scope() {
            Scope::Site | Scope::LoadPoint => self.values[row].each_topic(&topic, tell),
            // A vehicle is a member of an object (api.md §1.5.5).
            Scope::Vehicle => self.values[row].each_inner_topic(&topic, tell),
        }
    }

    fn frame(&self, before: Option<&Self>, frame: &mut Frame) {
        let prefix = match &self.place {
            Place::LoadPoint(number) => format!("loadpoints.{}.", number.saturating_sub(1)),
            Place::Site | Place::Vehicle(_) => String::new(),
        };
        for row in self.changed(before) {
            let field = self.rows()[row];
            let told = !self.values[row].is_left_out() || before.is_some();
            let in_parts = field.key == table::FORECAST_KEY;
            if field.in_json() && told && !in_parts {
                self.values[row].write_json(frame.member(&format!("{prefix}{}", field.key)));
            }
        }
    }

    fn object(&self, before: Option<&Self>) -> String {
        let mut frame = Frame::default();
        self.write_members(before, &mut frame);
        frame.finish().unwrap_or_else(|| "{}".to_owned())
    }

    /// Members that are there, and null for those that were there before: clients merge.
    fn write_members(&self, before: Option<&Self>, frame: &mut Frame) {
        for (row, (field, value)) in self.rows().iter().zip(&self.values).enumerate() {
            let was = before.is_some_and(|before| !before.values[row].is_left_out());
            if field.in_json() && (!value.is_left_out() || was) {
                value.write_json(frame.member(field.key));
            }
        }
    }
}

/// A JSON object in the making.
#[derive(Default)]
struct Frame {
    out: String,
}

impl Frame {
    /// Begins a member; the caller appends its value.
    fn member(&mut self, key: &str) -> &mut String {
        self.out.push(if self.out.is_empty() { '{' } else { ',' });
        write_json_text(key, &mut self.out);
        self.out.push(':');
        &mut self.out
    }

    /// The object, unless it has no member.
    fn finish(mut self) -> Option<String> {
        if self.out.is_empty() {
            return None;
        }
        self.out.push('}');
        Some(self.out)
    }
}

fn parallel<'a>(
    blocks: &'a [Arc<Block>],
    older: &'a [Arc<Block>],
) -> impl Iterator<Item = (&'a Arc<Block>, Option<&'a Arc<Block>>)> {
    let before = older.iter().map(Some).chain(std::iter::repeat(None));
    blocks.iter().zip(before)
}
