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

    /// Frees the stored text if the caller's, which it drops next, is its last use.
    pub(super) fn release(&mut self, text: &Text) {
        // The set's reference and this one.
        if Arc::strong_count(text) == 2 && self.known.remove(text) {
            self.bytes -= text.len() + OVERHEAD;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
