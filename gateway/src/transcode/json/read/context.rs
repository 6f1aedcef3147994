//! What every part of a message needs while it is read, and the errors.

use std::{cell::RefCell, fmt::Write as _};

use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};
use serde::de::Error;

use crate::transcode::{
    budget::{self, Budget},
    error::{positioned, quoted},
    field_path,
};

/// The levels of messages below the outermost one that protobuf's decoders accept.
const MAX_DEPTH: usize = 100;

/// Where a message is read.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) budget: &'c Budget,
    /// The levels above.
    pub(super) depth: usize,
    /// The path of the first error, innermost step first.
    pub(super) path: &'c RefCell<Vec<Step>>,
}

/// A step of a path.
#[derive(Debug)]
pub(super) enum Step {
    /// Into a field, or into an entry of a map.
    Name(String),
    /// Into an element of a list.
    Index(usize),
}

impl Context<'_> {
    /// The context of a message within this one.
    pub(super) fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("messages can nest at most {MAX_DEPTH} levels deep")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    pub(super) fn charge<E: Error>(self, bytes: usize) -> Result<(), E> {
        self.budget.charge(bytes).map_err(E::custom)
    }

    /// Adds a step to the path of an error.
    pub(super) fn within<T, E>(self, step: impl FnOnce() -> Step, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.path.borrow_mut().push(step());
        }
        result
    }

    pub(super) fn set<E: Error>(
        self,
        message: &mut DynamicMessage,
        field: &FieldDescriptor,
        value: Value,
    ) -> Result<(), E> {
        let is_first = message.fields().next().is_none();
        self.charge(if is_first { budget::MESSAGE } else { budget::FIELD })?;
        field_path::set(message, field, value).map_err(E::custom)
    }

    /// A message with at most one field set.
    pub(super) fn message<E: Error>(
        self,
        descriptor: &MessageDescriptor,
        field: Option<(FieldDescriptor, Value)>,
    ) -> Result<DynamicMessage, E> {
        let mut message = DynamicMessage::new(descriptor.clone());
        if let Some((field, value)) = field {
            self.set(&mut message, &field, value)?;
        }
        Ok(message)
    }
}

/// Why a text is not the JSON of a message.
#[derive(Debug)]
pub(in crate::transcode) struct ReadError {
    /// The dotted path of the wrong field, such as `book.pages[2].text`, if the error is within a field.
    pub(in crate::transcode) field: Option<String>,
    /// What is wrong, and what is allowed, with line and column.
    pub(in crate::transcode) problem: String,
}

impl ReadError {
    pub(super) fn new(error: &serde_json::Error, path: &RefCell<Vec<Step>>) -> Self {
        let mut field = String::new();
        for step in path.take().into_iter().rev() {
            match step {
                Step::Name(name) if field.is_empty() => field = name,
                // Writing to a String cannot fail.
                Step::Name(name) => drop(write!(field, ".{name}")),
                Step::Index(index) => drop(write!(field, "[{index}]")),
            }
        }
        let is_plain = field.len() <= 64 && field.bytes().all(|byte| byte.is_ascii_graphic());
        let field = if is_plain { field } else { quoted(&field) };
        Self { field: Some(field).filter(|field| !field.is_empty()), problem: positioned(error) }
    }
}
