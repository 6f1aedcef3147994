//! A full disk, a read-only file, a damaged file: calls that need it fail, no data is lost, and the platform recovers.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    time::Instant,
};

use hyper::StatusCode;
use octet_backends::{
    inspect::StoreInspect,
    sqlite::{SqliteStore, SqliteStoreInspect, SqliteStoreSettings},
    store::{Document, DocumentStore},
};
use octet_proto::greeting::v3::GreetingRequest;
use octet_testbed::eventually;
use rustix::process::{Resource, Rlimit, prlimit};
use tonic::Code;

use super::{RECOVERY, USERS, conclude, print_report, recovers, requests_around_a_fault, rounds};
use crate::{
    client::{Client, grpc},
    load::{Load, Report},
    platform::{Mesh, octet},
    process::Process,
};

/// Checks that only the store of C failed.
fn assert_only_the_store_of_c_failed(report: &Report) {
    assert!(!report.failures.is_empty(), "the fault had an effect");
    assert_eq!(report.unanswered, [""; 0]);
    for (status, body) in &report.failures {
        assert_eq!((status.as_u16(), body.code), (503, 14), "{body:?}");
        assert_eq!(body.message, "service-a/service-c: the store is unavailable");
    }
}

#[tokio::test]
async fn a_full_disk_fails_calls_and_loses_no_data() {
    for _ in 0..rounds() {
        let mesh = Mesh::builder().surviving_a_file_limit().start().await;
        let load = Load::until_stopped(&mesh, USERS);
        load.reaches(requests_around_a_fault()).await;
        let pid = mesh.pid("service-c").expect("running");
        let unlimited = Rlimit { current: None, maximum: None };
        // No file may exceed one page: every write of the store fails, as on a full disk.
        let full = Rlimit { current: Some(4096), maximum: None };
        prlimit(Some(pid), Resource::Fsize, full).expect("limited");
        load.continues_for(requests_around_a_fault()).await;

        prlimit(Some(pid), Resource::Fsize, unlimited).expect("unlimited");
        let recovery = recovers(&mesh).await;
        load.continues_for(requests_around_a_fault()).await;
        let report = load.stop().await;
        assert_only_the_store_of_c_failed(&report);
        assert_eq!(mesh.pid("service-c"), Some(pid), "the process was not restarted");
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
    // The last connection to close moves the journal into the file.
    eventually("the store is closed", async || !directory.join("service-c.sqlite-wal").exists()).await;
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
async fn a_damaged_store_fails_calls_until_it_is_restored() {
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
    let started = Instant::now();
    client.becomes(&ready, StatusCode::OK).await;
    let recovery = started.elapsed();
    for _ in 0..USERS {
        let answer = greeter.greeting(GreetingRequest::default()).await.expect("stored").into_inner();
        ids.push(answer.greeting[0].id.clone());
    }
    let missing = SqliteStoreInspect::new(settings).missing(&ids).await.expect("readable");
    assert_eq!(missing, [""; 0]);
    assert!(recovery <= RECOVERY, "{recovery:?}");
    print_report(&format!(
        "damaged store: {USERS} calls refused, 0 of {} documents missing, recovered after {} ms\n",
        ids.len(),
        recovery.as_millis()
    ));
}

#[tokio::test]
async fn a_read_only_store_is_refused_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let (settings, ids) = stored(directory.path()).await;
    // The write version in the header makes a SQLite file read-only. File permissions would not stop root.
    let write_version = |version: u8| {
        let file = OpenOptions::new().write(true).open(directory.path().join("service-c.sqlite"));
        file.expect("there").write_all_at(&[version], 18).expect("written");
    };
    write_version(3);
    let url = format!("sqlite:{}", directory.path().display());
    let environment = [("STORE_URL", url.as_str()), ("PORT", "127.0.0.1:0"), ("ADMIN_PORT", "127.0.0.1:0")];
    let refused = octet().args(["service", "service-c"]).envs(environment).output().await.expect("runs");
    assert_eq!(refused.status.code(), Some(64));
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(stderr.starts_with("octet: STORE_URL: ") && stderr.contains("the file is read-only"), "{stderr}");

    write_version(2);
    let service = Process::start(&["service", "service-c"], &[("STORE_URL", url.as_str())]).await;
    grpc(&service.address).greeting(GreetingRequest::default()).await.expect("stored");
    let missing = SqliteStoreInspect::new(settings).missing(&ids).await.expect("readable");
    assert_eq!(missing, [""; 0]);
}
