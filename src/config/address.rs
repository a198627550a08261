//! Network addresses: `host[:port]`, `[::1]:1883`, and brokers with a scheme before them.

use super::text::quoted;

/// MQTT without and with TLS.
pub(super) const MQTT_PORT: u16 = 1883;
const MQTTS_PORT: u16 = 8883;

/// Where a broker is (api.md §1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrokerAddress {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

/// `[scheme://]host[:port]`; the error says what is wrong.
pub(super) fn broker(written: &str) -> Result<BrokerAddress, String> {
    let (scheme, address) = written.split_once("://").unwrap_or(("tcp", written));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "tcp" | "mqtt" => false,
        "tls" | "ssl" | "mqtts" => true,
        _ => {
            let scheme = quoted(scheme);
            return Err(format!("must begin with mqtt:// or tls:// or the host, found {scheme}"));
        }
    };
    // The text is not repeated here: it may hold a password.
    if address.contains('@') {
        return Err("must be without user and password: write them under mqtt.user, mqtt.password"
            .to_owned());
    }
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = split(address, if tls { MQTTS_PORT } else { MQTT_PORT })
        .map_err(|what| format!("{what}, found {}", quoted(written)))?;
    Ok(BrokerAddress { tls, host, port })
}

impl BrokerAddress {
    /// Whether both are the same broker, whatever the encryption.
    pub(super) fn same_host(&self, other: &Self) -> bool {
        let name = |host: &str| match host {
            "localhost" | "::1" => "127.0.0.1".to_owned(),
            host => host.to_lowercase(),
        };
        self.port == other.port && name(&self.host) == name(&other.host)
    }
}

/// Host and port; the error says what is wrong.
pub(super) fn split(address: &str, default_port: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("has a \"[\" without \"]\"")?,
        // More than one colon is an IPv6 address without a port.
        None => match address.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (address, ""),
            Some((host, _)) => address.split_at(host.len()),
            None => (address, ""),
        },
    };
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '?');
    if host.is_empty() || host.contains(strange) {
        return Err("must be host or host:port");
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default_port,
        None => return Err("must be host or host:port"),
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            Ok(_) | Err(_) => return Err("must have a port between 1 and 65535"),
        },
    };
    Ok((host.to_owned(), port))
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        let spelled = |text| split(text, 502).map(|(host, port)| join(&host, port));
        assert_eq!(spelled("meter"), Ok("meter:502".to_owned()));
        assert_eq!(spelled("10.0.0.7:1502"), Ok("10.0.0.7:1502".to_owned()));
        assert_eq!(spelled("::1"), Ok("[::1]:502".to_owned()));
        assert_eq!(spelled("[fe80::1]:1502"), Ok("[fe80::1]:1502".to_owned()));
        for wrong in ["", ":502", "a:0", "a:70000", "a:x", "a:", "[::1", "[::1]x", "a b", "a/b:1"] {
            assert!(split(wrong, 502).is_err(), "{wrong:?}");
        }
    }
}
