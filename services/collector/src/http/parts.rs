//! The parts of an answer: JSON that is written element by element.

use std::{collections::BTreeSet, vec};

use octet_zipkin::{Text, TraceId};
use serde::Serialize;

use crate::store::Store;

/// A trace was evicted while an answer with it was written.
#[derive(Debug)]
pub(super) struct Gone;

/// Writes an answer part by part.
pub(super) trait Parts: Send + 'static {
    /// Appends the next part; false when that was the last.
    fn write_next(&mut self, store: &Store, answer: &mut Vec<u8>) -> Result<bool, Gone>;
}

/// A JSON list, or an object that ends with one.
pub(super) struct List<I> {
    opening: Option<Vec<u8>>,
    closing: &'static [u8],
    items: I,
    is_first: bool,
}

impl<I> List<I> {
    pub(super) fn new(items: I) -> Self {
        Self { opening: Some(b"[".to_vec()), closing: b"]", items, is_first: true }
    }

    /// An object with the members of `opening`, which is its JSON, and the list as its last member.
    pub(super) fn within(mut opening: Vec<u8>, member: &str, items: I) -> Self {
        opening.pop();
        opening.extend_from_slice(format!(",\"{member}\":[").as_bytes());
        Self { opening: Some(opening), closing: b"]}", items, is_first: true }
    }
}

/// The items of a list.
pub(super) trait Items: Send + 'static {
    /// The next item.
    fn next(&mut self, store: &Store) -> Option<impl Serialize>;
}

impl<I: Items> Parts for List<I> {
    fn write_next(&mut self, store: &Store, answer: &mut Vec<u8>) -> Result<bool, Gone> {
        answer.extend(self.opening.take().unwrap_or_default());
        let Some(item) = self.items.next(store) else {
            answer.extend_from_slice(self.closing);
            return Ok(false);
        };
        if !std::mem::take(&mut self.is_first) {
            answer.push(b',');
        }
        write(answer, &item);
        Ok(true)
    }
}

impl<T: Serialize + Send + 'static> Items for vec::IntoIter<T> {
    fn next(&mut self, _: &Store) -> Option<impl Serialize> {
        Iterator::next(self)
    }
}

/// Texts that are already found, in order.
pub(super) struct Texts(pub(super) BTreeSet<Text>);

impl Items for Texts {
    fn next(&mut self, _: &Store) -> Option<impl Serialize> {
        self.0.pop_first().map(Name)
    }
}

/// Names of the store, which are looked up page by page: `next` returns the first after a name.
pub(super) struct Names<F> {
    pub(super) next: F,
    pub(super) last: Option<Text>,
}

impl<F: FnMut(&Store, Option<&str>) -> Option<Text> + Send + 'static> Items for Names<F> {
    fn next(&mut self, store: &Store) -> Option<impl Serialize> {
        self.last = (self.next)(store, self.last.as_deref());
        self.last.clone().map(Name)
    }
}

struct Name(Text);

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Traces, each as a list of spans. A trace that is evicted before its first span is written is left out.
pub(super) struct Traces {
    ids: vec::IntoIter<TraceId>,
    is_list: bool,
    is_open: bool,
    is_first: bool,
    current: Option<Current>,
}

/// The trace that is being written.
struct Current {
    id: TraceId,
    version: u64,
    position: usize,
}

impl Traces {
    /// A list of traces.
    pub(super) fn list(ids: Vec<TraceId>) -> Self {
        Self { is_list: true, ..Self::one(ids) }
    }

    /// One trace.
    pub(super) fn single(id: TraceId) -> Self {
        Self::one(vec![id])
    }

    fn one(ids: Vec<TraceId>) -> Self {
        Self { ids: ids.into_iter(), is_list: false, is_open: false, is_first: true, current: None }
    }
}

impl Parts for Traces {
    fn write_next(&mut self, store: &Store, answer: &mut Vec<u8>) -> Result<bool, Gone> {
        if self.is_list && !std::mem::replace(&mut self.is_open, true) {
            answer.push(b'[');
        }
        if let Some(current) = &mut self.current {
            if store.version(current.id) != Some(current.version) {
                return Err(Gone);
            }
            if let Some((span, next)) = store.span_at(current.id, current.position) {
                if current.position > 0 {
                    answer.push(b',');
                }
                write(answer, &span);
                current.position = next;
            } else {
                answer.push(b']');
                self.current = None;
            }
            return Ok(true);
        }
        let next = self.ids.find_map(|id| store.version(id).map(|version| (id, version)));
        match next {
            Some((id, version)) => {
                if !std::mem::take(&mut self.is_first) {
                    answer.push(b',');
                }
                answer.push(b'[');
                self.current = Some(Current { id, version, position: 0 });
                Ok(true)
            }
            None if self.is_list => {
                answer.push(b']');
                Ok(false)
            }
            None if self.is_first => Err(Gone),
            None => Ok(false),
        }
    }
}

/// Everything that is answered has a JSON form: its keys are strings, and a vector accepts all bytes.
fn write(answer: &mut Vec<u8>, item: &impl Serialize) {
    if let Err(error) = serde_json::to_writer(answer, item) {
        tracing::error!(%error, "cannot serialize a part of an answer");
    }
}
