//! Vehicles that are woken through a channel of their own.

use chargebus::config::VehicleDevice;
use chargebus::model::VehicleIx;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_vehicle_is_woken_through_its_own_channel() {
    let payload = Some("{\"wake\":${wakeup}}".to_owned());
    let sink = Sink::Mqtt { topic: "car/2/set".to_owned(), payload, retained: false };
    let able = VehicleDevice { wakeup: Some(sink), ..VehicleDevice::default() };
    let mut rig = Rig::start(&site(vec![], vec![], vec![VehicleDevice::default(), able]));
    // The first one has no channel and there is no third.
    for vehicle in [0, 1, 2] {
        rig.devices.wake(VehicleIx(vehicle));
    }
    assert_eq!(rig.messages(1).await, ["car/2/set {\"wake\":true}"]);
    assert_eq!(rig.message_within(Duration::from_secs(3600)).await, None, "once");

    // A broker that is away is no reason to wake anybody in the night when it is back.
    rig.connect(false);
    rig.devices.wake(VehicleIx(1));
    assert_eq!(rig.message_within(Duration::from_secs(60)).await, None);
    let health = rig.devices.health();
    let car = health.iter().find(|device| device.name == "car2").unwrap();
    assert_eq!(car.error.as_deref(), Some("wakeup: not connected to the broker"));
    rig.connect(true);
    rig.devices.bus_up();
    assert_eq!(rig.message_within(Duration::from_secs(60)).await, None);
    rig.devices.wake(VehicleIx(1));
    assert_eq!(rig.messages(1).await, ["car/2/set {\"wake\":true}"]);
}
