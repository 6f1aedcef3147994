//! Claims on queued messages, kept on disk until the next check: there can be millions.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{claims::Claim, graph::Place, id::GreetingId};

/// Id, line, queue, service.
const RECORD: usize = 16 + 8 + 4 + 4;

/// Stores claims on disk in order. The file is unlinked, so it disappears with the process.
pub(super) struct Spool {
    file: BufWriter<File>,
    length: u64,
}

/// Reads the claims of a spool.
pub(super) struct Spooled {
    file: BufReader<File>,
}

impl Spool {
    /// # Errors
    /// If a temporary file cannot be created.
    pub(super) fn new() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("octet-audit-{}-{number}", process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Self { file: BufWriter::new(file), length: 0 })
    }

    /// Stores a claim on a queue. A claim on a store is ignored: time cannot change it.
    pub(super) fn push(&mut self, claim: &Claim) -> io::Result<()> {
        let Place::Queue(queue) = claim.place else { return Ok(()) };
        let small = |number: usize| u32::try_from(number).map_err(io::Error::other);
        self.file.write_all(&claim.id.to_bytes())?;
        self.file.write_all(&claim.line.to_le_bytes())?;
        self.file.write_all(&small(queue)?.to_le_bytes())?;
        self.file.write_all(&small(claim.of)?.to_le_bytes())?;
        self.length += 1;
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn read(self) -> io::Result<Spooled> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Spooled { file: BufReader::new(file) })
    }
}

impl Spooled {
    /// The next claims, up to `limit`; empty at the end.
    pub(super) fn batch(&mut self, limit: usize) -> io::Result<Vec<Claim>> {
        let mut bytes = Vec::new();
        let bytes_limit = u64::try_from(limit.saturating_mul(RECORD)).unwrap_or(u64::MAX);
        (&mut self.file).take(bytes_limit).read_to_end(&mut bytes)?;
        Ok(bytes.chunks_exact(RECORD).filter_map(claim).collect())
    }
}

fn claim(record: &[u8]) -> Option<Claim> {
    let (id, rest) = record.split_first_chunk()?;
    let (line, rest) = rest.split_first_chunk()?;
    let (queue, rest) = rest.split_first_chunk()?;
    let (of, _) = rest.split_first_chunk()?;
    let index = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
    Some(Claim {
        place: Place::Queue(index(queue)?),
        of: index(of)?,
        id: GreetingId::from_bytes(*id),
        others: Vec::new(),
        line: u64::from_le_bytes(*line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_back_in_order_and_in_batches() {
        let claims: Vec<_> = (0..10_u8)
            .map(|number| Claim {
                place: Place::Queue(usize::from(number % 3)),
                of: usize::from(number),
                id: GreetingId::from_bytes([number; 16]),
                others: Vec::new(),
                line: u64::from(number) << 40,
            })
            .collect();
        let mut spool = Spool::new().unwrap();
        for claim in &claims {
            spool.push(claim).unwrap();
        }
        assert_eq!(spool.len(), 10);

        let mut spooled = spool.read().unwrap();
        assert_eq!(spooled.batch(7).unwrap(), claims[..7]);
        assert_eq!(spooled.batch(7).unwrap(), claims[7..]);
        assert_eq!(spooled.batch(7).unwrap(), []);
    }
}
