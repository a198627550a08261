//! What the codec lets pass in an MQTT 5 packet and the standard does not: properties and options.
//!
//! The codec reads properties without looking at the end of their block, takes the last of two of
//! the same kind and knows no forbidden value. So every packet is walked through once before it is
//! decoded; the walk allocates nothing.

use rumqttc::v5::mqttbytes::v5::DisconnectReasonCode as Reason;

use super::Violation;

/// Properties by packet (MQTT 5 §2.2.2.2), as far as a client may send them.
const CONNECT: &[u8] = &[17, 21, 22, 23, 25, 33, 34, 38, 39];
const WILL: &[u8] = &[1, 2, 3, 8, 9, 24, 38];
const PUBLISH: &[u8] = &[1, 2, 3, 8, 9, 35, 38];
const ACKNOWLEDGE: &[u8] = &[31, 38];
const SUBSCRIBE: &[u8] = &[11, 38];
const UNSUBSCRIBE: &[u8] = &[38];
const DISCONNECT: &[u8] = &[17, 31, 38];

/// Most bytes of the properties of one packet: they are unpacked for every receiver.
const PROPERTIES_MAX: usize = 65_536;

/// The one property that may be there more than once.
const USER: u8 = 38;

/// Checks everything after the fixed header of a packet that an accepted client sends.
pub(super) fn packet(first: u8, body: &[u8]) -> Result<(), Violation> {
    let mut rest = Reader(body);
    match first >> 4 {
        3 => {
            rest.text()?;
            if first & 0b0110 != 0 {
                rest.take(2)?;
            }
            rest.properties(PUBLISH)
        }
        4..=7 if body.len() > 3 => {
            rest.take(3)?;
            rest.properties(ACKNOWLEDGE)
        }
        8 => {
            rest.take(2)?;
            rest.properties(SUBSCRIBE)?;
            while !rest.0.is_empty() {
                rest.sized()?;
                if rest.take(1)?[0] & 0b1100_0000 != 0 {
                    return Err(malformed("reserved bits in the options of a subscription"));
                }
            }
            Ok(())
        }
        10 => {
            rest.take(2)?;
            rest.properties(UNSUBSCRIBE)
        }
        12 if !body.is_empty() => Err(malformed("a ping with a body")),
        14 if body.len() > 1 => {
            rest.take(1)?;
            rest.properties(DISCONNECT)
        }
        _ => Ok(()),
    }
}

/// Checks a CONNECT from its properties on.
pub(super) fn connect(flags: u8, properties: &[u8]) -> Result<(), Violation> {
    let mut rest = Reader(properties);
    rest.properties(CONNECT)?;
    rest.text()?;
    if flags & 0b0100 != 0 {
        rest.properties(WILL)?;
    }
    Ok(())
}

/// What kind of value a property has.
enum Kind {
    Flag,
    Short,
    NonZeroShort,
    Long,
    NonZeroLong,
    NonZeroVarint,
    Text,
    Binary,
    Pair,
}

fn kind(property: u8) -> Kind {
    match property {
        1 | 23 | 25 => Kind::Flag,
        34 | 35 => Kind::Short,
        33 => Kind::NonZeroShort,
        2 | 17 | 24 => Kind::Long,
        39 => Kind::NonZeroLong,
        11 => Kind::NonZeroVarint,
        9 | 22 => Kind::Binary,
        USER => Kind::Pair,
        _ => Kind::Text,
    }
}

fn malformed(text: impl Into<String>) -> Violation {
    Violation { reason: Reason::MalformedPacket, text: text.into() }
}

fn forbidden(text: impl Into<String>) -> Violation {
    Violation { reason: Reason::ProtocolError, text: text.into() }
}

/// The bytes that are not looked at yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| malformed("a packet that is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn sized(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    fn text(&mut self) -> Result<(), Violation> {
        match std::str::from_utf8(self.sized()?) {
            Ok(text) if !text.contains('\0') => Ok(()),
            Ok(_) | Err(_) => Err(malformed("text that is not UTF-8")),
        }
    }

    fn varint(&mut self) -> Result<usize, Violation> {
        let mut value = 0;
        for at in 0..4 {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed("a number of more than four bytes"))
    }

    fn properties(&mut self, allowed: &[u8]) -> Result<(), Violation> {
        let length = self.varint()?;
        if length > PROPERTIES_MAX {
            let text = format!("{length} bytes of properties, limit is {PROPERTIES_MAX}");
            return Err(Violation { reason: Reason::QuotaExceeded, text });
        }
        let mut block = Reader(self.take(length)?);
        let mut seen = 0_u64;
        while !block.0.is_empty() {
            let property = block.take(1)?[0];
            if !allowed.contains(&property) {
                return Err(malformed(format!("property {property} where it does not belong")));
            }
            if seen & (1 << property) != 0 && property != USER {
                return Err(forbidden(format!("property {property} twice")));
            }
            seen |= 1 << property;
            block.value(property)?;
        }
        Ok(())
    }

    fn value(&mut self, property: u8) -> Result<(), Violation> {
        let sound = match kind(property) {
            Kind::Flag => self.take(1)?[0] <= 1,
            Kind::NonZeroShort => self.take(2)? != [0; 2],
            Kind::NonZeroLong => self.take(4)? != [0; 4],
            Kind::NonZeroVarint => self.varint()? != 0,
            Kind::Short => self.take(2).map(|_| true)?,
            Kind::Long => self.take(4).map(|_| true)?,
            Kind::Binary => self.sized().map(|_| true)?,
            Kind::Text => self.text().map(|()| true)?,
            Kind::Pair => self.text().and_then(|()| self.text()).map(|()| true)?,
        };
        sound.then_some(()).ok_or_else(|| forbidden(format!("a bad value of property {property}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(properties: &[u8]) -> Result<(), Reason> {
        let mut body = vec![0, 1, b'a', u8::try_from(properties.len()).unwrap()];
        body.extend(properties);
        body.extend(b"payload");
        packet(0x30, &body).map_err(|violation| violation.reason)
    }

    #[test]
    fn good_properties_pass() {
        let user = [38, 0, 1, b'k', 0, 1, b'v'];
        for good in [&[][..], &[1, 1], &[2, 0, 0, 0, 9], &[35, 0, 0], &[&user[..], &user].concat()]
        {
            assert_eq!(publish(good), Ok(()), "{good:?}");
        }
        assert!(packet(0xe0, &[]).is_ok() && packet(0xe0, &[4]).is_ok());
        assert!(packet(0x40, &[0, 1]).is_ok() && packet(0x40, &[0, 1, 0x10]).is_ok());
        assert!(packet(0x82, &[0, 1, 2, 11, 1, 0, 1, b'a', 0b0010_1101]).is_ok());
    }

    #[test]
    fn bad_properties_are_named() {
        let cases: [(&[u8], Reason); 8] = [
            (&[1, 2], Reason::ProtocolError),
            (&[1, 1, 1, 1], Reason::ProtocolError),
            (&[11, 1], Reason::MalformedPacket),
            (&[99], Reason::MalformedPacket),
            (&[2, 0, 0], Reason::MalformedPacket),
            (&[3, 0, 1, 0xff], Reason::MalformedPacket),
            (&[8, 0, 9, b'x'], Reason::MalformedPacket),
            (&[38, 0, 1, b'k', 0, 1, 0], Reason::MalformedPacket),
        ];
        for (bad, reason) in cases {
            assert_eq!(publish(bad), Err(reason), "{bad:?}");
        }
        assert!(packet(0x30, &[0, 1, b'a', 0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(packet(0x82, &[0, 1, 2, 11, 0, 0, 1, b'a', 0]).is_err());
        assert!(packet(0x82, &[0, 1, 0, 0, 1, b'a', 0b0100_0000]).is_err());
        // The limit is looked at before the bytes are there.
        let many = packet(0x30, &[0, 1, b'a', 0xff, 0xff, 0xff, 0x01]);
        assert_eq!(many.map_err(|violation| violation.reason), Err(Reason::QuotaExceeded));
        assert!(connect(0, &[3, 33, 0, 0, 0, 0]).is_err());
        assert!(connect(0b0100, &[0, 0, 0, 1, 24]).is_err());
    }
}
