//! Shares equal texts between the spans of reports that are read into structures, so that most need no allocation.

use std::collections::HashSet;

use foldhash::quality::RandomState;
use octet_zipkin::{Text, read::Intern};

/// The maximum number of texts, and of bytes of one: names and keys repeat, long values do not.
const MAX_TEXTS: usize = 1_024;
const MAX_LENGTH: usize = 128;

/// The texts of the last reports.
#[derive(Debug, Default)]
pub(super) struct Texts(HashSet<Text, RandomState>);

impl Intern for Texts {
    fn intern(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = Text::from(text);
        if text.len() <= MAX_LENGTH {
            if self.0.len() >= MAX_TEXTS {
                self.0.clear();
            }
            self.0.insert(new.clone());
        }
        new
    }
}
