//! One command, and its result for each caller.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use mongodb::{
    Collection,
    bson::{RawDocumentBuf, doc},
    error::Error,
    options::{CollectionOptions, InsertManyOptions, ReadConcern},
};
use tokio::time;

use super::{
    super::{
        connection::Connection,
        failure::{Unavailable, reason},
    },
    Job,
    outcome::{Outcome, is_of_a_document, outcomes},
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
    let outcomes = match command(&collection, batch).await {
        // One bad document must not fail the others.
        Err(error) if is_of_a_document(&error) && batch.len() > 1 => {
            let mut alone = Vec::with_capacity(batch.len());
            for job in batch {
                let outcome = command(&collection, std::slice::from_ref(job)).await;
                alone.extend(of_command(connection, 1, outcome)?);
            }
            alone
        }
        outcome => of_command(connection, batch.len(), outcome)?,
    };
    connection.health().answered();
    resolve(connection, &collection, batch, outcomes).await
}

async fn command(collection: &Collection<RawDocumentBuf>, batch: &[Job]) -> Result<(), Error> {
    let documents = batch.iter().map(|job| &job.document);
    let unordered = InsertManyOptions::builder().ordered(false).build();
    collection.insert_many(documents).with_options(unordered).await.map(drop)
}

fn of_command(
    connection: &Connection,
    count: usize,
    outcome: Result<(), Error>,
) -> Result<Vec<Outcome>, Unavailable> {
    match outcome {
        Ok(()) => Ok(vec![Outcome::New; count]),
        Err(error) if is_of_a_document(&error) => Ok(vec![Outcome::Rejected(reason(&error)); count]),
        Err(error) => outcomes(count, &error).ok_or_else(|| connection.failed(&error)),
    }
}

/// Finds out for duplicates whether the `_id` exists, which is a success, or another unique index's key, which is a
/// refusal. The server's text names the index, but differs between servers.
async fn resolve(
    connection: &Connection,
    collection: &Collection<RawDocumentBuf>,
    batch: &[Job],
    outcomes: Vec<Outcome>,
) -> Result<Results, Unavailable> {
    let unclear = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate(text) if !names_the_id(text));
    let ids: Vec<&str> = batch
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| unclear(outcome))
        .map(|(job, _)| job.id.as_str())
        .collect();
    let existing = if ids.is_empty() {
        HashSet::new()
    } else {
        // Documents that are not on a majority yet count, too: the write concern is fulfilled already.
        let local = CollectionOptions::builder().read_concern(ReadConcern::local()).build();
        let database = collection.client().database(&collection.namespace().db);
        let collection = database.collection_with_options(collection.name(), local);
        existing(&collection, &ids).await.map_err(|error| connection.failed(&error))?
    };
    let results = batch.iter().zip(outcomes).map(|(job, outcome)| match outcome {
        Outcome::New => Ok(Inserted::New),
        Outcome::Duplicate(text) if names_the_id(&text) => Ok(Inserted::AlreadyThere),
        Outcome::Duplicate(_) if existing.contains(&job.id) => Ok(Inserted::AlreadyThere),
        Outcome::Duplicate(reason) | Outcome::Rejected(reason) => Err(StoreError::Rejected(reason)),
        Outcome::Unavailable(reason) => Err(StoreError::Unavailable(reason)),
    });
    Ok(results.collect())
}

/// `MongoDB`'s and `DocumentDB`'s text for the index on `_id`.
fn names_the_id(text: &str) -> bool {
    text.contains(" index: _id_ ")
}

/// The `ids` that have a document.
pub(in super::super) async fn existing(
    collection: &Collection<RawDocumentBuf>,
    ids: &[&str],
) -> Result<HashSet<String>, Error> {
    let found = collection.find(doc! { "_id": { "$in": ids } }).projection(doc! { "_id": 1 }).await?;
    let found: Vec<RawDocumentBuf> = found.try_collect().await?;
    let ids = found.iter().filter_map(|document| document.get_str("_id").ok());
    Ok(ids.map(str::to_owned).collect())
}
