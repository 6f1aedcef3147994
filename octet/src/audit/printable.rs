//! Text of others in the audit's output.

/// Text of a file or a message, cut to `max` characters, with control characters escaped.
pub(crate) fn printable(text: &str, max: usize) -> String {
    let escape = |character: char| {
        let escaped: String =
            if character.is_control() { character.escape_debug().collect() } else { character.into() };
        escaped
    };
    let more = if text.chars().nth(max).is_some() { "…" } else { "" };
    text.chars().take(max).map(escape).chain([more.to_owned()]).collect()
}
