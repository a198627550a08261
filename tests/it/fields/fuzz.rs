//! Whatever is written wherever: one answer, no panic, and no change unless the answer is ok.

use super::*;

/// Every word before `/set` that the table knows, at places that exist and at some that do not.
fn known_topic() -> impl Strategy<Value = String> {
    let words: Vec<(Scope, &'static str)> = api::all()
        .flat_map(|field| {
            field.write.iter().flat_map(|write| write.names()).map(|w| (field.scope, w))
        })
        .collect();
    (proptest::sample::select(words), 0..5_usize).prop_map(|((scope, word), which)| {
        let place = match scope {
            Scope::Site => "site".to_owned(),
            Scope::LoadPoint => format!("loadpoints/{which}"),
            Scope::Vehicle => format!("vehicles/{}", ["tesla", "zoe", "x", "tesla", "zoe"][which]),
        };
        format!("{place}/{word}/set")
    })
}

fn any_topic() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => known_topic(),
        1 => "[a-zA-Z0-9/]{0,40}",
        1 => "(site|loadpoints/[0-3]|vehicles/(tesla|zoe|x))/[a-zA-Z/]{1,20}(/set)?",
    ]
}

/// Texts that some field understands, others that look alike, and noise.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let word =
        "(off|pv|minpv|now|smart|null|-|none|nil|tesla|zoe|0|1|3|true|FALSE|on|once|soft/x|hold)";
    let time = "20(20|31)-0[1-9]-[01][0-9]T[0-2][0-9]:00:00(Z|[+]01:00)";
    let goal = r#"\{"(value|soc|energy)":(-?[0-9]{1,3}(\.5)?|"x"|null|\[\]),"time":"2031-01-01T06:00:00Z","id":[0-9]\}"#;
    let object = r#"\{"(value|title|continuous|ttl|precondition)":("[a-z#]{0,7}"|-?[0-9]{1,6}|true|null|\{\})\}"#;
    let repeating = r#"\[\{"weekdays":\[[0-9]\],"time":"[0-3][0-9]:[0-9]0","tz":"(UTC|Europe/Berlin|Mars)","soc":[0-9]{1,3},"active":true\}\]"#;
    prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 1..60),
        4 => "-?[0-9]{1,6}(\\.[0-9]{1,4})?(e[0-9]{1,3})?".prop_map(String::into_bytes),
        6 => word.prop_map(String::into_bytes),
        2 => time.prop_map(String::into_bytes),
        3 => goal.prop_map(String::into_bytes),
        2 => object.prop_map(String::into_bytes),
        1 => repeating.prop_map(String::into_bytes),
    ]
}

proptest! {
    /// A story of writes: each is answered once, and each refusal leaves everything as it was.
    #[test]
    fn any_topic_and_payload_is_answered(
        writes in proptest::collection::vec((any_topic(), any_payload()), 1..12),
    ) {
        let mut control = house::fed();
        let system = house::system();
        let now = house::noon().later(std::time::Duration::from_secs(2));
        let view = |control: &Control| State::default().next(&View { control, system: &system, now });
        for (topic, payload) in writes {
            let before = view(&control);
            let answer = api::write_topic(&mut control, &system, now, &topic, &payload).unwrap();
            let json: Json = serde_json::from_str(&answer.json()).unwrap();
            prop_assert_eq!(&json["ok"], &Json::Bool(answer.code == Code::Ok));
            prop_assert_eq!(answer.message.is_empty(), answer.ok(), "{:?}", answer);
            if !answer.ok() {
                let changes = view(&control).changes(&before);
                prop_assert!(changes.is_empty(), "{} {:?}: {:?}", topic, payload, changes);
            }
        }
        // What was accepted can be stored and comes back.
        let stored = view(&control).changes(&view(&house::fed())).stored.into_iter().collect();
        let mut again = house::fed();
        prop_assert_eq!(api::restore(&mut again, &system, now, &stored), []);
        control.handle_timeout(now);
    }

    /// A float that was told reads back as what was told.
    #[test]
    fn floats_print_and_parse(number in any::<f64>()) {
        let value = Value::float(number);
        if let Value::Float(told) = value {
            let again: f64 = value.mqtt_text().parse().unwrap();
            prop_assert_eq!(Value::float(again).mqtt_text(), value.mqtt_text());
            prop_assert!((again - told).abs() <= told.abs() * 1e-15);
        } else {
            prop_assert!(!number.is_finite());
        }
    }
}
