//! A long load: all answers valid, no document missing, memory flat. `DRILL_REQUESTS=1000000` sends a million requests.

use std::time::{Duration, Instant};

use super::{USERS, conclude, print_report, recovers, requests_of_a_long_load};
use crate::{load::Load, platform::Mesh};

/// Memory may grow during this time.
const WARM_UP: Duration = Duration::from_mins(1);

#[tokio::test]
async fn under_a_long_load_answers_are_valid_documents_complete_and_memory_is_flat() {
    let mesh = Mesh::start().await;
    let started = Instant::now();
    let requests = requests_of_a_long_load();
    let load = Load::start(&mesh, USERS, requests / USERS);
    let mut warm = None;
    let mut max = 0;
    while !load.is_finished() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let resident = mesh.resident();
        if started.elapsed() < WARM_UP {
            continue;
        }
        let warm = *warm.get_or_insert(resident);
        max = max.max(resident);
        // The allocator keeps memory that peaks needed; a leak per request would exceed this by far.
        assert!(resident < warm + warm / 4 + 16_000_000, "{warm} bytes grew to {resident}");
    }
    let report = load.finish().await;
    let took = started.elapsed();
    assert_eq!(report.failures(), [].into());
    assert_eq!(report.answers.len(), requests / USERS * USERS);
    let recovery = recovers(&mesh).await;
    print_report(&format!(
        "long load: {} requests in {} s, resident {} MB after the first minute, {} MB max\n",
        report.requests(),
        took.as_secs(),
        warm.unwrap_or_default() / 1_000_000,
        max / 1_000_000
    ));
    conclude("long load", &mesh, &report, recovery).await;
    for service in ["service-c", "service-f", "service-g", "service-h"] {
        // `recovers` has sent one more request.
        mesh.documents(service).await.reach(report.answers.len() as u64 + 1).await;
    }
    mesh.end().await;
}
