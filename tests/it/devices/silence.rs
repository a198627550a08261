//! The `timeout` of values over MQTT: what is not heard again is not known any more.

use chargebus::edges::devices::Silence;
use chargebus::model::{
    ChargerAttribute, ChargerValue, LoadPointIx, Mono, Origin, Phase, VehicleIx, VehicleValue,
};

use super::*;

fn timed(topic: &str, seconds: u64) -> Source {
    let timeout = Some(Duration::from_secs(seconds));
    let (topic, pipeline) = (topic.to_owned(), Pipeline::default());
    Source::Mqtt(MqttSource { topic, timeout, scale: 1.0, pipeline })
}

fn lost(attribute: ChargerAttribute) -> Fact {
    let value = ChargerValue::Lost(attribute);
    Fact::Charger { lp: LoadPointIx(0), value, origin: Origin::Live }
}

#[test]
fn every_silent_value_is_lost_once_and_is_back_with_its_next_message() {
    let phases = ["wb/l1", "wb/l2", "wb/l3"].map(|topic| timed(topic, 20));
    let charger = ChargerDevice {
        status: Some(timed("wb/status", 60)),
        enabled: Some(mqtt("wb/enabled")),
        energy: Some(timed("wb/energy", 10)),
        currents: Some(Box::new(phases)),
        ..ChargerDevice::default()
    };
    let car = VehicleDevice { soc: Some(timed("car/soc", 3600)), ..VehicleDevice::default() };
    let mut silence = Silence::new(&site(vec![], vec![charger], vec![car]));
    let at = |seconds: u64| Mono(seconds * 1000);
    assert_eq!((silence.deadline(), silence.lost(at(100_000))), (None, vec![]), "never heard");
    for topic in ["wb/status", "wb/enabled", "wb/energy", "wb/l2", "car/soc", "else"] {
        silence.hear(at(0), topic);
    }
    assert_eq!(silence.deadline(), Some(at(10)));
    assert_eq!(silence.lost(at(10)), [], "a counter stays what it was");
    assert_eq!(silence.lost(at(20)), [lost(ChargerAttribute::Current(Phase::L2))]);
    silence.hear(at(50), "wb/status");
    assert_eq!(silence.lost(at(60)), []);
    assert_eq!(silence.deadline(), Some(at(110)));
    assert_eq!(silence.lost(at(110)), [lost(ChargerAttribute::Status)]);
    assert_eq!(silence.lost(at(1000)), [], "once");
    silence.hear(at(1000), "wb/status");
    assert_eq!(silence.lost(at(1060)), [lost(ChargerAttribute::Status)]);
    let value = VehicleValue::Soc(None);
    let gone = Fact::Vehicle { vehicle: VehicleIx(0), value, origin: Origin::Live };
    assert_eq!(silence.lost(at(3600)), [gone]);
    assert_eq!(silence.deadline(), None);
}
