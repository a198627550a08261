//! The simulated TeslaMate, heard by the real mirror.

use chargebus::model::{ChargeStatus, Trust};
use chargebus::sim::Message;

use super::{Watched, seconds, text, world};

#[test]
fn the_simulated_teslamate_reacts_to_the_charging_it_sees() {
    let mut watched = Watched::new(60.0);
    watched.run(20);
    assert_eq!(watched.status, [ChargeStatus::Connected]);
    assert_eq!(watched.soc, [41.0]);
    text(&mut watched.world, "sim/wb/1/maxcurrent/set", "16");
    text(&mut watched.world, "sim/wb/1/enable/set", "true");
    watched.run(60);
    assert_eq!(watched.status.last(), Some(&ChargeStatus::Charging));
    assert!(watched.soc.last() > Some(&48.0), "{:?}", watched.soc);
    assert!(watched.soc.is_sorted());
    watched.run(300);
    assert_eq!(watched.soc.last(), Some(&80.0));
    watched.run(100);
    assert!(
        watched.status.contains(&ChargeStatus::Disconnected),
        "it drives off at half past five"
    );
    assert!(watched.soc.iter().all(|soc| (0.0..=100.0).contains(soc)));
    for state in ["online", "charging", "asleep", "driving"] {
        assert!(watched.state.iter().any(|seen| seen == state), "{state}: {:?}", watched.state);
    }
    assert!(!watched.trust.contains(&Trust::Conflicting) && !watched.trust.contains(&Trust::Stale));
}

#[test]
fn a_stopped_or_unhealthy_teslamate_is_noticed() {
    let mut watched = Watched::new(1.0);
    watched.run(60);
    assert_eq!(watched.trust.last(), Some(&Trust::Live));
    if let Some(teslamate) = watched.world.teslamate_mut(0) {
        teslamate.set_running(false);
    }
    watched.run(600);
    assert_eq!(watched.trust.last(), Some(&Trust::Stale));
    if let Some(teslamate) = watched.world.teslamate_mut(0) {
        teslamate.set_running(true);
    }
    watched.run(5);
    assert_eq!(watched.trust.last(), Some(&Trust::Live));
    if let Some(teslamate) = watched.world.teslamate_mut(0) {
        teslamate.healthy = false;
    }
    watched.run(60);
    assert_eq!(watched.trust.last(), Some(&Trust::Stale));
    assert!(watched.world.teslamate_mut(1).is_none(), "nobody watches the other car");
}

#[test]
fn the_simulated_teslamate_publishes_changes_only() {
    let mut world = world();
    world.step(seconds(1));
    let ours = |message: &Message| message.topic.starts_with("teslamate/cars/1/");
    let first: Vec<_> = world.messages().into_iter().filter(ours).collect();
    assert_eq!((first[0].payload.as_str(), first[0].retain), ("", true), "{:?}", first[0]);
    assert!(first[0].topic.ends_with("/healthy"));
    assert!(first.len() > 40, "{}", first.len());
    let unretained: Vec<_> = first.iter().filter(|message| !message.retain).collect();
    assert_eq!(unretained.len(), 1);
    assert!(
        first
            .iter()
            .any(|message| message.topic.ends_with("/shift_state") && message.payload.is_empty())
    );
    let mut later = Vec::new();
    for second in 2..=120 {
        world.step(seconds(second));
        later.extend(world.messages().into_iter().filter(ours));
    }
    assert_eq!(later.len(), 7, "a poll every 15 s: {later:?}");
    assert!(
        later
            .iter()
            .all(|message| message.topic.ends_with("/healthy") && message.payload == "true")
    );
}
