//! A disk that is full, a file that is read-only, a file that is damaged: calls that need it fail truthfully,
//! nothing that was answered is lost, and all goes on when the disk is well again.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use hyper::StatusCode;
use octet_backends::{
    inspect::StoreInspect,
    sqlite::{SqliteStore, SqliteStoreInspect, SqliteStoreSettings},
    store::{Document, DocumentStore},
};
use octet_proto::greeting::v3::GreetingRequest;
use rustix::process::{Resource, Rlimit, prlimit};
use tonic::Code;

use super::{RECOVERY, USERS, conclude, recovers, requests_around_a_fault, rounds, say};
use crate::{
    client::{Client, grpc},
    load::{Load, Report},
    platform::{Mesh, PATIENCE, octet},
    process::Process,
};

/// Only C failed, and for want of its store.
fn assert_only_the_store_of_c_failed(report: &Report) {
    assert!(!report.failures.is_empty(), "the fault was felt");
    assert_eq!(report.unanswered, [""; 0]);
    for (status, body) in &report.failures {
        assert_eq!((status.as_u16(), body.code), (503, 14), "{body:?}");
        assert_eq!(body.message, "service-c: the store is unavailable");
    }
}

#[tokio::test]
async fn a_full_disk_fails_calls_and_loses_nothing() {
    for _ in 0..rounds() {
        let mesh = Mesh::builder().surviving_a_file_limit().start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        let pid = mesh.pid("service-c").expect("it runs");
        let unlimited = Rlimit { current: None, maximum: None };
        // No file may grow beyond one page: every write of the store fails, as on a full disk.
        let full = Rlimit { current: Some(4096), maximum: None };
        prlimit(Some(pid), Resource::Fsize, full).expect("limited");
        load.goes_on_for(requests_around_a_fault()).await;

        prlimit(Some(pid), Resource::Fsize, unlimited).expect("unlimited");
        let recovery = recovers(&mesh).await;
        load.goes_on_for(requests_around_a_fault()).await;
        let report = load.stop().await;
        assert_only_the_store_of_c_failed(&report);
        assert_eq!(mesh.pid("service-c"), Some(pid), "the process lives on");
        conclude("full disk under service-c", &mesh, &report, recovery).await;
        mesh.end().await;
    }
}

/// A closed store of C, and the ids of the documents in it.
async fn stored(directory: &Path) -> (SqliteStoreSettings, Vec<String>) {
    let settings = SqliteStoreSettings::new(directory, "service-c", "greetings");
    let ids: Vec<String> = (0..100).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let store = SqliteStore::open(settings.clone()).await.expect("opens");
    for id in &ids {
        store.insert(&document(id)).await.expect("stored");
    }
    drop(store);
    // The last connection to close moves the journal into the file: the damage will be the file's alone.
    let begun = Instant::now();
    while directory.join("service-c.sqlite-wal").exists() {
        assert!(begun.elapsed() < PATIENCE, "the store is never closed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (settings, ids)
}

fn document(id: &str) -> Document {
    Document {
        id: id.to_owned(),
        service: "service-a".to_owned(),
        message: "Hello".to_owned(),
        created: "2026-01-01T00:00:00.000000000Z".to_owned(),
        hostname: "host".to_owned(),
    }
}

#[tokio::test]
async fn a_damaged_store_fails_calls_and_loses_nothing_once_it_is_restored() {
    let directory = tempfile::tempdir().expect("a directory");
    let (settings, mut ids) = stored(directory.path()).await;
    let (path, aside) = (directory.path().join("service-c.sqlite"), directory.path().join("aside"));
    fs::rename(&path, &aside).expect("moved");
    fs::write(&path, vec![b'x'; 64 * 1024]).expect("written");

    let url = format!("sqlite:{}", directory.path().display());
    let service = Process::start(&["service", "service-c"], &[("STORE_URL", url.as_str())]).await;
    let ready = format!("http://{}/readyz", service.admin);
    let client = Client::new();
    let reply = client.get(&ready).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert!(reply.text().starts_with("store: "), "{}", reply.text());
    let mut greeter = grpc(&service.address);
    for _ in 0..USERS {
        let status = greeter.greeting(GreetingRequest::default()).await.expect_err("not stored");
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the store is unavailable"));
    }

    fs::rename(&aside, &path).expect("restored");
    let begun = Instant::now();
    client.becomes(&ready, StatusCode::OK).await;
    let recovery = begun.elapsed();
    for _ in 0..USERS {
        let answer = greeter.greeting(GreetingRequest::default()).await.expect("stored").into_inner();
        ids.push(answer.greeting[0].id.clone());
    }
    let missing = SqliteStoreInspect::new(settings).missing(&ids).await.expect("readable");
    assert_eq!(missing, [""; 0]);
    assert!(recovery <= RECOVERY, "{recovery:?}");
    say(&format!(
        "damaged store: {USERS} calls refused, 0 of {} documents missing, recovered after {} ms\n",
        ids.len(),
        recovery.as_millis()
    ));
}

#[tokio::test]
async fn a_read_only_store_is_refused_at_the_start_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (settings, ids) = stored(directory.path()).await;
    // SQLite's own mark for "read this, and do not write": the write version in the file's header. File
    // permissions would not hold against root.
    let write_version = |version: u8| {
        let file = OpenOptions::new().write(true).open(directory.path().join("service-c.sqlite"));
        file.expect("there").write_all_at(&[version], 18).expect("written");
    };
    write_version(3);
    let url = format!("sqlite:{}", directory.path().display());
    let environment = [("STORE_URL", url.as_str()), ("PORT", "127.0.0.1:0"), ("ADMIN_PORT", "127.0.0.1:0")];
    let refused = octet().args(["service", "service-c"]).envs(environment).output().await.expect("runs");
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.starts_with("octet: STORE_URL: ") && said.contains("the file is read-only"), "{said}");

    write_version(2);
    let service = Process::start(&["service", "service-c"], &[("STORE_URL", url.as_str())]).await;
    grpc(&service.address).greeting(GreetingRequest::default()).await.expect("stored");
    let missing = SqliteStoreInspect::new(settings).missing(&ids).await.expect("readable");
    assert_eq!(missing, [""; 0]);
}
