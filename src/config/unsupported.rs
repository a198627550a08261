//! Keys of evcc that are known and not used, each with what happens instead.

use super::node::same;

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Top level.
    File,
    Network,
    Mqtt,
    Database,
    Site,
    SiteMeters,
    LoadPoint,
    Circuit,
    Hems,
    /// `soc` of a load point.
    Soc,
    Meter,
    Charger,
    Vehicle,
    OnIdentify,
    /// Sections of ours, and small ones without history.
    Other,
}

const NO_SPONSOR: &str = "not used: nothing here needs a sponsor token";
const LATER: &str = "not built yet, ignored";
const CLOUD: &str = "not used: nothing is sent to a cloud";
const AT_RUN_TIME: &str = "not read from the file: set it at run time (web page, REST or MQTT)";
const PUSHED: &str = "not used: values are taken the moment they arrive";
const DYNAMIC: &str = "not built yet: this limit is NOT enforced, write maxCurrent or maxPower";
const NO_FEEDIN: &str =
    "not used: a limit of the feed-in is read from curtailedPercent, with productionNominalMax";
const NO_DIMMING: &str = "dimming and curtailment are not built yet: the device is left alone";
const NO_BATTERY_LIMIT: &str =
    "battery control through a SoC limit is not built yet: use batterymode";

/// Scope, key, what happens instead.
const TABLE: &[(Scope, &str, &str)] = &[
    (Scope::File, "authproviders", LATER),
    (Scope::File, "eebus", "not built yet: EEBus devices cannot be reached"),
    (Scope::File, "experimental", "not used"),
    (Scope::File, "go", "Go is not run: write the script in JavaScript under javascript"),
    (Scope::File, "homeassistant", LATER),
    (Scope::File, "levels", "not used: write log filters like \"info,mqtt=debug\" under log"),
    (Scope::File, "mcp", "not used"),
    (Scope::File, "mdns", "not used: the service is not announced on the network"),
    (Scope::File, "menu", "not used"),
    (Scope::File, "modbusproxy", "not built yet: other clients must ask the device directly"),
    (Scope::File, "ocpp", "not built yet: OCPP chargers cannot connect"),
    (Scope::File, "optimizer", CLOUD),
    (Scope::File, "plant", "not used: there is no plant id"),
    (Scope::File, "profile", "not used"),
    (Scope::File, "shm", "not built yet: SMA Sunny Home Manager is not served"),
    (Scope::File, "sponsortoken", NO_SPONSOR),
    (Scope::File, "telemetry", CLOUD),
    (Scope::File, "uri", "older spelling, not used: write network.host and network.port"),
    (Scope::Circuit, "getmaxcurrent", DYNAMIC),
    (Scope::Circuit, "getmaxpower", DYNAMIC),
    (Scope::Circuit, "icon", "not used"),
    (Scope::Circuit, "type", "not used: there is one kind of circuit"),
    (Scope::Hems, "interval", PUSHED),
    (Scope::Hems, "maxproduction", NO_FEEDIN),
    (Scope::Hems, "maxproductionpower", NO_FEEDIN),
    (Scope::Hems, "nominalproductionpower", NO_FEEDIN),
    (Scope::Hems, "passthrough", "not built yet: the signal is not passed on"),
    (Scope::Network, "externalurl", "not used: links are relative"),
    (Scope::Network, "internalurl", "not used: links are relative"),
    (Scope::Network, "schema", "not used: serve https through a reverse proxy"),
    (Scope::Site, "batterydischargecontrol", AT_RUN_TIME),
    (Scope::Site, "batterygridchargelimit", AT_RUN_TIME),
    (Scope::Site, "maxgridsupplywhilebatterycharging", "not used, as in evcc"),
    (Scope::Site, "smartcostlimit", AT_RUN_TIME),
    (Scope::LoadPoint, "guardduration", "not used, as in evcc"),
    (Scope::LoadPoint, "limitenergy", AT_RUN_TIME),
    (Scope::LoadPoint, "limitsoc", AT_RUN_TIME),
    (Scope::LoadPoint, "meters", "older spelling, not used: write meter: <name>"),
    (Scope::LoadPoint, "minsoc", AT_RUN_TIME),
    (Scope::LoadPoint, "ondisconnect", "not used: mode is set after every disconnect"),
    (Scope::LoadPoint, "onidentify", "not used: write onIdentify at the vehicle"),
    (Scope::LoadPoint, "planner", AT_RUN_TIME),
    (Scope::LoadPoint, "resetondisconnect", "not used: mode is set after every disconnect"),
    (Scope::LoadPoint, "sensitivity", "not used, as in evcc"),
    (Scope::LoadPoint, "smartcostlimit", AT_RUN_TIME),
    (Scope::LoadPoint, "vehicles", "older spelling, not used: vehicles are detected"),
    (Scope::Soc, "alwaysupdate", PUSHED),
    (Scope::Soc, "min", AT_RUN_TIME),
    (Scope::Soc, "poll", PUSHED),
    (Scope::Soc, "target", AT_RUN_TIME),
    (Scope::Meter, "curtailed", "not used: a limit is written when it changes"),
    (Scope::Meter, "dim", NO_DIMMING),
    (Scope::Meter, "dimmed", NO_DIMMING),
    (Scope::Meter, "icon", "not used"),
    (Scope::Meter, "limitsoc", NO_BATTERY_LIMIT),
    (Scope::Meter, "minsoc", "not used: batterymode leaves the SoC limits to the battery"),
    (Scope::Charger, "curtail", NO_DIMMING),
    (Scope::Charger, "curtailed", NO_DIMMING),
    (Scope::Charger, "dim", NO_DIMMING),
    (Scope::Charger, "dimmed", NO_DIMMING),
    (Scope::Charger, "finishtime", LATER),
    (Scope::Charger, "returnenergy", LATER),
    (Scope::Charger, "standbypower", LATER),
    (Scope::Charger, "timeout", PUSHED),
    (Scope::OnIdentify, "minsoc", AT_RUN_TIME),
    (Scope::OnIdentify, "targetsoc", AT_RUN_TIME),
    (Scope::Vehicle, "cache", PUSHED),
    (Scope::Vehicle, "chargedenergy", LATER),
    (Scope::Vehicle, "chargeenable", "not built yet: the car is controlled through its charger"),
    (Scope::Vehicle, "finishtime", LATER),
    (Scope::Vehicle, "getmaxcurrent", LATER),
    (Scope::Vehicle, "maxcurrent", "not built yet: the car is controlled through its charger"),
    (Scope::Vehicle, "minsoc", AT_RUN_TIME),
    (Scope::Vehicle, "ondisconnect", "not used"),
    (Scope::Vehicle, "position", LATER),
    (Scope::Vehicle, "targetsoc", AT_RUN_TIME),
];

/// What happens instead of a known key; `None` for an unknown one.
pub(super) fn instead(scope: Scope, key: &str) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(place, name, _)| *place == scope && same(name, key))
        .map(|(_, _, instead)| *instead)
}
