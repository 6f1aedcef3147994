use std::time::Duration;

use octet_fault::parse;
use tonic::Code;

use super::*;
use crate::deadline::Deadline;

fn faults_of(service: &str, replica: u32, authority: Authority) -> Faults {
    let settings = FaultSettings { authority, ..FaultSettings::default() };
    let identity = Identity { service: service.to_owned(), replica };
    let metrics = Metrics::new(service).unwrap();
    let check: Check = Arc::new(|fault: &Fault| {
        let unknown = fault.at().names().find(|name| *name == "unknown");
        unknown.map_or(Ok(()), |name| Err(format!("{name} is not a service")))
    });
    Faults::new(&settings, identity, (Seed(7), &[]), check, &metrics).unwrap()
}

fn stock(text: &str) -> Faults {
    let faults = faults_of("stock", 1, Authority::Nobody);
    faults.replace(Source::Admin, parse(text).unwrap(), None).unwrap();
    faults
}

fn request(id: &str) -> HeaderMap {
    HeaderMap::from_iter([(X_REQUEST_ID, id.parse().unwrap())])
}

fn hit(faults: &Faults, headers: &HeaderMap) -> bool {
    faults.on_service(headers).is_some()
}

/// The numbers of the requests that are hit.
fn hits(faults: &Faults, place: &Place<'_>, attempt: u64) -> Vec<u32> {
    (0..10_000).filter(|id| faults.on(place, &request(&format!("request-{id}")), attempt).is_some()).collect()
}

#[test]
fn a_tenth_of_ten_thousand_requests_is_hit_and_the_same_again() {
    let one = hits(&stock("at=stock abort=UNAVAILABLE share=10%"), &Place::Service, 0);
    assert!((910..=1_090).contains(&one.len()), "{}", one.len());
    assert_eq!(hits(&stock("at=stock abort=UNAVAILABLE share=10%"), &Place::Service, 0), one);
}

#[test]
fn a_larger_share_hits_the_same_requests_and_more() {
    let tenth = hits(&stock("at=stock abort=UNAVAILABLE share=10%"), &Place::Service, 0);
    let fifth = hits(&stock("at=stock abort=UNAVAILABLE share=20%"), &Place::Service, 0);
    assert!(tenth.iter().all(|id| fifth.contains(id)) && fifth.len() > tenth.len());
}

#[test]
fn faults_attempts_and_places_are_drawn_independently() {
    let text = "at=stock>shop abort=UNAVAILABLE share=50%";
    let first = hits(&stock(text), &Place::Call("shop"), 0);
    for other in [
        hits(&stock(text), &Place::Call("shop"), 1),
        hits(&stock("at=stock>shop abort=INTERNAL share=50%"), &Place::Call("shop"), 0),
        hits(&stock("at=*>* abort=UNAVAILABLE share=50%"), &Place::Call("cart"), 0),
    ] {
        let both = other.iter().filter(|id| first.binary_search(id).is_ok()).count();
        // 2,500 with four standard deviations of 43.
        assert!((2_328..=2_672).contains(&both), "{both}");
    }
    // Two faults alike: three quarters of all requests are hit by one of them.
    let twice = hits(&stock(&format!("{text};{text}")), &Place::Call("shop"), 0).len();
    assert!((7_327..=7_673).contains(&twice), "{twice}");
}

#[test]
fn a_fault_acts_at_its_address_alone() {
    let any = request("a");
    let place = |text: &str| {
        let faults = stock(text);
        [Place::Service, Place::Call("shop"), Place::Store, Place::Queue]
            .map(|place| faults.on(&place, &any, 0).is_some())
    };
    for (at, expected) in [
        ("stock", [true, false, false, false]),
        ("*", [true, false, false, false]),
        ("stock#1", [true, false, false, false]),
        ("stock#2", [false, false, false, false]),
        ("shop", [false, false, false, false]),
        ("stock>shop", [false, true, false, false]),
        ("*>shop", [false, true, false, false]),
        ("stock>*", [false, true, false, false]),
        ("shop>stock", [false, false, false, false]),
        ("stock>store", [false, false, true, false]),
        ("*>queue", [false, false, false, true]),
    ] {
        assert_eq!(place(&format!("at={at} drop=true")), expected, "{at}");
    }
}

#[test]
fn a_condition_needs_the_whole_value_of_a_header() {
    let faults = stock("at=stock drop=true when=x-user=jason");
    let with = |value: &str| {
        let mut headers = request("a");
        headers.insert("x-user", value.parse().unwrap());
        hit(&faults, &headers)
    };
    assert!(with("jason") && !with("jaso") && !with("Jason") && !hit(&faults, &request("a")));
}

#[test]
fn a_fault_acts_on_at_most_max_calls_at_once() {
    let faults = stock("at=stock drop=true max=2");
    let headers = request("a");
    let first = faults.on_service(&headers).unwrap();
    let _second = faults.on_service(&headers).unwrap();
    assert!(!hit(&faults, &headers));
    drop(first);
    assert!(hit(&faults, &headers));
}

#[test]
fn a_fault_ends_by_its_own_time_or_by_that_of_its_source() {
    let faults = faults_of("stock", 1, Authority::Nobody);
    let set = |text: &str, lasting: Duration| {
        faults.replace(Source::Admin, parse(text).unwrap(), Some(lasting)).unwrap();
    };
    set("at=stock drop=true for=1ms", Duration::from_mins(1));
    let started = std::time::Instant::now();
    while hit(&faults, &request("a")) {
        assert!(started.elapsed() < Duration::from_secs(30), "it never ends");
    }
    set("at=stock drop=true for=1m", Duration::from_millis(1));
    while hit(&faults, &request("a")) {
        assert!(started.elapsed() < Duration::from_secs(30), "it never ends");
    }
    assert!(faults.state().is_empty());
}

#[test]
fn sixty_four_faults_from_all_sources_are_allowed_and_one_more_is_not() {
    let faults = faults_of("stock", 1, Authority::Nobody);
    let some = |count: usize| parse(&"at=stock drop=true\n".repeat(count)).unwrap();
    faults.replace(Source::File, some(40), None).unwrap();
    faults.replace(Source::Admin, some(24), None).unwrap();
    assert_eq!(faults.replace(Source::Admin, some(25), None), Err(TooMany));
    assert_eq!(faults.state().len(), MAX_FAULTS, "a refused change changes nothing");
    faults.replace(Source::File, Vec::new(), None).unwrap();
    faults.replace(Source::Admin, some(25), None).unwrap();
}

#[test]
fn a_header_is_obeyed_by_its_authority_and_otherwise_removed() {
    let sent = || HeaderMap::from_iter([(FAULT, "at=stock drop=true".parse().unwrap())]);
    for (authority, near, obeys) in [
        (Authority::Nobody, true, false),
        (Authority::SameHost, true, true),
        (Authority::SameHost, false, false),
    ] {
        let faults = faults_of("stock", 1, authority);
        let (mut headers, mut carried) = (sent(), HeaderMap::new());
        faults.admit(&mut headers, |_| near).unwrap().carry_to(&mut carried);
        assert_eq!((hit(&faults, &headers), carried.contains_key(FAULT)), (obeys, obeys), "{near}");
    }
}

#[test]
fn with_a_key_a_header_needs_its_proof_wherever_it_comes_from() {
    let key = FaultKey::new("a-key-of-enough-length").unwrap();
    let text = "at=stock drop=true";
    let proof = key.sign(text, std::time::SystemTime::now() + Duration::from_mins(1));
    let faults = faults_of("stock", 1, Authority::Key(key));
    let admit = |proofs: &[&str]| {
        let mut headers = HeaderMap::from_iter([(FAULT, text.parse().unwrap())]);
        for proof in proofs {
            headers.append(FAULT_PROOF, proof.parse().unwrap());
        }
        let mut carried = HeaderMap::new();
        faults
            .admit(&mut headers, |_| true)
            .map(|sent| sent.carry_to(&mut carried))
            .map_err(|status| status.code())?;
        Ok(carried.len())
    };
    assert_eq!(admit(&[&proof]), Ok(2), "both headers are sent on");
    assert_eq!(admit(&[]), Err(Code::PermissionDenied));
    assert_eq!(admit(&["1.00"]), Err(Code::InvalidArgument));
    assert_eq!(admit(&[&proof, &proof]), Err(Code::InvalidArgument));
    assert_eq!(admit(&[&proof.replacen('.', "1.", 1)]), Err(Code::PermissionDenied));
}

#[test]
fn a_header_that_asks_for_too_much_is_refused_with_its_position() {
    let faults = faults_of("stock", 1, Authority::SameHost);
    let admit = |values: &[&str]| {
        let values = values.iter().map(|value| (FAULT, value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value): (_, http::HeaderValue)| {
            headers.append(name, value);
        });
        faults.admit(&mut headers, |_| true).map(drop).map_err(|status| status.message().to_owned())
    };
    let one = "at=stock drop=true";
    assert_eq!(admit(&[&[one; 8].join(";")]), Ok(()));
    assert_eq!(admit(&[one; 8]), Ok(()), "several headers are one list");
    assert!(admit(&[one; 9]).unwrap_err().contains("9 faults exceed the limit of 8"));
    assert!(admit(&[&format!("{one} # {}", "x".repeat(1_003))]).is_ok());
    assert!(admit(&[&format!("{one} # {}", "x".repeat(1_004))]).unwrap_err().contains("1025 bytes exceed"));
    assert!(admit(&["at=stock delay=1"]).unwrap_err().starts_with("octet-fault:1:16: delay: must be"));
    assert!(admit(&["at=unknown drop=true"]).unwrap_err().contains("unknown is not a service"));
    assert!(admit(&["at=stock drop=true max=1"]).unwrap_err().contains("max has no meaning"));
    for effect in ["cpu=1ms", "memory=1KiB", "stall=1ms", "unready=true", "crash=true"] {
        assert!(
            admit(&[&format!("at=stock {effect}")]).unwrap_err().contains("no request may ask"),
            "{effect}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_or_a_drop_ends_with_the_deadline() {
    let deadline = || Deadline::after(Duration::from_secs(1));
    for (text, message) in [
        ("at=stock delay=1h", "injected: the deadline passed during a delay of 1h"),
        ("at=stock drop=true", "injected: no answer until the deadline"),
        ("at=stock drop=true blind=true", crate::failure_path::DEADLINE_PASSED),
        ("at=stock abort=INTERNAL", "injected: INTERNAL"),
        ("at=stock abort=UNAVAILABLE blind=true", "unavailable"),
    ] {
        let faults = stock(text);
        let mut hits = faults.on_service(&request("a")).unwrap();
        let status = hits.before(deadline()).await.unwrap_err();
        assert_eq!(status.message(), message, "{text}");
    }
}

#[test]
fn a_fault_that_is_added_leaves_the_others_and_one_alike_is_ended_once() {
    let faults = stock("at=stock drop=true share=50%");
    let add = |text: &str| faults.add(Source::Admin, parse(text).unwrap(), Some(Duration::from_mins(1)));
    let texts = || faults.state().iter().map(|state| state.fault.to_string()).collect::<Vec<_>>();
    let ids = || faults.set().all().map(|armed| armed.id).collect::<std::collections::BTreeSet<_>>();
    add("at=stock delay=1ms").unwrap();
    add("at=stock drop=true share=50%").unwrap();
    assert_eq!(
        texts(),
        ["at=stock drop=true share=50%", "at=stock delay=1ms", "at=stock drop=true share=50%"]
    );
    assert_eq!(faults.state()[0].until, None, "the first one's time is its own");
    assert_eq!(ids().len(), 3, "each is drawn by itself");

    let alike = parse("at=stock drop=true share=50%").unwrap().remove(0);
    faults.end(Source::Admin, &alike);
    assert_eq!(texts(), ["at=stock delay=1ms", "at=stock drop=true share=50%"]);
    add("at=stock drop=true share=50%").unwrap();
    assert_eq!(ids().len(), 3, "also after one was ended");
    faults.end(Source::File, &alike);
    assert_eq!(texts().len(), 3, "those of other sources stay");
    assert_eq!(add(&"at=stock drop=true\n".repeat(MAX_FAULTS)), Err(TooMany));
}

#[test]
fn a_fault_that_acted_is_counted_unless_it_is_blind() {
    let metrics = Metrics::new("stock").unwrap();
    let identity = Identity { service: "stock".to_owned(), replica: 1 };
    let faults =
        Faults::new(&FaultSettings::default(), identity, (Seed(7), &[]), Arc::new(|_| Ok(())), &metrics)
            .unwrap();
    let text = "at=stock lose=INTERNAL;at=stock lose=ABORTED blind=true";
    faults.replace(Source::Admin, parse(text).unwrap(), None).unwrap();
    let lost = |code| {
        let hits = faults.on_service(&request("a")).unwrap();
        assert_eq!(hits.after(Ok(())).unwrap_err().code(), code);
    };
    lost(Code::Internal);
    let series = "octet_faults_total{at=\"stock\",effect=\"lose\",source=\"admin\"} 1";
    assert!(metrics.text().unwrap().contains(series), "{}", metrics.text().unwrap());
    faults.replace(Source::Admin, parse("at=stock lose=ABORTED blind=true").unwrap(), None).unwrap();
    lost(Code::Aborted);
    assert!(metrics.text().unwrap().contains(series));
    assert_eq!(faults.state()[0].acted, 1);
}

#[tokio::test]
async fn an_answer_trickles_at_its_rate() {
    use http_body_util::BodyExt;
    tokio::time::pause();
    let body = http_body_util::Full::new(bytes::Bytes::from(vec![7; 1_000]));
    let deadline = std::time::Instant::now() + Duration::from_hours(1);
    let started = tokio::time::Instant::now();
    let sent = throttled(body, Throttle { rate: 100, deadline }).collect().await.unwrap().to_bytes();
    assert_eq!(sent, vec![7; 1_000]);
    let took = started.elapsed().as_secs_f64();
    assert!((9.5..10.5).contains(&took), "{took}");
}
