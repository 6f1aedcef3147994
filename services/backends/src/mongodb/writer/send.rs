//! One command, and its result for each caller.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Cursor,
    bson::{RawDocumentBuf, doc},
    error::Error,
    options::{CollectionOptions, InsertManyOptions, ReadConcern},
};
use tokio::time;

use super::{
    super::{
        connection::Connection,
        failure::{Unavailable, reason},
        health::RefusedWrite,
    },
    Job,
    outcome::{Outcome, is_of_a_document, is_refusal, outcomes},
};
use crate::store::{Inserted, StoreError};

/// Inserts the documents of `batch` and answers every caller.
pub(super) async fn send(connection: &Connection, batch: Vec<Job>) {
    if batch.is_empty() {
        return;
    }
    let limit = connection.settings().operation_timeout;
    let results = match time::timeout(limit, insert(connection, &batch)).await {
        Ok(results) => results,
        Err(_) => Err(connection.unavailable(&format!("no answer within {limit:?}"))),
    };
    match results {
        Ok(results) => batch.into_iter().zip(results).for_each(|(job, result)| job.answer(result)),
        Err(unavailable) => {
            for job in batch {
                job.answer(Err(unavailable.clone().into()));
            }
        }
    }
}

type Results = Vec<Result<Inserted, StoreError>>;

async fn insert(connection: &Connection, batch: &[Job]) -> Result<Results, Unavailable> {
    let collection = connection.collection().await?;
    let documents: Vec<&RawDocumentBuf> = batch.iter().map(|job| &job.document).collect();
    let outcomes = match command(&collection, &documents).await {
        // One bad document must not fail the others.
        Err(error) if is_of_a_document(&error) && batch.len() > 1 => {
            let mut alone = Vec::with_capacity(batch.len());
            for document in documents {
                let outcome = command(&collection, &[document]).await;
                alone.extend(of_command(connection, &[document], outcome)?);
            }
            alone
        }
        outcome => of_command(connection, &documents, outcome)?,
    };
    connection.health().answered();
    resolve(connection, &collection, batch, outcomes).await
}

/// Inserts the document of a refused write again.
pub(in super::super) async fn write_again(
    connection: &Connection,
    refused: RefusedWrite,
) -> Result<(), Unavailable> {
    let collection = connection.collection().await?;
    let outcome = command(&collection, &[&refused.document]).await;
    of_command(connection, &[&refused.document], outcome)?;
    match connection.health().refused_write() {
        Some(RefusedWrite { reason, .. }) => Err(Unavailable(reason)),
        None => Ok(()),
    }
}

async fn command(
    collection: &Collection<RawDocumentBuf>,
    documents: &[&RawDocumentBuf],
) -> Result<(), Error> {
    let unordered = InsertManyOptions::builder().ordered(false).build();
    collection.insert_many(documents.iter().copied()).with_options(unordered).await.map(drop)
}

/// The outcomes of documents that were sent in one command. Records whether writes work.
fn of_command(
    connection: &Connection,
    documents: &[&RawDocumentBuf],
    outcome: Result<(), Error>,
) -> Result<Vec<Outcome>, Unavailable> {
    let count = documents.len();
    let outcomes = match outcome {
        Ok(()) => vec![Outcome::New; count],
        Err(error) if is_of_a_document(&error) => vec![Outcome::Rejected(reason(&error)); count],
        Err(error) if is_refusal(&error) => vec![Outcome::WritesRefused(reason(&error)); count],
        Err(error) => outcomes(count, &error).ok_or_else(|| connection.failed(&error))?,
    };
    let is_settled =
        |outcome: &Outcome| matches!(outcome, Outcome::New | Outcome::Duplicate(_) | Outcome::Rejected(_));
    let refused = outcomes.iter().zip(documents).find_map(|(outcome, document)| match outcome {
        Outcome::WritesRefused(reason) => Some((reason.clone(), RawDocumentBuf::clone(document))),
        _ => None,
    });
    if outcomes.iter().any(is_settled) {
        connection.health().wrote();
    } else if let Some((reason, document)) = refused {
        connection.health().write_refused(RefusedWrite { reason, document });
    }
    Ok(outcomes)
}

/// Compares duplicates with the documents that exist: the same content makes a retry, other content a refusal. Where no
/// document has the `_id`, the key is another unique index's, or the document was deleted meanwhile.
async fn resolve(
    connection: &Connection,
    collection: &Collection<RawDocumentBuf>,
    batch: &[Job],
    outcomes: Vec<Outcome>,
) -> Result<Results, Unavailable> {
    let duplicates =
        batch.iter().zip(&outcomes).filter(|(_, outcome)| matches!(outcome, Outcome::Duplicate(_)));
    let ids: Vec<&str> = duplicates.map(|(job, _)| job.id.as_str()).collect();
    let existing = if ids.is_empty() {
        HashMap::new()
    } else {
        // Documents that are not on a majority yet count, too: the write concern is fulfilled already.
        let local = CollectionOptions::builder().read_concern(ReadConcern::local()).build();
        let database = collection.client().database(&collection.namespace().db);
        let collection = database.collection_with_options(collection.name(), local);
        documents(&collection, &ids).await.map_err(|error| connection.failed(&error))?
    };
    let results = batch.iter().zip(outcomes).map(|(job, outcome)| match outcome {
        Outcome::New => Ok(Inserted::New),
        Outcome::Duplicate(reason) => match existing.get(&job.id) {
            Some(document) if has_content(document, &job.document) => Ok(Inserted::AlreadyThere),
            Some(_) => Err(StoreError::OtherContent),
            // `MongoDB`'s and `DocumentDB`'s text for the index on `_id`.
            None if reason.contains(" index: _id_ ") => Err(StoreError::Unavailable(reason)),
            None => Err(StoreError::Rejected(reason)),
        },
        Outcome::Rejected(reason) => Err(StoreError::Rejected(reason)),
        Outcome::Unavailable(reason) | Outcome::WritesRefused(reason) => Err(StoreError::Unavailable(reason)),
    });
    Ok(results.collect())
}

/// Whether `document` has all fields of `expected`, with the same values.
fn has_content(document: &RawDocumentBuf, expected: &RawDocumentBuf) -> bool {
    expected.iter().all(|field| {
        field.is_ok_and(|(name, value)| document.get(name).is_ok_and(|stored| stored == Some(value)))
    })
}

/// The `ids` that have a document.
pub(in super::super) async fn existing(
    collection: &Collection<RawDocumentBuf>,
    ids: &[&str],
) -> Result<HashSet<String>, Error> {
    let found = collection.find(doc! { "_id": { "$in": ids } }).projection(doc! { "_id": 1 }).await?;
    Ok(by_id(found).await?.into_keys().collect())
}

/// The documents of `ids` that exist.
async fn documents(
    collection: &Collection<RawDocumentBuf>,
    ids: &[&str],
) -> Result<HashMap<String, RawDocumentBuf>, Error> {
    by_id(collection.find(doc! { "_id": { "$in": ids } }).await?).await
}

async fn by_id(found: Cursor<RawDocumentBuf>) -> Result<HashMap<String, RawDocumentBuf>, Error> {
    let found: Vec<RawDocumentBuf> = found.try_collect().await?;
    let with_id = |document: RawDocumentBuf| Some((document.get_str("_id").ok()?.to_owned(), document));
    Ok(found.into_iter().filter_map(with_id).collect())
}
