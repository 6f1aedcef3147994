//! Finds ids that are in more than one answer.
//!
//! Ids are kept on disk and compared in several passes over them, each over a random share of the ids, so that memory is
//! bounded for any number of answers.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
};

use super::{
    id::GreetingId,
    spool::{Record, Spool},
};

/// The average number of ids that one pass keeps in memory, in about 40 MB.
const MAX_IDS: u64 = 500_000;

/// How many ids are read at a time.
const BATCH: usize = 16_384;

/// The ids of all answers.
pub(super) struct Duplicates {
    ids: Spool<Seen>,
    ids_per_pass: u64,
}

/// An id in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: GreetingId,
    /// The answer's line.
    pub(super) line: u64,
    /// The service whose greeting has the id.
    pub(super) service: u32,
}

impl Duplicates {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { ids: Spool::new()?, ids_per_pass: MAX_IDS })
    }

    pub(super) fn push(&mut self, seen: &Seen) -> io::Result<()> {
        self.ids.push(seen)
    }

    /// Calls `on_duplicate` for every id that an earlier answer has too, with the line of the first one.
    pub(super) fn find(&mut self, mut on_duplicate: impl FnMut(Seen, u64)) -> io::Result<()> {
        let passes = self.ids.len().div_ceil(self.ids_per_pass);
        // Seeded, so that no file can choose ids that fall into one pass.
        let seed = RandomState::new();
        for pass in 0..passes {
            let mut first_lines: HashMap<GreetingId, u64> = HashMap::new();
            let mut spooled = self.ids.read()?;
            loop {
                let batch = spooled.batch(BATCH)?;
                if batch.is_empty() {
                    break;
                }
                for seen in batch.into_iter().filter(|seen| seed.hash_one(seen.id) % passes == pass) {
                    match first_lines.entry(seen.id) {
                        Entry::Vacant(entry) => {
                            entry.insert(seen.line);
                        }
                        // An answer with an id twice is invalid already.
                        Entry::Occupied(entry) if *entry.get() == seen.line => {}
                        Entry::Occupied(entry) => on_duplicate(seen, *entry.get()),
                    }
                }
            }
        }
        Ok(())
    }
}

impl Record for Seen {
    const BYTES: usize = 16 + 8 + 4;

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.id.to_bytes())?;
        to.write_all(&self.line.to_le_bytes())?;
        to.write_all(&self.service.to_le_bytes())
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (line, rest) = rest.split_first_chunk()?;
        Some(Self {
            id: GreetingId::from_bytes(*id),
            line: u64::from_le_bytes(*line),
            service: u32::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_across_any_number_of_passes() {
        for ids_per_pass in [1, 7, 1_000] {
            let mut duplicates = Duplicates { ids_per_pass, ..Duplicates::new().unwrap() };
            let seen = |number: u8, line| Seen { id: GreetingId::from_bytes([number; 16]), line, service: 3 };
            for number in 0..100 {
                duplicates.push(&seen(number, u64::from(number / 7))).unwrap();
            }
            for repeated in [seen(5, 50), seen(0, 51), seen(99, 14), seen(5, 52)] {
                duplicates.push(&repeated).unwrap();
            }
            let mut found = Vec::new();
            duplicates.find(|seen, first| found.push((seen, first))).unwrap();
            found.sort_by_key(|(seen, _)| seen.line);
            assert_eq!(
                found,
                [(seen(5, 50), 0), (seen(0, 51), 0), (seen(5, 52), 0)],
                "{ids_per_pass} ids a pass"
            );
        }
    }
}
