//! Reads Prometheus's text format: one sample a line.

use std::collections::BTreeMap;

/// One sample.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'t> {
    pub(super) name: &'t str,
    pub(super) labels: BTreeMap<&'t str, String>,
    pub(super) value: f64,
}

impl<'t> Sample<'t> {
    /// The samples of a page. Comments, and lines that are not in the format, are left out.
    pub(super) fn all(page: &'t str) -> impl Iterator<Item = Self> {
        page.lines().filter_map(Self::parse)
    }

    fn parse(line: &'t str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }

    /// The value of a label; empty where it is absent.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// The labels up to `}`, and what follows it.
fn labels(mut rest: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.insert(name, value);
        rest = after;
    }
}

/// The text up to a quote that no backslash precedes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(index + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_names_labels_and_values() {
        let page = "# HELP a text\na 1\nb{x=\"1\",y=\"a \\\"b\\\\ }\",} 2.5 1700000000\nbroken{x=\"1\n{}\nc{} +Inf\n";
        let samples: Vec<_> = Sample::all(page).map(|sample| (sample.name, sample.value)).collect();
        assert_eq!(samples, [("a", 1.0), ("b", 2.5), ("c", f64::INFINITY)]);
        let labelled = Sample::all(page).nth(1).unwrap();
        assert_eq!((labelled.label("x"), labelled.label("y"), labelled.label("z")), ("1", "a \"b\\ }", ""));
    }
}
