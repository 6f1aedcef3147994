//! Converts between messages of the port and messages of AMQP.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use crate::queue::{Message, PublishError};

/// The header that says why a message was dead-lettered.
const REASON: &str = "octet-reason";

/// The header that says how often a message had been delivered before it was dead-lettered.
const ATTEMPTS: &str = "octet-attempts";

/// The header that says when, in microseconds since 1970: AMQP's timestamps are in seconds.
const DEAD_LETTERED: &str = "octet-dead-lettered";

/// The delivery mode of a message that the broker keeps on disk.
const PERSISTENT: u8 = 2;

/// The properties of `message`: its id and its headers, the time, and that it is persistent JSON.
pub(super) fn properties(message: &Message) -> Result<BasicProperties, PublishError> {
    let id = ShortString::try_new(message.id.as_str())
        .map_err(|_| PublishError::Rejected("its id exceeds 255 bytes".to_owned()))?;
    Ok(BasicProperties::default()
        .with_message_id(id)
        .with_content_type(ShortString::try_new("application/json").unwrap_or_default())
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(seconds(SystemTime::now()))
        .with_headers(headers(&message.headers)?))
}

/// The properties of a message that came with `original` and becomes a dead letter.
///
/// A message of other origin keeps the properties that describe it, not the properties that the broker acts on: an expiration
/// would lose it, and with a user's name the broker would refuse it.
pub(super) fn dead_letter(original: &BasicProperties, attempt: u32, reason: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in original.headers().iter().flat_map(FieldTable::inner) {
        if !is_route(name.as_str()) {
            headers.insert(name.clone(), value.clone());
        }
    }
    let added = [
        (REASON, long(reason)),
        (ATTEMPTS, AMQPValue::LongLongInt(i64::from(attempt))),
        (DEAD_LETTERED, AMQPValue::LongLongInt(microseconds(SystemTime::now()))),
    ];
    for (name, value) in added {
        if let Ok(name) = ShortString::try_new(name) {
            headers.insert(name, value);
        }
    }
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT);
    if let Some(id) = original.message_id() {
        properties = properties.with_message_id(id.clone());
    }
    if let Some(content_type) = original.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    if let Some(encoding) = original.content_encoding() {
        properties = properties.with_content_encoding(encoding.clone());
    }
    if let Some(timestamp) = original.timestamp() {
        properties = properties.with_timestamp(*timestamp);
    }
    properties
}

/// The message of a delivery. A message of other origin, without an id, has the empty id.
pub(super) fn message(properties: &BasicProperties, body: Vec<u8>) -> Message {
    let headers = properties.headers().as_ref().map(header_pairs).unwrap_or_default();
    Message { id: id(properties), headers, body }
}

pub(super) fn id(properties: &BasicProperties) -> String {
    properties.message_id().as_ref().map(ShortString::to_string).unwrap_or_default()
}

/// When it was published, to the second.
pub(super) fn published(properties: &BasicProperties) -> Option<SystemTime> {
    properties.timestamp().as_ref().and_then(|seconds| moment(*seconds))
}

/// How often the message was delivered, this time included.
pub(super) fn attempt(properties: &BasicProperties, redelivered: bool) -> u32 {
    // From 4.3 on the broker counts failures apart from deliveries.
    let counted =
        ["x-acquired-count", "x-delivery-count"].into_iter().find_map(|name| number(properties, name));
    match counted.and_then(|count| u32::try_from(count).ok()) {
        Some(count) => count.saturating_add(1),
        None if redelivered => 2,
        None => 1,
    }
}

/// Why, when and after how many attempts a message was dead-lettered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) at: Option<SystemTime>,
}

/// Why a message was dead-lettered, as its consumer or the broker recorded it. `delivery_limit` is the queue's: the
/// broker does not record how often the message was delivered before, only how often it was read since.
pub(super) fn death(properties: &BasicProperties, delivery_limit: u32) -> Death {
    if let Some(reason) = text(properties, REASON) {
        return Death {
            reason,
            attempts: number(properties, ATTEMPTS)
                .and_then(|count| count.try_into().ok())
                .unwrap_or_default(),
            at: number(properties, DEAD_LETTERED)
                .and_then(|microseconds| UNIX_EPOCH.checked_add(Duration::from_micros(microseconds))),
        };
    }
    let latest = latest_death(properties);
    let field = |name: &str| latest.and_then(|death| death.inner().get(name));
    let reason = field("reason").and_then(plain).or_else(|| text(properties, "x-first-death-reason"));
    let at = field("time").and_then(whole).and_then(moment);
    let (reason, attempts) = match reason {
        Some(reason) if reason == "delivery_limit" => {
            (format!("delivery limit of {delivery_limit} reached"), delivery_limit)
        }
        // A consumer of this adapter rejects a message only when it cannot publish the dead letter.
        Some(reason) if reason == "rejected" => {
            ("rejected while no dead letter could be published; see the consumer's log".to_owned(), 0)
        }
        Some(other) => (other, 0),
        None => ("published by another program".to_owned(), 0),
    };
    Death { reason, attempts, at }
}

fn latest_death(properties: &BasicProperties) -> Option<&FieldTable> {
    match properties.headers().as_ref()?.inner().get("x-death")? {
        AMQPValue::FieldArray(deaths) => match deaths.as_slice().first()? {
            AMQPValue::FieldTable(death) => Some(death),
            _ => None,
        },
        _ => None,
    }
}

/// A header's integer, of any width.
fn number(properties: &BasicProperties, name: &str) -> Option<u64> {
    whole(properties.headers().as_ref()?.inner().get(name)?)
}

/// A header's text.
fn text(properties: &BasicProperties, name: &str) -> Option<String> {
    properties.headers().as_ref()?.inner().get(name).and_then(plain)
}

fn moment(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn microseconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

/// A table contains each name once, so the values of a repeated name become an array.
fn headers(pairs: &[(String, String)]) -> Result<FieldTable, PublishError> {
    let mut values: BTreeMap<&str, Vec<AMQPValue>> = BTreeMap::new();
    for (name, value) in pairs {
        values.entry(name).or_default().push(long(value));
    }
    let mut table = FieldTable::default();
    for (name, mut values) in values {
        if is_route(name) {
            return Err(PublishError::Rejected(format!(
                "the broker would copy it to the queues in its header {name}"
            )));
        }
        let name = ShortString::try_new(name)
            .map_err(|_| PublishError::Rejected("a header's name exceeds 255 bytes".to_owned()))?;
        let value = match (values.len(), values.pop()) {
            (1, Some(value)) => value,
            (_, last) => {
                values.extend(last);
                AMQPValue::FieldArray(values.into())
            }
        };
        table.insert(name, value);
    }
    Ok(table)
}

/// Sorted by name, without the headers that the broker and this adapter add.
fn header_pairs(table: &FieldTable) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, value) in table.inner() {
        if is_added(name.as_str()) {
            continue;
        }
        match value {
            AMQPValue::FieldArray(values) => {
                let texts = values.as_slice().iter().filter_map(plain);
                pairs.extend(texts.map(|text| (name.to_string(), text)));
            }
            value => pairs.extend(plain(value).map(|text| (name.to_string(), text))),
        }
    }
    pairs
}

/// RabbitMQ copies a message to the queues in these headers.
fn is_route(name: &str) -> bool {
    ["CC", "BCC"].contains(&name)
}

fn is_added(name: &str) -> bool {
    let added = [REASON, ATTEMPTS, DEAD_LETTERED, "x-delivery-count", "x-acquired-count", "x-death"];
    added.contains(&name) || name.starts_with("x-first-death-") || name.starts_with("x-last-death-")
}

/// A value as text; `None` for arrays and tables.
fn plain(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ByteArray(bytes) => Some(String::from_utf8_lossy(bytes.as_slice()).into_owned()),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        AMQPValue::Float(value) => Some(value.to_string()),
        AMQPValue::Double(value) => Some(value.to_string()),
        AMQPValue::Timestamp(seconds) => Some(seconds.to_string()),
        AMQPValue::ShortShortInt(number) => Some(number.to_string()),
        AMQPValue::ShortInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::ShortShortUInt(number) => Some(number.to_string()),
        AMQPValue::ShortUInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::Void => None,
    }
}

fn whole(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongLongInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::Timestamp(_) => plain(value)?.parse().ok(),
        _ => None,
    }
}
