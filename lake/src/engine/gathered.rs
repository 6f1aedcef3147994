//! Rows that wait for their commit.

use std::collections::VecDeque;

use arrow_array::RecordBatch;

use crate::{Page, Position};

/// Bytes of a position, about: a timestamp and a key as JSON values.
const POSITION: usize = 128;

/// Rows of one topic, in their order.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    batches: VecDeque<RecordBatch>,
    ends: VecDeque<Option<Position>>,
    bytes: usize,
}

impl Gathered {
    pub(super) fn push(&mut self, page: Page) {
        self.bytes += page.rows.get_array_memory_size();
        if page.rows.num_rows() > 0 {
            self.batches.push_back(page.rows);
            self.ends.extend(page.ends);
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Of the rows and of their positions.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.ends.len() * POSITION
    }

    /// How many rows a commit of whole objects of `flush_size` rows has: up to the last row where one may end, or, if no
    /// multiple of `flush_size` is such a row, the next one.
    pub(super) fn full(&self, flush_size: usize) -> Option<usize> {
        let first = flush_size.max(1);
        let full = self.rows() / first * first;
        let may_end = |rows: usize| self.ends.get(rows.wrapping_sub(1)).is_some_and(Option::is_some);
        let multiples = (1..=full / first).rev().map(|objects| objects * first);
        multiples
            .into_iter()
            .find(|rows| may_end(*rows))
            .or_else(|| (first..=self.rows()).find(|rows| may_end(*rows)))
    }

    /// How many rows can be committed at all.
    pub(super) fn most(&self) -> usize {
        self.ends.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
    }

    /// Takes the first `rows` rows.
    pub(super) fn take(&mut self, rows: usize) -> Vec<RecordBatch> {
        let mut taken = Vec::new();
        let mut missing = rows.min(self.rows());
        self.ends.drain(..missing);
        while missing > 0 {
            let Some(batch) = self.batches.pop_front() else { break };
            if batch.num_rows() <= missing {
                missing -= batch.num_rows();
                taken.push(batch);
            } else {
                taken.push(batch.slice(0, missing));
                self.batches.push_front(batch.slice(missing, batch.num_rows() - missing));
                missing = 0;
            }
        }
        self.bytes = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
        taken
    }

    /// The position after the first `rows` rows.
    pub(super) fn end(&self, rows: usize) -> Option<Position> {
        self.ends.get(rows.checked_sub(1)?).cloned().flatten()
    }

    /// Forgets the rows after the last one where a commit may end: they are read again.
    pub(super) fn drop_tail(&mut self) {
        let keep = self.most();
        let (kept, ends) = (self.clone_ends(keep), self.take(keep));
        self.batches = ends.into();
        self.ends = kept;
        self.bytes = self.batches.iter().map(RecordBatch::get_array_memory_size).sum();
    }

    fn clone_ends(&self, rows: usize) -> VecDeque<Option<Position>> {
        self.ends.iter().take(rows).cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn page(ids: std::ops::Range<i64>, may_end: impl Fn(i64) -> bool) -> Page {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
        let column = Arc::new(Int64Array::from_iter_values(ids.clone()));
        Page {
            rows: RecordBatch::try_new(schema, vec![column]).expect("rows"),
            ends: ids.map(|id| may_end(id).then(|| Position(id.into()))).collect(),
        }
    }

    #[test]
    fn commits_end_at_multiples_of_the_flush_size_where_they_may() {
        let mut gathered = Gathered::default();
        gathered.push(page(0..7, |_| true));
        gathered.push(page(7..25, |_| true));
        assert_eq!(gathered.full(10), Some(20));
        assert_eq!(gathered.end(20), Some(Position(19.into())));
        let taken = gathered.take(20);
        assert_eq!(taken.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [7, 13]);
        assert_eq!((gathered.rows(), gathered.full(10), gathered.most()), (5, None, 5));
        assert_eq!(gathered.end(5), Some(Position(24.into())));
    }

    #[test]
    fn without_a_position_at_a_multiple_the_commit_is_longer() {
        let mut gathered = Gathered::default();
        gathered.push(page(0..25, |id| id == 12 || id == 24));
        assert_eq!(gathered.full(10), Some(13));
        gathered.push(page(25..30, |_| false));
        assert_eq!(gathered.most(), 25);
        gathered.drop_tail();
        assert_eq!((gathered.rows(), gathered.take(30).len()), (25, 1));
    }

    #[test]
    fn rows_of_one_timestamp_cannot_be_parted() {
        let mut gathered = Gathered::default();
        gathered.push(page(0..25, |_| false));
        assert_eq!((gathered.full(10), gathered.most()), (None, 0));
        gathered.drop_tail();
        assert_eq!((gathered.rows(), gathered.bytes()), (0, 0));
    }
}
