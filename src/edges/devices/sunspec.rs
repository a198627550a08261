//! SunSpec devices: where their models are, and the value of a point (plans-vehicles-devices.md §7.1).

use std::collections::BTreeMap;

use tokio_modbus::Request;

use super::modbus::{Connection, Failure, words_of};
use super::register;
use super::value::{Kind, Value};
use crate::config::{
    ModbusLink, Register, RegisterKind, SunSpecFactor, SunSpecPoint, SunSpecSource,
};

/// Where the models may begin.
const BASES: [u16; 3] = [40_000, 50_000, 0];
/// `SunS`
const MARK: [u16; 2] = [0x5375, 0x6E53];
/// Stands behind the last model.
const END: u16 = 0xFFFF;
/// Models of one device; further ones are not looked for.
const MODELS_MAX: usize = 64;
/// Registers of one request.
const SPAN_MAX: u16 = 125;
/// Powers of ten that a device may scale with.
const FACTOR_MAX: i16 = 10;

/// The first model of every kind: where its ID is, and how many registers it has from there on.
pub(super) type Models = BTreeMap<u16, (u16, u16)>;

/// The value of the first point that the device has; nothing if it says that it has none.
pub(super) async fn read(
    connection: &mut Connection,
    models: &mut Option<Models>,
    kind: Kind,
    source: &SunSpecSource,
) -> Result<Option<Value>, Failure> {
    let result = read_points(connection, models, source).await;
    if let Err(Failure::Lost(_)) = result {
        // It may be another device when it is back.
        *models = None;
    }
    let number = result?;
    Ok(number.map(|number| match (kind, source.bitmask) {
        (Kind::Bool, Some(mask)) => Value::Bool(number as u64 & u64::from(mask) != 0),
        (Kind::Bool, None) => Value::Bool(number != 0.0),
        (Kind::Number | Kind::Status | Kind::Text, _) => Value::Number(number * source.scale),
    }))
}

async fn read_points(
    connection: &mut Connection,
    models: &mut Option<Models>,
    source: &SunSpecSource,
) -> Result<Option<f64>, Failure> {
    let link = &source.link;
    if models.is_none() {
        *models = Some(discover(connection, link).await?);
    }
    let mut has_any = false;
    for point in &source.points {
        let width = register::width(point.encoding.number);
        let place = models.as_ref().and_then(|models| models.get(&point.model));
        let Some((at, length)) = place else { continue };
        if point.offset.saturating_add(width) > *length {
            continue;
        }
        has_any = true;
        if let Some(number) = number(connection, link, *at, point).await? {
            return Ok(Some(number));
        }
    }
    if has_any {
        return Ok(None);
    }
    let names: Vec<_> = source.points.iter().map(|point| point.name.as_str()).collect();
    Err(Failure::Refused(format!("the device has no {}", names.join(", "))))
}

/// The scaled number of a point; nothing if the device does not implement it.
async fn number(
    connection: &mut Connection,
    link: &ModbusLink,
    at: u16,
    point: &SunSpecPoint,
) -> Result<Option<f64>, Failure> {
    let width = register::width(point.encoding.number);
    let (words, factor) = match point.factor {
        SunSpecFactor::Fixed(factor) => {
            (holding(connection, link, at, point.offset, width).await?, i16::from(factor))
        }
        // Devices change factor and value together: they are read together where that is possible.
        SunSpecFactor::At(factor_at) => {
            let from = point.offset.min(factor_at);
            let end = point.offset.saturating_add(width);
            let to = end.max(factor_at.saturating_add(1));
            let (words, factor) = if to - from <= SPAN_MAX {
                let span = holding(connection, link, at, from, to - from).await?;
                let part = |at: u16, width: u16| {
                    let start = usize::from(at - from);
                    span.get(start..start + usize::from(width)).unwrap_or_default().to_vec()
                };
                (part(point.offset, width), part(factor_at, 1))
            } else {
                let words = holding(connection, link, at, point.offset, width).await?;
                (words, holding(connection, link, at, factor_at, 1).await?)
            };
            let factor = factor.first().map_or(i16::MIN, |word| *word as i16);
            if factor == i16::MIN {
                return Ok(None);
            }
            (words, factor)
        }
    };
    if !(-FACTOR_MAX..=FACTOR_MAX).contains(&factor) {
        return Err(Failure::Refused(format!("{} has the factor 10^{factor}", point.name)));
    }
    let register =
        Register { kind: RegisterKind::Holding, address: 0, encoding: point.encoding, bitmask: 0 };
    let value = register::read(Kind::Number, &register, &words, 1.0).map_err(Failure::Refused)?;
    Ok(match value {
        Some(Value::Number(number)) if !(point.accumulates && number == 0.0) => {
            // Tenths and hundredths stay what they are written as.
            let power = 10_f64.powi(i32::from(factor.abs()));
            Some(if factor < 0 { number / power } else { number * power })
        }
        Some(_) | None => None,
    })
}

/// Looks for the mark and goes from model to model.
async fn discover(connection: &mut Connection, link: &ModbusLink) -> Result<Models, Failure> {
    for base in BASES {
        match holding(connection, link, base, 0, 2).await {
            Ok(words) if words == MARK => return walk(connection, link, base + 2).await,
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(lost) => return Err(lost),
        }
    }
    Err(Failure::Refused("it is no SunSpec device: nothing at 40000, 50000 and 0".to_owned()))
}

async fn walk(
    connection: &mut Connection,
    link: &ModbusLink,
    start: u16,
) -> Result<Models, Failure> {
    let (mut models, mut at) = (Models::new(), start);
    for _ in 0..MODELS_MAX {
        let header = holding(connection, link, at, 0, 2).await?;
        let [id, length] = header[..] else { break };
        if id == END {
            break;
        }
        let whole = length.saturating_add(2);
        models.entry(id).or_insert((at, whole));
        let Some(next) = at.checked_add(whole) else { break };
        at = next;
    }
    Ok(models)
}

/// So many holding registers from `at` and `offset` on.
async fn holding(
    connection: &mut Connection,
    link: &ModbusLink,
    at: u16,
    offset: u16,
    count: u16,
) -> Result<Vec<u16>, Failure> {
    let Some(address) = at.checked_add(offset).filter(|at| at.checked_add(count).is_some()) else {
        return Err(Failure::Refused("a model lies beyond the last register".to_owned()));
    };
    let answer = connection.call(link, Request::ReadHoldingRegisters(address, count)).await?;
    words_of(answer, count)
}
