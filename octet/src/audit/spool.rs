//! Records kept on disk until they are read again: there can be millions.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    marker::PhantomData,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

/// A value of fixed size in a [`Spool`].
pub(super) trait Record: Sized {
    /// The number of bytes that [`write`](Self::write) writes.
    const BYTES: usize;

    fn write(&self, to: &mut impl Write) -> io::Result<()>;

    /// The record in these bytes.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// Stores records on disk in order. The file is unlinked, so it disappears with the process.
pub(super) struct Spool<R> {
    file: BufWriter<File>,
    length: u64,
    records: PhantomData<R>,
}

/// Reads the records of a spool.
pub(super) struct Spooled<'a, R> {
    file: BufReader<&'a File>,
    records: PhantomData<R>,
}

impl<R: Record> Spool<R> {
    /// # Errors
    /// If a temporary file cannot be created.
    pub(super) fn new() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("octet-audit-{}-{number}", process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(Self { file: BufWriter::new(file), length: 0, records: PhantomData })
    }

    pub(super) fn push(&mut self, record: &R) -> io::Result<()> {
        record.write(&mut self.file)?;
        self.length += 1;
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Reads from the first record on. Nothing may be pushed afterwards.
    pub(super) fn read(&mut self) -> io::Result<Spooled<'_, R>> {
        self.file.flush()?;
        self.file.get_mut().rewind()?;
        Ok(Spooled { file: BufReader::new(self.file.get_ref()), records: PhantomData })
    }
}

impl<R: Record> Spooled<'_, R> {
    /// The next records, up to `limit`; empty at the end.
    pub(super) fn batch(&mut self, limit: usize) -> io::Result<Vec<R>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(limit.saturating_mul(R::BYTES)).unwrap_or(u64::MAX);
        (&mut self.file).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes.chunks_exact(R::BYTES).filter_map(R::read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Record for u64 {
        const BYTES: usize = 8;

        fn write(&self, to: &mut impl Write) -> io::Result<()> {
            to.write_all(&self.to_le_bytes())
        }

        fn read(bytes: &[u8]) -> Option<Self> {
            bytes.try_into().ok().map(Self::from_le_bytes)
        }
    }

    #[test]
    fn records_are_read_back_in_order_in_batches_and_again() {
        let mut spool = Spool::new().unwrap();
        for number in 0..10_u64 {
            spool.push(&number).unwrap();
        }
        assert_eq!(spool.len(), 10);
        for _ in 0..2 {
            let mut spooled = spool.read().unwrap();
            assert_eq!(spooled.batch(7).unwrap(), [0, 1, 2, 3, 4, 5, 6]);
            assert_eq!(spooled.batch(7).unwrap(), [7, 8, 9]);
            assert_eq!(spooled.batch(7).unwrap(), [0_u64; 0]);
        }
    }
}
