//! Where faults are gathered while a topology is read.

use crate::fault::Fault;

/// Where a value stands: its dotted path, and its first byte in the text.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) place: String,
    pub(crate) offset: usize,
}

/// The faults found so far, in whatever order the checks found them.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: Vec<(Spot, String)>,
}

impl Findings {
    pub(crate) fn report(&mut self, spot: &Spot, message: impl Into<String>) {
        self.found.push((spot.clone(), message.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The faults in the order of `text`, those of one spot in the order they were found.
    ///
    /// Lines and columns are counted in one pass over the text, however many faults there are.
    pub(crate) fn into_faults(mut self, text: &str) -> Vec<Fault> {
        self.found.sort_by_key(|(spot, _)| spot.offset);

        let mut characters = text.char_indices().peekable();
        let (mut line, mut column) = (1, 1);
        let mut faults = Vec::with_capacity(self.found.len());
        for (Spot { place, offset }, message) in self.found {
            while let Some((_, character)) = characters.next_if(|(at, _)| *at < offset) {
                (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
            }
            faults.push(Fault { place, line, column, message });
        }
        faults
    }
}

/// Foreign text as it may stand in a message: in quotes, on one line, and short.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
    }
}

/// A key or a name as it may stand in a place or a list: in quotes only when it needs them.
pub(crate) fn bare(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=63).contains(&text.len()) && text.bytes().all(plain) { text.to_owned() } else { quoted(text) }
}
