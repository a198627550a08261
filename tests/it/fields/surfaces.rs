//! What can be written over REST can be written over MQTT, and the other way round.

use super::*;

fn topic(field: &Field, word: &str) -> String {
    let place = match field.scope {
        Scope::Site => "site",
        Scope::LoadPoint => "loadpoints/1",
        Scope::Vehicle => "vehicles/tesla",
    };
    format!("{place}/{word}/set")
}

#[test]
fn rest_and_mqtt_write_the_same() {
    let (mut over_rest, mut over_mqtt) = (BTreeSet::new(), BTreeSet::new());
    for field in api::all() {
        let Some(write) = field.write else { continue };
        let id = (field.scope, field.key);
        if !write.rest.set.is_empty() {
            over_rest.insert(id);
        }
        // Every word leads to its own row, through the door that messages take.
        let found = |word| Address::of_topic(&topic(field, word)).ok();
        if write
            .names()
            .all(|word| found(word).is_some_and(|found| std::ptr::eq(found.field, field)))
        {
            over_mqtt.insert(id);
        }
        // DELETE has its word, too: whatever can be cleared there takes null here.
        if write.clears {
            let mut control = house::fed();
            let answer = set(&mut control, &topic(field, write.name), "null");
            assert!(answer.ok(), "{}: {}", field.key, answer.message);
        }
        assert!(write.clears || write.rest.unset.is_none(), "{}", field.key);
    }
    assert_eq!(over_rest, over_mqtt);
    assert!(over_rest.len() > 40, "{}", over_rest.len());
}

/// evcc has no word for these on MQTT (api.md §9 row 16).
#[test]
fn what_evcc_lacks_on_mqtt_exists() {
    let mut control = house::fed();
    for (topic, payload, told) in [
        ("vehicles/tesla/mode", "now", "now"),
        ("vehicles/tesla/mode", "-", ""),
        (
            "vehicles/tesla/repeatingPlans",
            r#"[{"weekdays":[1],"time":"07:00","tz":"UTC","soc":80,"active":true}]"#,
            "1",
        ),
        ("vehicles/tesla/repeatingPlans", "null", "0"),
        ("loadpoints/2/planEnergy", r#"{"value":5,"time":"2031-01-01T06:00:00Z"}"#, "5"),
        ("loadpoints/2/planEnergy", "none", "0"),
        ("site/optimizerChargingStrategy", "none", "none"),
        ("site/telemetry", "1", "true"),
    ] {
        let answer = set(&mut control, &format!("{topic}/set"), payload);
        assert!(answer.ok(), "{topic} {payload}: {}", answer.message);
        assert_eq!(payload_of(&control, topic).as_deref(), Some(told), "{topic} {payload}");
    }
    assert!(set(&mut control, "loadpoints/1/vehicleDetect/set", "true").ok());
    let active = "loadpoints/1/vehicleDetectionActive";
    assert_eq!(payload_of(&control, active).as_deref(), Some("true"));
    assert!(set(&mut control, "loadpoints/1/vehicleDetect/set", "0").ok());
    assert_eq!(payload_of(&control, active).as_deref(), Some("false"));
}

#[test]
fn what_is_kept_for_clients_is_answered_and_bounded() {
    let mut control = house::control();
    let colors = "site/deviceColors/set";
    let answer = set(&mut control, colors, r##"{"title":"Dach","color":"#ffcc00"}"##);
    assert_eq!(answer.reply.json(), r##"{"Dach":"#ffcc00"}"##);
    assert!(set(&mut control, colors, r##"{"title":"Auto","color":"#00ff00"}"##).ok());
    let answer = set(&mut control, colors, r#"{"title":"Dach","color":""}"#);
    assert_eq!(answer.applied.json(), r##"[{"title":"Auto","color":"#00ff00"}]"##);
    for n in 1..chargebus::control::COLORS_MAX {
        let color = format!(r##"{{"title":"{n}","color":"#000000"}}"##);
        assert!(set(&mut control, colors, &color).ok(), "{n}");
    }
    let answer = set(&mut control, colors, r##"{"title":"one more","color":"#000000"}"##);
    assert_eq!((answer.code, &*answer.message), (Code::InvalidType, "more than 256 colours"));
    // A new colour of a device that has one is no further one.
    assert!(set(&mut control, colors, r##"{"title":"Auto","color":"#0000ff"}"##).ok());

    let answer = set(&mut control, "loadpoints/1/remoteDemand/set", "soft/grid box");
    assert_eq!(answer.reply.json(), r#"{"demand":"soft","source":"grid box"}"#);
    let answer = set(&mut control, "loadpoints/1/remoteDemand/set", "whatever");
    assert_eq!(answer.reply.json(), r#"{"demand":"enable","source":""}"#);
    let long = format!("soft/{}", "x".repeat(101));
    assert!(!set(&mut control, "loadpoints/1/remoteDemand/set", &long).ok());
}
