//! The memory that decoding a request takes, measured in a process of its own: the peak of its resident set.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it"
)]

use std::{fs, path::Path};

use http::Method;
use octet_gateway::transcode::{Lookup, RequestError, Routes, message_from_json};
use prost_reflect::DescriptorPool;

const MIB: usize = 1024 * 1024;
/// docs/gateway.md: a decoded request takes at most 32 times its length.
const FACTOR: usize = 32;

fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number") * 1024
}

/// One test: the peak never falls again.
#[test]
fn a_mebibyte_of_json_takes_no_more_than_its_budget() {
    let folders =
        ["tests/proto", "../proto"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let mut compiler = protox::Compiler::new(folders).expect("the folders exist");
    compiler.include_imports(true).open_file("library.proto").expect("it compiles");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("it decodes");
    let everything = pool.get_message_by_name("library.v1.Everything").expect("it exists");

    let repeated = |before: &str, piece: &str, after: &str| {
        let pieces = (MIB - before.len() - after.len()) / (piece.len() + 1);
        format!("{before}{}{after}", vec![piece; pieces].join(","))
    };
    let keys: Vec<_> = (0..MIB / 12).map(|key| format!("\"{key}\":{{}}")).collect();
    let requests = [
        repeated("{\"listValue\":[", "[]", "]}"),
        repeated("{\"listValue\":[", "1", "]}"),
        repeated("{\"value\":[", "{\"\":0}", "]}"),
        repeated("{\"nesteds\":[", "{}", "]}"),
        repeated("{\"nesteds\":[", "{\"text\":\"\"}", "]}"),
        repeated("{\"durations\":[", "\"1s\"", "]}"),
        repeated("{\"numbers\":[", "1", "]}"),
        repeated("{\"strings\":[", "\"\"", "]}"),
        repeated("{\"fieldMask\":\"", "a", "\"}"),
        format!("{{\"byNumber\":{{{}}}}}", keys.join(",")),
        format!("{{\"struct\":{{{}}}}}", keys.join(",")),
        repeated("{\"any\":{\"@type\":\"x/google.protobuf.ListValue\",\"value\":[", "[]", "]}}"),
        repeated("{\"any\":{\"value\":[", "[]", "],\"@type\":\"x/google.protobuf.ListValue\"}}"),
    ];
    let mut refused = 0;
    let before = peak();
    for request in &requests {
        assert!(request.len() <= MIB, "{} bytes", request.len());
        let read = message_from_json(&everything, request.as_bytes());
        let error = read.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(matches!(read, Ok(_) | Err(RequestError::TooLarge(_))), "{error}");
        refused += usize::from(read.is_err());
        drop(read);
        let taken = peak() - before;
        let start = &request[..40];
        // The rest is the requests themselves, and what the allocator keeps.
        assert!(taken <= FACTOR * MIB + 8 * MIB, "{start}: {} MiB", taken / MIB);
    }
    // A PATCH reads its body again, for the field mask.
    let routes = Routes::from_pool(&pool).expect("the rules are valid");
    let Lookup::Found(patch) = routes.find(&Method::PATCH, "/v1/shelves/1/books/2") else {
        panic!("the route exists");
    };
    let ignored = repeated("{\"title\":\"a\",\"unknown\":[", "{\"\":0}", "]}");
    let message = patch.request(None, ignored.as_bytes()).expect("unknown fields are ignored");
    assert!(message.has_field_by_name("update_mask"));
    let taken = peak() - before;
    assert!(taken <= FACTOR * MIB + 8 * MIB, "PATCH: {} MiB", taken / MIB);

    assert!(refused >= 4, "{refused} of {} refused", requests.len());
}
