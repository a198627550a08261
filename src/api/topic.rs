//! From a topic to the field it names, and to the nearest one when it names none.

use crate::control::Control;

use super::field::{Field, Scope};
use super::table::rows;
use super::write::{Answer, Code};

/// Names longer than this are not compared with ours: the work per message stays small.
const SUGGEST_UP_TO: usize = 96;

/// Which one of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The site.
    Site,
    /// A load point by its number, from 1.
    LoadPoint(usize),
    /// A vehicle by its name.
    Vehicle(String),
}

/// A writable field of something that may or may not exist.
#[derive(Clone, Debug)]
pub struct Address {
    /// What is written.
    pub field: &'static Field,
    /// Whose it is.
    pub place: Place,
}

impl Address {
    /// The field that a topic below the root names, with or without `/set`.
    ///
    /// # Errors
    /// An [`Answer`] that says what is wrong with the name and which one is near.
    pub fn of_topic(topic: &str) -> Result<Self, Box<Answer>> {
        let topic = topic.strip_suffix("/set").unwrap_or(topic);
        let Some((place, name)) = split(topic) else {
            return Err(unknown(topic));
        };
        let scope = place.scope();
        let writable = rows(scope).iter().find(|field| {
            field.write.is_some_and(|write| write.names().any(|known| known == name))
        });
        if let Some(field) = writable {
            return Ok(Self { field, place });
        }
        if rows(scope).iter().any(|field| field.topic() == Some(name)) {
            let hint = setting_behind(scope, name)
                .map_or_else(|| suggestion(topic), |name| did_you_mean(&place.topic(name)));
            return Err(Answer::refusal(Code::ReadOnly, format!("{name} is read only{hint}")));
        }
        Err(unknown(topic))
    }

    /// The value topic below the root.
    pub fn topic(&self) -> String {
        self.place.topic(self.field.topic().unwrap_or(self.field.key))
    }
}

impl Place {
    /// The scope of the place.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Site => Scope::Site,
            Self::LoadPoint(_) => Scope::LoadPoint,
            Self::Vehicle(_) => Scope::Vehicle,
        }
    }

    /// The index for getters and setters.
    ///
    /// # Errors
    /// An [`Answer`] that says what exists.
    pub fn index(&self, control: &Control) -> Result<usize, Box<Answer>> {
        match self {
            Self::Site => Ok(0),
            Self::LoadPoint(number) => {
                let count = control.loadpoints().len();
                match number.checked_sub(1).filter(|index| *index < count) {
                    Some(index) => Ok(index),
                    None => Err(Answer::refusal(
                        Code::UnknownTopic,
                        format!("there is no load point {number}, there are {count}"),
                    )),
                }
            }
            Self::Vehicle(name) => {
                let mut vehicles = control.vehicles().iter();
                vehicles.position(|vehicle| vehicle.setup.name == *name).ok_or_else(|| {
                    let names = control.vehicles().iter().map(|vehicle| &*vehicle.setup.name);
                    let hint = nearest(name, names).map_or_else(String::new, did_you_mean);
                    Answer::refusal(Code::UnknownTopic, format!("not found: {name}{hint}"))
                })
            }
        }
    }

    /// A topic of this place below the root.
    pub fn topic(&self, name: &str) -> String {
        match self {
            Self::Site => format!("site/{name}"),
            Self::LoadPoint(number) => format!("loadpoints/{number}/{name}"),
            Self::Vehicle(vehicle) => format!("vehicles/{vehicle}/{name}"),
        }
    }
}

/// Place and name of a topic; `None` if it has not the form of one of ours.
fn split(topic: &str) -> Option<(Place, &str)> {
    let (scope, rest) = topic.split_once('/')?;
    if scope == "site" {
        return Some((Place::Site, rest));
    }
    let (which, name) = rest.split_once('/')?;
    match scope {
        "loadpoints" => which.parse().ok().map(|number| (Place::LoadPoint(number), name)),
        "vehicles" => Some((Place::Vehicle(which.to_owned()), name)),
        _ => None,
    }
}

fn unknown(topic: &str) -> Box<Answer> {
    let hint = suggestion(topic);
    let shown: String = topic.chars().take(SUGGEST_UP_TO).collect();
    Answer::refusal(Code::UnknownTopic, format!("nothing can be written at {shown}{hint}"))
}

/// `limitSoc` behind `effectiveLimitSoc`.
fn setting_behind(scope: Scope, name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let mut writes = rows(scope).iter().filter_map(|field| field.write);
    writes.find(|write| name.ends_with(&write.name.to_lowercase())).map(|write| write.name)
}

/// `; did you mean …?` with the nearest writable topic, or nothing.
fn suggestion(topic: &str) -> String {
    if topic.len() > SUGGEST_UP_TO {
        return String::new();
    }
    let which = topic.split('/').nth(1).unwrap_or("1");
    let number = which.parse().unwrap_or(1);
    let candidates: Vec<String> =
        [Place::Site, Place::LoadPoint(number), Place::Vehicle(which.to_owned())]
            .iter()
            .flat_map(|place| {
                let writes = rows(place.scope()).iter().filter_map(|field| field.write);
                writes.map(|write| place.topic(write.name)).collect::<Vec<_>>()
            })
            .collect();
    nearest(topic, candidates.iter().map(String::as_str)).map_or_else(String::new, did_you_mean)
}

fn did_you_mean(name: &str) -> String {
    format!("; did you mean {name}?")
}

/// The candidate with the fewest changed letters: two of them, or a third of a long name.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2) && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
