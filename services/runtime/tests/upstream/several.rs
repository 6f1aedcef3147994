//! An upstream with several addresses, over real sockets.

use std::time::{Duration, Instant};

use octet_runtime::upstream::{Balance, CallPolicy, RetryPolicy, Upstream};
use octet_testbed::eventually;
use tokio::net::TcpSocket;
use tonic::Code;

use crate::{
    call,
    peer::{Peer, Script},
    upstream_at,
};

const LONG: Duration = Duration::from_secs(20);

async fn peers<const N: usize>(scripts: [&'static [Script]; N]) -> [Peer; N] {
    let mut peers = Vec::new();
    for script in scripts {
        peers.push(Peer::start(script).await);
    }
    peers.try_into().ok().expect("one for each script")
}

fn addresses(peers: &[Peer]) -> String {
    let addresses: Vec<_> = peers.iter().map(|peer| peer.address.to_string()).collect();
    addresses.join(",")
}

fn balanced(peers: &[Peer], balance: Balance) -> Upstream {
    let policy = CallPolicy { balance: Some(balance), ..CallPolicy::default() };
    upstream_at(&addresses(peers), "500ms").with_policy(policy)
}

fn counts(peers: &[Peer]) -> Vec<usize> {
    peers.iter().map(Peer::requests).collect()
}

#[tokio::test]
async fn calls_go_to_all_addresses_in_turn_or_to_the_first() {
    let peers = peers([&[Script::Respond]; 3]).await;
    let upstream = upstream_at(&addresses(&peers), "500ms");
    for _ in 0..30 {
        call(&upstream, LONG).await.expect("answered");
    }
    assert_eq!(counts(&peers), [10, 10, 10]);

    let upstream = balanced(&peers, Balance::PickFirst);
    for _ in 0..5 {
        call(&upstream, LONG).await.expect("answered");
    }
    assert_eq!(counts(&peers), [15, 10, 10]);
}

#[tokio::test]
async fn a_refused_call_goes_to_another_address_and_the_refusing_one_returns() {
    let [peer] = peers([&[Script::Respond]]).await;
    // Bound and not listening: connections are refused, and the port stays reserved.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let refusing = socket.local_addr().expect("bound");
    // Without a wait: the other address is not a matter of time.
    let upstream = upstream_at(&format!("{refusing},{}", peer.address), "1ms");
    for _ in 0..10 {
        call(&upstream, LONG).await.expect("answered by the other");
    }
    assert_eq!(peer.requests(), 10);

    let returned = Peer::on(socket.listen(16).expect("listens"), &[Script::Respond]);
    eventually("it is used again", async || {
        call(&upstream, LONG).await.expect("answered");
        if returned.requests() > 0 { Ok(()) } else { Err("no request") }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_refuses_streams_sends_its_calls_elsewhere() {
    let peers = peers([&[Script::RefuseStream], &[Script::Respond]]).await;
    let upstream = upstream_at(&addresses(&peers), "1ms");
    for _ in 0..10 {
        call(&upstream, LONG).await.expect("answered by the other");
    }
    assert_eq!(peers[1].requests(), 10);
}

#[tokio::test]
async fn a_silent_address_is_left_out_after_failures_in_a_row_and_tried_by_one_call() {
    let peers = peers([&[Script::Silent], &[Script::Respond]]).await;
    let upstream = upstream_at(&addresses(&peers), "500ms");
    let (started, mut failed) = (Instant::now(), 0);
    for _ in 0..20 {
        if let Err(status) = call(&upstream, Duration::from_millis(150)).await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
            failed += 1;
        }
    }
    assert!(failed >= 5 && peers[0].requests() <= 6, "{failed} failed; {:?}", counts(&peers));
    let before = peers[0].requests();
    // It was left out some time after the start, for at least half of five seconds.
    while started.elapsed() < Duration::from_secs(2) {
        call(&upstream, LONG).await.expect("the silent one is left out");
    }
    assert_eq!(peers[0].requests(), before);

    // Between half and all of five seconds later, one of the calls that run at the same time goes there.
    eventually("it is tried again", async || {
        let calls = (0..10).map(|_| call(&upstream, Duration::from_secs(2)));
        let failed = futures_util::future::join_all(calls).await.into_iter().filter(Result::is_err).count();
        assert!(failed <= 1, "{failed} calls failed at once");
        if peers[0].requests() > before { Ok(()) } else { Err("not yet") }
    })
    .await;
}

#[tokio::test]
async fn addresses_that_all_fail_are_all_used() {
    let peers = peers([&[Script::FailStream], &[Script::FailStream]]).await;
    let upstream = upstream_at(&addresses(&peers), "500ms");
    for _ in 0..40 {
        call(&upstream, LONG).await.expect_err("reset");
    }
    assert!(counts(&peers).iter().all(|count| *count >= 10), "{:?}", counts(&peers));
}

#[tokio::test]
async fn a_retry_goes_to_another_address() {
    let peers = peers([&[Script::FailStream], &[Script::Respond]]).await;
    let retry = RetryPolicy {
        attempts: 2,
        on: vec![Code::Unavailable],
        budget: None,
        backoff: Duration::from_millis(1),
    };
    let policy = CallPolicy { retry: Some(retry), ..CallPolicy::default() };
    let upstream = upstream_at(&addresses(&peers), "500ms").with_policy(policy);
    for _ in 0..20 {
        call(&upstream, LONG).await.expect("answered by the other");
    }
    assert_eq!(peers[1].requests(), 20);
    assert_eq!(peers[0].requests(), 5, "then it is left out");
}

#[tokio::test]
async fn the_fewest_calls_in_flight_decide() {
    let peers = peers([&[Script::Silent], &[Script::Respond]]).await;
    let upstream = balanced(&peers, Balance::LeastRequest);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let upstream = upstream.clone();
        waiting.spawn(async move { call(&upstream, LONG).await });
    }
    waiting.join_next().await.expect("one of two").expect("no panic").expect("answered");
    eventually("the other one waits at the silent address", async || {
        if peers[0].requests() == 1 { Ok(()) } else { Err(format!("{:?}", counts(&peers))) }
    })
    .await;
    for _ in 0..20 {
        call(&upstream, LONG).await.expect("answered");
    }
    assert_eq!(peers[0].requests(), 1, "the address with a call in flight is avoided");
}

#[tokio::test]
async fn a_name_is_resolved_and_one_that_does_not_resolve_says_so() {
    let peer = Peer::start(&[Script::Respond]).await;
    let port = peer.address.port();
    // The name has an address more where the system has IPv6, on which nobody listens.
    let upstream = upstream_at(&format!("localhost:{port}"), "500ms");
    for _ in 0..10 {
        call(&upstream, LONG).await.expect("answered");
    }
    assert_eq!(peer.requests(), 10);

    let nowhere = upstream_at("name.invalid:1", "100ms");
    let status = call(&nowhere, LONG).await.expect_err("no address");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "cannot be reached: name does not resolve")
    );
    let both = upstream_at(&format!("name.invalid:1,127.0.0.1:{port}"), "100ms");
    call(&both, LONG).await.expect("answered by the address that is known");
}
