//! Equal texts, kept once.

use std::{collections::HashSet, sync::Arc};

use foldhash::quality::RandomState;
use octet_zipkin::Text;

/// What a text takes beside its bytes: its counts, its allocation's rounding, and its place in the set, which is
/// between half and wholly full.
const BESIDE: usize = 16 + 16 + 34;

/// Every text of the spans that are kept.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashSet<Text, RandomState>,
    bytes: usize,
}

impl Texts {
    /// The one that is kept of all that equal `text`.
    pub(super) fn intern(&mut self, text: &str) -> Text {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let text = Text::from(text);
        self.bytes += text.len() + BESIDE;
        self.known.insert(text.clone());
        text
    }

    /// Lets go of `text` once its last span has: leaves an empty one in its place.
    pub(super) fn release(&mut self, text: &mut Text) {
        let released = std::mem::take(text);
        // The set's own, and this one.
        if Arc::strong_count(&released) == 2 && self.known.remove(&released) {
            self.bytes -= released.len() + BESIDE;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
