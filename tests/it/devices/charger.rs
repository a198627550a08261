//! Charger and battery tasks: order, lease, retries, broker outages (design S1, S4, §8.3).

use std::time::Duration;

use chargebus::config::{ChargerDevice, MeterDevice, Sink, Source};
use chargebus::edges::devices::LEASE;
use chargebus::model::{
    Amps, BatteryMode, ChargerCommand, ChargerValue, Fact, LoadPointIx, MeterIx, Outcome,
};
use tokio::time::Instant;

use super::{Rig, mqtt, set, site};
use ChargerCommand::{Enable, MaxCurrent, Phases, Renew, WakeUp};

const LP: LoadPointIx = LoadPointIx(0);

fn wallbox() -> ChargerDevice {
    ChargerDevice {
        enable: set("enable"),
        max_current: set("current"),
        phases: set("phases"),
        wakeup: set("wake"),
        ..ChargerDevice::default()
    }
}

fn rig(device: ChargerDevice) -> Rig {
    Rig::start(&site(vec![], vec![device], vec![]))
}

impl Rig {
    /// Gives commands and waits for the outcome of each.
    async fn carried_out(&mut self, commands: &[ChargerCommand]) {
        commands.iter().for_each(|command| self.devices.command(LP, *command));
        for command in commands {
            assert_eq!(self.outcome().await, (*command, Outcome::Done));
        }
    }

    async fn outcome(&mut self) -> (ChargerCommand, Outcome) {
        match self.fact().await {
            Fact::Done { lp: LP, command, outcome } => (command, outcome),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commands_are_carried_out_in_order() {
    let mut rig = rig(wallbox());
    rig.carried_out(&[Phases(1), MaxCurrent(Amps(10.9)), Enable(true), WakeUp]).await;
    rig.carried_out(&[Enable(false)]).await;
    let expected = ["phases 1", "current 10", "enable true", "wake true", "enable false"];
    assert_eq!(rig.messages(5).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_newest_set_point_wins() {
    let mut rig = rig(wallbox());
    // The task has not run yet, so everything meets in the queue.
    for command in [
        MaxCurrent(Amps(6.0)),
        Enable(false),
        MaxCurrent(Amps(16.0)),
        Enable(true),
        MaxCurrent(Amps(13.0)),
    ] {
        rig.devices.command(LP, command);
    }
    assert_eq!(rig.outcome().await, (MaxCurrent(Amps(13.0)), Outcome::Done));
    assert_eq!(rig.outcome().await, (Enable(true), Outcome::Done));
    assert_eq!(rig.messages(2).await, ["current 13", "enable true"]);
    assert_eq!(rig.message_within(Duration::from_secs(1)).await, None);
}

#[tokio::test(start_paused = true)]
async fn fractions_of_amperes_are_never_rounded_up() {
    let mut rig = rig(ChargerDevice { max_current_millis: set("fine"), ..wallbox() });
    let amps = [6.1, 16.0, 9.9999, 7.123_456].map(|amps| MaxCurrent(Amps(amps)));
    for command in amps {
        rig.carried_out(&[command]).await;
    }
    assert_eq!(rig.messages(4).await, ["fine 6.1", "fine 16", "fine 9.999", "fine 7.123"]);
}

#[tokio::test(start_paused = true)]
async fn templates_and_missing_sinks() {
    let templated = |topic: &str, payload: &str| {
        let (topic, payload) = (topic.to_owned(), Some(payload.to_owned()));
        Some(Sink::Mqtt { topic, payload, retained: false })
    };
    let mut rig = rig(ChargerDevice {
        enable: templated("cmd", "on=${enable:%d}"),
        max_current: templated("cmd", "${current}"),
        ..ChargerDevice::default()
    });
    let broken: Vec<_> = rig.devices.broken().iter().map(ToString::to_string).collect();
    assert_eq!(broken, ["charger1.maxcurrent: knows only ${maxcurrent}, found ${current}"]);
    for (command, outcome) in [
        (Enable(true), Outcome::Done),
        (MaxCurrent(Amps(6.0)), Outcome::Failed),
        (Phases(3), Outcome::NotAvailable),
        (WakeUp, Outcome::NotAvailable),
    ] {
        rig.devices.command(LP, command);
        assert_eq!(rig.outcome().await, (command, outcome));
    }
    assert_eq!(rig.messages(1).await, ["cmd on=1"]);
}

#[tokio::test(start_paused = true)]
async fn without_renewal_the_charger_goes_to_its_safe_current() {
    let mut rig = rig(ChargerDevice { safe_current: Some(Amps(6.0)), ..wallbox() });
    rig.carried_out(&[MaxCurrent(Amps(16.0)), Enable(true)]).await;
    assert_eq!(rig.messages(2).await, ["current 16", "enable true"]);
    for _ in 0..4 {
        rig.devices.command(LP, Renew);
        assert_eq!(rig.message_within(LEASE / 2).await, None, "the lease is renewed");
    }
    rig.devices.command(LP, Renew);
    let told = Instant::now();
    assert_eq!(rig.messages(1).await, ["current 6"]);
    assert_eq!(told.elapsed().as_secs(), LEASE.as_secs());
    assert_eq!(rig.message_within(LEASE * 3).await, None, "once is enough");
    // The core is back: what it last asked for holds again.
    rig.devices.command(LP, Renew);
    assert_eq!(rig.messages(2).await, ["current 16", "enable true"]);
    assert_eq!(rig.messages(1).await, ["current 6"], "the new lease ends too");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lease_never_raises() {
    let mut rig = rig(ChargerDevice { safe_current: Some(Amps(10.0)), ..wallbox() });
    rig.carried_out(&[MaxCurrent(Amps(6.0)), Enable(true)]).await;
    assert_eq!(rig.messages(3).await, ["current 6", "enable true", "current 6"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_safe_current_the_end_of_a_lease_is_off() {
    let mut rig = rig(wallbox());
    rig.carried_out(&[MaxCurrent(Amps(16.0)), Enable(true)]).await;
    let messages = ["current 16", "enable true", "enable false"];
    assert_eq!(rig.messages(3).await, messages);
    rig.carried_out(&[Enable(false)]).await;
    assert_eq!(rig.messages(1).await, ["enable false"]);
    assert_eq!(rig.message_within(LEASE * 2).await, None, "off has no lease");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_during_an_outage_is_made_up_for() {
    let mut rig = rig(ChargerDevice { safe_current: Some(Amps(6.0)), ..wallbox() });
    rig.carried_out(&[MaxCurrent(Amps(16.0)), Enable(true)]).await;
    assert_eq!(rig.messages(2).await.len(), 2);
    rig.connect(false);
    assert_eq!(rig.message_within(LEASE * 2).await, None);
    rig.connect(true);
    assert_eq!(rig.messages(1).await, ["current 6"]);
    rig.devices.bus_up();
    assert_eq!(rig.messages(1).await, ["current 6"]);
}

#[tokio::test(start_paused = true)]
async fn off_is_tried_again_until_it_is_taken() {
    let mut rig = rig(wallbox());
    rig.carried_out(&[MaxCurrent(Amps(16.0)), Enable(true)]).await;
    assert_eq!(rig.messages(2).await.len(), 2);
    rig.connect(false);
    rig.devices.command(LP, Enable(false));
    assert_eq!(rig.outcome().await, (Enable(false), Outcome::Failed));
    rig.devices.command(LP, MaxCurrent(Amps(6.0)));
    assert_eq!(rig.outcome().await, (MaxCurrent(Amps(6.0)), Outcome::Failed));
    assert_eq!(
        rig.devices.health()[0].error.as_deref(),
        Some("enable: not connected to the broker")
    );
    assert_eq!(rig.message_within(LEASE * 2).await, None);
    rig.connect(true);
    assert_eq!(rig.outcome().await, (Enable(false), Outcome::Done));
    assert_eq!(rig.messages(1).await, ["enable false"]);
    assert_eq!(rig.message_within(LEASE).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_newer_wish_ends_the_retries_of_off() {
    let mut rig = rig(wallbox());
    rig.connect(false);
    rig.devices.command(LP, Enable(false));
    assert_eq!(rig.outcome().await, (Enable(false), Outcome::Failed));
    rig.devices.command(LP, Enable(true));
    assert_eq!(rig.outcome().await, (Enable(true), Outcome::Failed));
    rig.connect(true);
    assert_eq!(rig.message_within(LEASE / 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_the_set_point_is_written_once_more() {
    let mut rig = rig(wallbox());
    rig.devices.bus_up();
    assert_eq!(rig.message_within(Duration::from_secs(1)).await, None, "nothing was asked for");
    rig.carried_out(&[Phases(3), MaxCurrent(Amps(16.0)), Enable(true)]).await;
    assert_eq!(rig.messages(3).await.len(), 3);
    rig.devices.bus_up();
    assert_eq!(rig.messages(2).await, ["current 16", "enable true"]);
    rig.carried_out(&[Enable(false)]).await;
    rig.devices.bus_up();
    assert_eq!(rig.messages(2).await, ["enable false", "enable false"]);
    assert_eq!(rig.message_within(LEASE / 2).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_core_that_does_not_listen_stops_no_lease() {
    let mut rig = rig(ChargerDevice { safe_current: Some(Amps(6.0)), ..wallbox() });
    // Nobody takes the outcomes: the channel is full long before the last one.
    for amps in 6..40 {
        rig.devices.command(LP, MaxCurrent(Amps(f64::from(amps))));
        assert_eq!(rig.messages(1).await, [format!("current {amps}")]);
    }
    assert_eq!(rig.messages(1).await, ["current 6"]);
    // And none of them is lost.
    for amps in 6..40 {
        assert_eq!(rig.outcome().await, (MaxCurrent(Amps(f64::from(amps))), Outcome::Done));
    }
}

#[tokio::test(start_paused = true)]
async fn batteries_take_the_newest_mode_as_a_number() {
    let battery = MeterDevice { battery_mode: set("mode"), ..MeterDevice::default() };
    let mut rig = Rig::start(&site(vec![MeterDevice::default(), battery], vec![], vec![]));
    let meter = MeterIx(1);
    rig.devices.battery(MeterIx(0), BatteryMode::Hold);
    rig.devices.battery(MeterIx(9), BatteryMode::Hold);
    for (mode, code) in [
        (BatteryMode::Normal, 1),
        (BatteryMode::Hold, 2),
        (BatteryMode::Charge, 3),
        (BatteryMode::HoldCharge, 4),
    ] {
        rig.devices.battery(meter, mode);
        assert_eq!(rig.messages(1).await, [format!("mode {code}")]);
    }
    rig.devices.battery(meter, BatteryMode::Unknown);
    assert_eq!(rig.message_within(Duration::from_secs(99)).await, None);

    rig.connect(false);
    rig.devices.battery(meter, BatteryMode::Hold);
    rig.devices.battery(meter, BatteryMode::Normal);
    assert_eq!(rig.message_within(Duration::from_secs(9)).await, None);
    rig.connect(true);
    assert_eq!(rig.messages(1).await, ["mode 1"]);
    rig.devices.bus_up();
    assert_eq!(rig.messages(1).await, ["mode 1"]);
}

#[tokio::test(start_paused = true)]
async fn constants_are_repeated_and_everything_ends_on_stop() {
    let device = ChargerDevice {
        status: Some(Source::Const("A".to_owned())),
        power: Some(mqtt("not/ours")),
        ..wallbox()
    };
    let mut rig = rig(device);
    for _ in 0..3 {
        let Fact::Charger { value: ChargerValue::Status(status), .. } = rig.fact().await else {
            panic!("only the constant")
        };
        assert_eq!(status.as_str(), "A");
    }
    rig.stop.cancel();
    rig.devices.stopped().await;
    rig.devices.command(LP, Enable(true));
    assert_eq!(rig.message_within(LEASE).await, None);
}
