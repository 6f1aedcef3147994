//! A line of a process's log, for a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use crate::terminal::{Colour, Terminal};

/// Fields of every line that a reader at a terminal does not need, and those that stand elsewhere in it.
const OMITTED: [&str; 9] =
    ["time", "level", "service", "message", "target", "module", "function", "file", "line"];

/// The line for people: time, level, message, and the other fields as `name=value`. A line that is not one of Octet's JSON
/// lines is left as it is, except for its control characters.
pub(crate) fn readable(line: &str, terminal: Terminal) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else { return escaped(line) };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let level = text("level");
    if level.is_empty() || !fields.contains_key("message") {
        return escaped(line);
    }
    let colour = match level {
        "error" => Colour::Red,
        "warn" => Colour::Yellow,
        "info" => Colour::Green,
        _ => Colour::Dim,
    };
    let mut readable = format!(
        "{} {} {}",
        terminal.paint(Colour::Dim, time(text("time"))),
        terminal.paint(colour, &format!("{:>5}", escaped(level).to_uppercase())),
        escaped(text("message"))
    );
    for (name, value) in fields.iter().filter(|(name, _)| !OMITTED.contains(&name.as_str())) {
        let value = match value {
            Value::Null => continue,
            Value::String(text) if !text.is_empty() && !text.contains([' ', '"']) => escaped(text),
            value => escaped(&value.to_string()),
        };
        let name = terminal.paint(Colour::Dim, &format!("{}=", escaped(name)));
        // Writing to a String cannot fail.
        let _ = write!(readable, " {name}{value}");
    }
    readable
}

/// The time of day with milliseconds, out of RFC 3339.
fn time(time: &str) -> &str {
    let of_day = time.split_once('T').map_or(time, |(_, of_day)| of_day);
    of_day.get(..12).filter(|part| part.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or("-")
}

/// Without control characters: a log may contain what a client sent, and a terminal would execute it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use octet_runtime::environment::Environment;

    use super::*;

    fn terminal(colours: &str) -> Terminal {
        let variables = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", colours)];
        let variables: std::collections::BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Terminal::from_environment(&mut Environment::new(&variables))
    }

    #[test]
    fn a_json_line_becomes_time_level_message_and_fields() {
        let line = r#"{"time":"2026-11-26T17:00:01.123456789Z","level":"warn","service":"a","message":"slow call","target":"octet","file":"x.rs","line":3,"duration_us":17,"reason":"two words","request_id":"r-1","none":null}"#;
        assert_eq!(
            readable(line, terminal("1")),
            r#"17:00:01.123  WARN slow call duration_us=17 reason="two words" request_id=r-1"#
        );
        let coloured = readable(line, terminal(""));
        assert!(coloured.contains("\x1b[33m WARN\x1b[0m slow call"), "{coloured:?}");
    }

    #[test]
    fn another_line_is_unchanged_and_no_line_controls_the_terminal() {
        assert_eq!(readable("octet: PORT: in use", terminal("1")), "octet: PORT: in use");
        assert_eq!(readable(r#"{"level":"info"}"#, terminal("1")), r#"{"level":"info"}"#);
        let attack =
            r#"{"time":"\u001b[2J","level":"info\u001b","message":"a\u001b[31mb\nc","\u001b]0;x":"\u0007"}"#;
        for line in [attack, "\x1b[2Jtext"] {
            let shown = readable(line, terminal("1"));
            assert!(!shown.contains(|character: char| character.is_control()), "{shown:?}");
        }
    }
}
