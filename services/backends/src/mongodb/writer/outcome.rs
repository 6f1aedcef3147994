//! What the answer to a command says of each of its documents.

use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::super::failure::{said, short};

const DUPLICATE_KEY: i32 = 11_000;

/// Codes of faults that are the document's own, and stay. A code that is not here may be the server's state: what
/// is tried again in vain costs less than what is given up in vain.
const OF_THE_DOCUMENT: [i32; 10] = [
    2,      // BadValue
    14,     // TypeMismatch
    22,     // InvalidBSON
    52,     // DollarPrefixedFieldName
    57,     // DottedFieldName
    61,     // ShardKeyNotFound
    121,    // DocumentValidationFailure
    10_334, // BSONObjectTooLarge
    17_280, // KeyTooLong
    17_419, // the document is larger than the server takes
];

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    New,
    /// A unique index holds its key already, the text says which.
    Duplicate(String),
    Rejected(String),
    Unavailable(String),
}

/// The outcomes of `count` documents, in their order. `None`: the error is not about single documents.
pub(super) fn outcomes(count: usize, error: &Error) -> Option<Vec<Outcome>> {
    let ErrorKind::InsertMany(InsertManyError { write_errors, write_concern_error, .. }) =
        error.kind.as_ref()
    else {
        return None;
    };
    // Without its write concern, nothing is known to stay: not what is new, and not what was there already.
    let unsure = write_concern_error.as_ref().map(|error| {
        short(&format!("not acknowledged: {}", said(error.code, &error.code_name, &error.message)))
    });
    let settled = |outcome| unsure.clone().map_or(outcome, Outcome::Unavailable);
    let mut outcomes = vec![settled(Outcome::New); count];
    for error in write_errors.iter().flatten() {
        let name = error.code_name.as_deref().unwrap_or_default();
        let text = short(&said(error.code, name, &error.message));
        let outcome = match error.code {
            DUPLICATE_KEY => settled(Outcome::Duplicate(text)),
            code if OF_THE_DOCUMENT.contains(&code) => Outcome::Rejected(text),
            _ => Outcome::Unavailable(text),
        };
        if let Some(place) = outcomes.get_mut(error.index) {
            *place = outcome;
        }
    }
    Some(outcomes)
}

/// Whether the whole command was refused for what a document in it holds.
pub(super) fn is_of_a_document(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => command.code != 2 && OF_THE_DOCUMENT.contains(&command.code),
        _ => false,
    }
}
