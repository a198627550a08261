//! Clients that come and go under load: what made rumqttd panic or drop the wrong client.

use rumqttc::mqttbytes::QoS::{AtLeastOnce, AtMostOnce};
use rumqttc::mqttbytes::v4::{Packet, Publish};

use super::client::{Client, connect, persistent};
use super::targets::{OPEN, Ours};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_leave_in_the_middle_of_a_flood() {
    let ours = Ours::start(OPEN).await;
    let broker = ours.addr();
    let mut flood = tokio::spawn(async move {
        let mut writer = Client::new(broker, "writer").await;
        for n in 0..60_000_u32 {
            let topic = format!("{}/x", n % 5);
            writer.send(Packet::Publish(Publish::new(topic, AtMostOnce, "x"))).await;
        }
        writer.ping().await;
    });
    let mut visits = 0;
    'flood: loop {
        let mut visitor = Client::new(broker, "visitor").await;
        visitor.send_subscribe(&[("#", AtMostOnce), ("1/#", AtLeastOnce)]).await;
        for _ in 0..visits % 7 * 50 {
            tokio::select! {
                _ = visitor.recv() => {}
                ended = &mut flood => {
                    ended.unwrap();
                    break 'flood;
                }
            }
        }
        if visits % 3 == 0 {
            visitor.send(Packet::Disconnect).await;
        }
        visits += 1;
    }
    assert!(visits > 10, "only {visits} visits");
    let mut last = Client::new(broker, "last").await;
    last.subscribe("#", AtLeastOnce).await;
    last.publish("the/end", "x", AtLeastOnce, false).await;
    last.expect_message("the/end", "x").await;
    ours.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_dropped_because_others_leave() {
    const KEEPERS: usize = 50;
    let ours = Ours::start(OPEN).await;
    let broker = ours.addr();
    let mut keepers = Vec::new();
    for n in 0..KEEPERS {
        let mut keeper = Client::new(broker, &format!("keeper/{n}")).await;
        keeper.subscribe(&format!("keep/{n}"), AtLeastOnce).await;
        keepers.push(keeper);
    }
    let churn = (0..4).map(|task| {
        tokio::spawn(async move {
            for n in 0..100 {
                let id = format!("guest/{task}/{}", n % 10);
                let connect = if n % 4 == 0 { persistent(&id) } else { connect(&id) };
                let mut guest = Client::connect(broker, connect).await;
                guest.subscribe("#", AtMostOnce).await;
                guest.send(Packet::Disconnect).await;
            }
        })
    });
    for task in churn.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let mut writer = Client::new(broker, "writer").await;
    for (n, keeper) in keepers.iter_mut().enumerate() {
        writer.publish(&format!("keep/{n}"), "still there", AtLeastOnce, false).await;
        keeper.expect_message(&format!("keep/{n}"), "still there").await;
    }
    ours.stop().await;
}
