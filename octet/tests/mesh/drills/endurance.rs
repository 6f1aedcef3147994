//! A long load: nothing wrong, nothing missing, memory flat. `DRILL_REQUESTS=1000000` makes it a million.

use std::time::{Duration, Instant};

use super::{USERS, conclude, recovers, requests_of_a_long_load, say};
use crate::{load::Load, platform::Mesh};

/// Memory may grow until everything has been touched once.
const WARM_UP: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_long_load_has_no_wrong_body_and_no_missing_document_and_does_not_grow() {
    let mesh = Mesh::start().await;
    let begun = Instant::now();
    let requests = requests_of_a_long_load();
    let load = Load::begin(&mesh, USERS, requests / USERS);
    let mut warm = None;
    let mut most = 0;
    while !load.is_finished() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let resident = mesh.resident();
        if begun.elapsed() < WARM_UP {
            continue;
        }
        let warm = *warm.get_or_insert(resident);
        most = most.max(resident);
        // An allocator keeps what a busy moment needed; what grows with the requests would go far beyond.
        assert!(resident < warm + warm / 4 + 16_000_000, "{warm} bytes grew to {resident}");
    }
    let report = load.finish().await;
    let took = begun.elapsed();
    assert_eq!(report.failures(), [].into());
    assert_eq!(report.answers.len(), requests / USERS * USERS);
    let recovery = recovers(&mesh).await;
    say(&format!(
        "long load: {} requests in {} s, resident {} MB after the first minute, {} MB at most\n",
        report.requests(),
        took.as_secs(),
        warm.unwrap_or_default() / 1_000_000,
        most / 1_000_000
    ));
    conclude("long load", &mesh, &report, recovery).await;
    for service in ["service-c", "service-f", "service-g", "service-h"] {
        // One more came of asking whether the platform has recovered.
        mesh.documents(service).await.come_to(report.answers.len() as u64 + 1).await;
    }
    mesh.end().await;
}
