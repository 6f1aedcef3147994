//! Which field of a JSON text stands at a position; only asked once reading has failed there.

use super::error::quoted;

/// The dotted path at `line` and `column` (from 1, as `serde_json` counts), such as `book.pages[2].text`; `None`
/// at the top.
///
/// The text is malformed there, or of the wrong type, but well-formed up to there.
pub(super) fn field(text: &[u8], line: usize, column: usize) -> Option<String> {
    let start: usize =
        text.split_inclusive(|byte| *byte == b'\n').take(line.checked_sub(1)?).map(<[u8]>::len).sum();
    let read = text.get(..start + column).unwrap_or(text);
    // The last byte may be what was not expected; it must not open or close anything.
    let read = match read.split_last() {
        Some((b',' | b':' | b'{' | b'}' | b'[' | b']', before)) => before,
        _ => read,
    };

    let mut path = Vec::new();
    let mut rest = read;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' => path.push(Step::Object(None)),
            b'[' => path.push(Step::List(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => match path.last_mut() {
                Some(Step::Object(key)) => *key = None,
                Some(Step::List(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let end = string_end(rest);
                let (string, after) = rest.split_at(end);
                rest = after.get(1..).unwrap_or_default();
                if let Some(Step::Object(key @ None)) = path.last_mut() {
                    *key = Some(string);
                }
            }
            _ => {}
        }
    }
    written(&path)
}

enum Step<'t> {
    /// An object, and the key of the entry that is being read.
    Object(Option<&'t [u8]>),
    /// A list, and the index.
    List(usize),
}

/// How far a string reaches whose opening quote is read.
fn string_end(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.unwrap_or(text.len())
}

fn written(path: &[Step<'_>]) -> Option<String> {
    let mut written = String::new();
    for step in path {
        match step {
            Step::Object(None) => {}
            Step::Object(Some(key)) => {
                if !written.is_empty() {
                    written.push('.');
                }
                written.push_str(&String::from_utf8_lossy(key));
            }
            Step::List(index) => written.extend(["[", &index.to_string(), "]"]),
        }
    }
    let is_plain = written.len() <= 64 && written.bytes().all(|byte| byte.is_ascii_graphic());
    match (written.is_empty(), is_plain) {
        (true, _) => None,
        (false, true) => Some(written),
        (false, false) => Some(quoted(&written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_at_a_position_is_found() {
        for (text, line, column, expected) in [
            (r#"{"a":1}"#, 1, 6, Some("a")),
            (r#"{"a":{"b":}"#, 1, 11, Some("a.b")),
            (r#"{"a":[{"b":1},{"c":"x"#, 1, 21, Some("a[1].c")),
            ("{\n \"a\\\"}\": 1,\n \"b\": x", 3, 7, Some("b")),
            (r#"{"a":{"b":1},"c":[]}"#, 1, 18, Some("c")),
            ("[", 1, 1, None),
            ("", 0, 0, None),
            ("{", 9, 9, None),
        ] {
            assert_eq!(field(text.as_bytes(), line, column).as_deref(), expected, "{text}");
        }
    }
}
