//! The table keeps its own rules.

use super::*;

#[test]
fn keys_are_unique_and_lower_camel() {
    for scope in [Scope::Site, Scope::LoadPoint, Scope::Vehicle] {
        let mut keys = BTreeSet::new();
        let mut words = BTreeSet::new();
        for field in api::rows(scope) {
            assert!(keys.insert(field.key), "{} stands twice", field.key);
            assert!(field.key.starts_with(|c: char| c.is_ascii_lowercase()), "{}", field.key);
            assert!(field.key.chars().all(|c| c.is_ascii_alphanumeric()), "{}", field.key);
            for word in field.write.iter().flat_map(|write| write.names()) {
                assert!(words.insert(word), "{word}/set stands twice");
            }
        }
        let topics: Vec<_> = api::rows(scope).iter().filter_map(|field| field.topic()).collect();
        let unique: BTreeSet<_> = topics.iter().filter(|topic| **topic != "battery").collect();
        let shared = if scope == Scope::Site { 2 } else { 0 };
        assert_eq!(unique.len() + shared, topics.len(), "two rows at one topic");
    }
}

#[test]
fn tables_are_sorted() {
    for table in api::TABLES {
        assert!(table.is_sorted_by_key(|field| field.key));
    }
}

#[test]
fn routes_are_unique_and_fit_their_scope() {
    let mut routes = BTreeSet::new();
    for field in api::all() {
        let Some(write) = field.write else { continue };
        for path in write.rest.set {
            assert!(routes.insert((write.rest.method.as_str(), *path)), "{path}");
            let json = matches!(write.set, Set::Json(_));
            let valued = match write.rest.method {
                Method::Post if path.ends_with("/{value}/{time}") => json,
                Method::Post if path.ends_with("/{value}") => true,
                Method::Post if path.ends_with("/{value}/{source}") => field.kind == Kind::Text,
                Method::Post | Method::Put => json && !path.contains("{value}"),
                Method::Get | Method::Delete => false,
                Method::Patch => field.kind == Kind::Bool && !path.contains("{value}"),
            };
            assert!(valued, "{path}");
        }
        if let Some(path) = write.rest.unset {
            assert!(routes.insert(("DELETE", path)), "{path}");
            assert!(write.clears, "{path}");
        }
        for path in write.rest.set.iter().chain(&write.rest.unset) {
            let prefix = match field.scope {
                Scope::Site => "/",
                Scope::LoadPoint => "/loadpoints/{id}/",
                Scope::Vehicle => "/vehicles/{name}/",
            };
            assert!(path.starts_with(prefix), "{path}");
        }
    }
}

#[test]
fn writable_numbers_have_unit_and_range_and_fitting_setters() {
    for field in api::all() {
        let Some(write) = field.write else { continue };
        let numeric = matches!(field.kind, Kind::Int | Kind::Float | Kind::Price | Kind::Duration);
        assert_eq!(write.range.is_some(), numeric, "{}", field.key);
        assert!(!numeric || !field.unit.is_empty(), "{}", field.key);
        let fits = match write.set {
            Set::Float(_) => matches!(field.kind, Kind::Int | Kind::Float),
            Set::FloatOrNone(_) => matches!(field.kind, Kind::Float | Kind::Price) && write.clears,
            Set::Bool(_) => field.kind == Kind::Bool,
            Set::Int(_) => field.kind == Kind::Int,
            Set::Duration(_) => field.kind == Kind::Duration,
            Set::Time(_) => field.kind == Kind::Time && write.clears,
            Set::Json(_) => matches!(
                field.kind,
                Kind::Int | Kind::Float | Kind::Object | Kind::List | Kind::Json
            ),
            Set::Word(_) | Set::Lease(_) => matches!(field.kind, Kind::Enum(_) | Kind::Text),
        };
        assert!(fits, "{}", field.key);
    }
}

#[test]
fn docs_are_short_sentences() {
    for field in api::all() {
        let doc = field.doc;
        assert!(doc.chars().count() <= 100, "{doc}");
        assert!(doc.ends_with('.') && !doc.ends_with(".."), "{doc}");
        assert!(doc.starts_with(|c: char| !c.is_lowercase()), "{doc}");
    }
}

#[test]
fn values_are_of_their_kind() {
    let control = house::fed();
    let system = house::system();
    let view = View { control: &control, system: &system, now: house::noon() };
    for field in api::all() {
        let value = (field.get)(&view, 0);
        let fits = match (&value, field.kind) {
            (Value::Absent | Value::Null, _) => true,
            (Value::Bool(_), kind) => kind == Kind::Bool,
            // A number without decimals is a number; whole seconds are a duration.
            (Value::Int(_), kind) => matches!(kind, Kind::Int | Kind::Float | Kind::Duration),
            (Value::Float(_), kind) => kind == Kind::Float,
            (Value::Price(_), kind) => kind == Kind::Price,
            (Value::Duration(_), kind) => kind == Kind::Duration,
            (Value::Time(_), kind) => kind == Kind::Time,
            (Value::Text(word), Kind::Enum(words)) => words.contains(&&**word),
            (Value::Text(_), kind) => kind == Kind::Text,
            (Value::Phases(_), kind) => kind == Kind::Phases,
            (Value::List(_) | Value::NoList { .. }, kind) => kind == Kind::List,
            (Value::Object(_), kind) => kind == Kind::Object,
            (Value::Json(_) | Value::Rates(_) | Value::Packed(_), kind) => kind == Kind::Json,
        };
        assert!(fits, "{}: {value:?}", field.key);
    }
}
