//! The fields of a fault, whatever they are written in.

use std::{borrow::Cow, time::Duration};

use crate::{
    address::Address,
    effect::{EFFECTS, Effect},
    fault::{Fault, When},
    quantity::parse_duration,
    share::Share,
};

/// The keys of a fault's fields.
pub const KEYS: [&str; 18] = [
    "at",
    "delay",
    "abort",
    "lose",
    "drop",
    "reset",
    "throttle",
    "cpu",
    "memory",
    "stall",
    "unready",
    "crash",
    "duplicate",
    "share",
    "max",
    "for",
    "when",
    "blind",
];

/// How long a fault may act.
const LASTS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_hours(24));

/// How many calls a fault may act on at once.
const MOST: u32 = 10_000;

/// The longest condition, in bytes.
const MAX_WHEN: usize = 256;

/// A field with its positions, whose type is the caller's.
#[derive(Debug, Clone)]
pub struct Field<'t, P> {
    /// One of [`KEYS`], if it is valid.
    pub key: Cow<'t, str>,
    /// Its value as a text; `true` for a flag.
    pub value: Cow<'t, str>,
    /// The position of the key.
    pub key_at: P,
    /// The position of the value.
    pub value_at: P,
}

/// Reads the fields of one fault; `start` is where the fault starts. Messages do not repeat the key at their position.
///
/// # Errors
/// Everything that is wrong, each with its position; never empty.
pub fn read_fields<P: Clone>(fields: &[Field<'_, P>], start: &P) -> Result<Fault, Vec<(P, String)>> {
    let mut reader = Reader { problems: Vec::new() };
    let fault = reader.fault(fields, start);
    match fault {
        Some(fault) if reader.problems.is_empty() => Ok(fault),
        _ => Err(reader.problems),
    }
}

struct Reader<P> {
    problems: Vec<(P, String)>,
}

impl<P: Clone> Reader<P> {
    fn fault(&mut self, fields: &[Field<'_, P>], start: &P) -> Option<Fault> {
        for (index, field) in fields.iter().enumerate() {
            if !KEYS.contains(&field.key.as_ref()) {
                let message = format!("unknown field; fields are: {}", KEYS.join(", "));
                self.problems.push((field.key_at.clone(), message));
            } else if fields.iter().take(index).any(|other| other.key == field.key) {
                self.problems.push((field.key_at.clone(), "is there twice".to_owned()));
            }
        }
        let at =
            self.value(fields, "at", |text| Address::parse(text).ok_or_else(|| Address::ALLOWED.to_owned()));
        if !fields.iter().any(|field| field.key == "at") {
            self.problems.push((start.clone(), "at: missing".to_owned()));
        }
        let share =
            self.value(fields, "share", |text| Share::parse(text).ok_or_else(|| Share::ALLOWED.to_owned()));
        let max = self.value(fields, "max", |text| {
            let max = text.parse().ok().filter(|max| (1..=MOST).contains(max));
            max.ok_or_else(|| format!("a whole number from 1 to {MOST}"))
        });
        let lasts = self.value(fields, "for", |text| {
            let lasts = parse_duration(text).filter(|lasts| (LASTS.0..=LASTS.1).contains(lasts));
            lasts.ok_or_else(|| "a duration such as 30s or 5m, from 1ms to 24h".to_owned())
        });
        let when = self.value(fields, "when", when);
        let blind = self.value(fields, "blind", |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("true or false".to_owned()),
        });
        let effect = self.effect(fields, start);
        let (at, effect) = (at?, effect?);
        if let Some(allowed) = effect.refuses(&at) {
            let field = fields.iter().find(|field| field.key == effect.key())?;
            self.problems.push((field.key_at.clone(), format!("cannot act at {at}; it acts on {allowed}")));
        }
        if effect == Effect::Unready {
            // It is a state of the process, which no call draws.
            for field in fields.iter().filter(|field| ["share", "max", "when"].contains(&field.key.as_ref()))
            {
                self.problems.push((field.key_at.clone(), "has no meaning with unready".to_owned()));
            }
        }
        Some(Fault {
            at,
            effect,
            share: share.unwrap_or_default(),
            max,
            lasts,
            when,
            blind: blind.unwrap_or(false),
        })
    }

    /// The fault's one effect.
    fn effect(&mut self, fields: &[Field<'_, P>], start: &P) -> Option<Effect> {
        let mut given = fields.iter().filter(|field| EFFECTS.contains(&field.key.as_ref()));
        let Some(first) = given.next() else {
            self.problems
                .push((start.clone(), format!("must have an effect: one of {}", EFFECTS.join(", "))));
            return None;
        };
        for other in given.filter(|other| other.key != first.key) {
            let message = format!("a fault has one effect, and this one has {} already", first.key);
            self.problems.push((other.key_at.clone(), message));
        }
        self.value(fields, &first.key, |text| {
            Effect::parse(&first.key, text).unwrap_or_else(|| Err("an effect".to_owned()))
        })
    }

    /// The parsed value of a field; `None` if it is absent or invalid. The error completes the sentence "must be …".
    fn value<T>(
        &mut self,
        fields: &[Field<'_, P>],
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let field = fields.iter().find(|field| field.key == key)?;
        match parse(&field.value) {
            Ok(value) => Some(value),
            Err(allowed) => {
                self.problems.push((field.value_at.clone(), format!("must be {allowed}")));
                None
            }
        }
    }
}

/// Reads `x-user=jason`.
fn when(text: &str) -> Result<When, String> {
    let allowed = || "HEADER=VALUE, such as x-user=jason, of at most 256 bytes".to_owned();
    let (header, value) = text.split_once('=').ok_or_else(allowed)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_visible = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'"';
    if header.is_empty()
        || text.len() > MAX_WHEN
        || !header.bytes().all(is_token)
        || !value.bytes().all(is_visible)
        || value.trim() != value
    {
        return Err(allowed());
    }
    let header = header.to_ascii_lowercase();
    if ["authorization", "cookie", "proxy-authorization"].contains(&header.as_str())
        || header.starts_with("octet-fault")
    {
        return Err("HEADER=VALUE with a header that holds no credentials".to_owned());
    }
    Ok(When { header, value: value.to_owned() })
}
