//! The outcome of each document of a command.

use mongodb::error::{Error, ErrorKind, InsertManyError};

use super::super::failure::{is_of_the_login, short, with_code};

const DUPLICATE_KEY: i32 = 11_000;

/// Codes of permanent errors of the document. Any other code may be due to the server's state: a retry in vain costs less
/// than a lost document.
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
    17_419, // the document exceeds the server's limit
];

/// Codes of a server that accepts commands and stores nothing.
const WRITES_REFUSED: [i32; 3] = [
    301,    // the disk is nearly full
    371,    // UserWritesBlocked
    14_031, // OutOfDiskSpace
];

/// The outcome of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    New,
    /// A unique index, which the text names, contains its key already.
    Duplicate(String),
    Rejected(String),
    Unavailable(String),
    /// As unavailable, because the server stores nothing now.
    WritesRefused(String),
}

/// The outcomes of `count` documents, in their order. `None` if the error is not about single documents.
pub(super) fn outcomes(count: usize, error: &Error) -> Option<Vec<Outcome>> {
    let ErrorKind::InsertMany(InsertManyError { write_errors, write_concern_error, .. }) =
        error.kind.as_ref()
    else {
        return None;
    };
    // Without the write concern, neither a new document nor an existing one is known to last.
    let unsure = write_concern_error.as_ref().map(|error| {
        short(&format!("not acknowledged: {}", with_code(error.code, &error.code_name, &error.message)))
    });
    let settled = |outcome| unsure.clone().map_or(outcome, Outcome::Unavailable);
    let mut outcomes = vec![settled(Outcome::New); count];
    for error in write_errors.iter().flatten() {
        let name = error.code_name.as_deref().unwrap_or_default();
        let text = short(&with_code(error.code, name, &error.message));
        let outcome = match error.code {
            DUPLICATE_KEY => settled(Outcome::Duplicate(text)),
            code if OF_THE_DOCUMENT.contains(&code) => Outcome::Rejected(text),
            code if WRITES_REFUSED.contains(&code) => Outcome::WritesRefused(text),
            _ => Outcome::Unavailable(text),
        };
        *outcomes.get_mut(error.index)? = outcome;
    }
    // An error without content must not count as success.
    if unsure.is_none() && outcomes.iter().all(|outcome| *outcome == Outcome::New) {
        return None;
    }
    Some(outcomes)
}

/// Whether the server refused the whole command, and not because of a document in it or of the login.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(_))
        && !is_of_a_document(error)
        && !is_of_the_login(error)
}

/// Whether the whole command was refused because of a document in it.
pub(super) fn is_of_a_document(error: &Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => command.code != 2 && OF_THE_DOCUMENT.contains(&command.code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{self, Document, doc};

    use super::*;

    fn insert_many(answer: Document) -> Error {
        let error: InsertManyError = bson::deserialize_from_document(answer).unwrap();
        ErrorKind::InsertMany(error).into()
    }

    #[test]
    fn each_document_has_the_outcome_of_its_own_error() {
        let error = insert_many(doc! { "writeErrors": [
            { "index": 1, "code": 11_000, "errmsg": "E11000 … index: _id_ dup key" },
            { "index": 2, "code": 121, "codeName": "DocumentValidationFailure", "errmsg": "failed validation" },
            { "index": 4, "code": 112, "errmsg": "write conflict" },
        ] });
        assert_eq!(
            outcomes(5, &error).unwrap(),
            [
                Outcome::New,
                Outcome::Duplicate("E11000 … index: _id_ dup key (code 11000)".to_owned()),
                Outcome::Rejected("failed validation (DocumentValidationFailure, code 121)".to_owned()),
                Outcome::New,
                Outcome::Unavailable("write conflict (code 112)".to_owned()),
            ]
        );
    }

    #[test]
    fn without_the_write_concern_no_document_counts_as_stored() {
        let error = insert_many(doc! {
            "writeErrors": [
                { "index": 0, "code": 11_000, "errmsg": "index: _id_ dup key" },
                { "index": 1, "code": 121, "errmsg": "failed validation" },
            ],
            "writeConcernError": { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting timed out" },
        });
        let unsure = Outcome::Unavailable(
            "not acknowledged: waiting timed out (WriteConcernFailed, code 64)".to_owned(),
        );
        let refused = Outcome::Rejected("failed validation (code 121)".to_owned());
        assert_eq!(outcomes(3, &error).unwrap(), [unsure.clone(), refused, unsure]);
    }

    #[test]
    fn an_error_without_sense_is_not_a_success() {
        assert_eq!(outcomes(1, &insert_many(doc! {})), None);
        let of_another = doc! { "writeErrors": [{ "index": 1, "code": 11_000, "errmsg": "dup key" }] };
        assert_eq!(outcomes(1, &insert_many(of_another)), None);
    }

    #[test]
    fn an_error_of_the_command_belongs_to_no_document() {
        let refused = |code: i32, name: &str| -> Error {
            let error = doc! { "code": code, "codeName": name, "errmsg": "no" };
            ErrorKind::Command(bson::deserialize_from_document(error).unwrap()).into()
        };
        for (code, name) in [(13, "Unauthorized"), (10_107, "NotWritablePrimary"), (2, "BadValue")] {
            let error = refused(code, name);
            assert_eq!((outcomes(1, &error), is_of_a_document(&error)), (None, false), "{name}");
        }
        assert!(is_of_a_document(&refused(10_334, "BSONObjectTooLarge")));
    }
}
