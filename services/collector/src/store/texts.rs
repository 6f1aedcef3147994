//! Stores equal texts once.

use std::{collections::HashSet, sync::Arc};

use foldhash::quality::RandomState;
use octet_zipkin::Text;

/// The overhead of a text: its reference counts, its allocation's rounding, and its share of the set, which is between
/// half and entirely full.
const OVERHEAD: usize = 16 + 16 + 34;

/// The texts of all stored spans.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashSet<Text, RandomState>,
    bytes: usize,
}

impl Texts {
    /// The stored text that equals `text`.
    pub(super) fn intern(&mut self, text: &str) -> Text {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let text = Text::from(text);
        self.bytes += text.len() + OVERHEAD;
        self.known.insert(text.clone());
        text
    }

    /// Replaces `text` with an empty one, and frees the stored text when this was its last use.
    pub(super) fn release(&mut self, text: &mut Text) {
        let released = std::mem::take(text);
        // The set's reference and this one.
        if Arc::strong_count(&released) == 2 && self.known.remove(&released) {
            self.bytes -= released.len() + OVERHEAD;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
