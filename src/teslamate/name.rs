//! Names of discovered cars: a display name becomes a word that fits into a topic.

use crate::model::TeslaMateCar;

/// Longer display names are cut; the rest of a topic needs room too.
const NAME_MAX: usize = 48;
/// Attempts to find a free name; more cars than this share no name.
const TRIES: u32 = 100;

/// A vehicle name of `[a-z0-9_.:-]+` made from the display name; without one, from the id.
/// The same car gets the same name wherever `taken` answers alike; `None` if nothing is free.
pub fn name(
    display_name: Option<&str>,
    car: &TeslaMateCar,
    taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let identity = if car.namespace.is_empty() {
        car.id.to_string()
    } else {
        slug(&format!("{}-{}", car.namespace, car.id))
    };
    let plain = display_name.map(slug).filter(|slug| !slug.is_empty());
    let with_id = match &plain {
        Some(slug) => format!("{slug}-{identity}"),
        None => format!("tesla-{identity}"),
    };
    let counted = (2..TRIES).map(|n| format!("{with_id}-{n}"));
    plain.into_iter().chain([with_id.clone()]).chain(counted).find(|name| !taken(name))
}

/// Lower case, umlauts written out, one `-` for everything that a name cannot hold.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if slug.len() >= NAME_MAX {
            break;
        }
        match c {
            'a'..='z' | '0'..='9' | '_' | '.' | ':' => slug.push(c),
            'ä' => slug.push_str("ae"),
            'ö' => slug.push_str("oe"),
            'ü' => slug.push_str("ue"),
            'ß' => slug.push_str("ss"),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::name;
    use crate::model::TeslaMateCar;

    fn car(namespace: &str) -> TeslaMateCar {
        TeslaMateCar { namespace: namespace.to_owned(), id: 1 }
    }

    #[test]
    fn names_are_readable_and_unique() {
        let of = |display, namespace, taken: &[&str]| {
            name(display, &car(namespace), |name| taken.contains(&name)).unwrap()
        };
        assert_eq!(of(Some("Synthetic Model 3"), "", &[]), "synthetic-model-3");
        assert_eq!(of(Some("  Grüner Blitz! "), "", &[]), "gruener-blitz");
        assert_eq!(of(Some("Tesla"), "", &["tesla"]), "tesla-1");
        assert_eq!(of(Some("Tesla"), "home", &["tesla"]), "tesla-home-1");
        assert_eq!(of(Some("Tesla"), "", &["tesla", "tesla-1"]), "tesla-1-2");
        assert_eq!(of(Some("🚗"), "", &[]), "tesla-1");
        assert_eq!(of(None, "home", &[]), "tesla-home-1");
        assert_eq!(name(None, &car(""), |_| true), None);
    }
}
