//! Foreign text in messages.

use crate::limits::MAX_QUOTED;

/// Foreign text for a message: in quotes, on one line, and short.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

/// A key or a name for a path or a list: in quotes only where it needs them.
pub(crate) fn bare(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) { text.to_owned() } else { quoted(text) }
}
