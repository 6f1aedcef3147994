//! The memory that decoding a response and writing it as JSON takes, measured in a process of its own: the peak of its
//! resident set.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it"
)]

use std::{convert::Infallible, fs, path::Path};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use octet_gateway::transcode::{Binding, Lookup, Routes};
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::DescriptorPool;
use tonic::{body::Body, client::Grpc};

const MIB: usize = 1024 * 1024;

/// Almost the largest message that the gateway accepts.
const SIZE: usize = 4 * MIB - 64;

/// docs/gateway.md: 48 MiB for the decoded message, and 25 MiB for its JSON.
const LIMIT: usize = 73 * MIB;

fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number") * 1024
}

/// The JSON of `response`, or the error.
async fn json(binding: &Binding, response: &[u8]) -> Result<Vec<u8>, tonic::Status> {
    let length = u32::try_from(response.len()).unwrap().to_be_bytes();
    let response = Bytes::from([&[0][..], &length, response].concat());
    let server = tower::service_fn(move |_: Request<Body>| {
        let response = response.clone();
        async move {
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
            let body = Full::new(response).with_trailers(async { Some(Ok::<_, Infallible>(trailers)) });
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    let request = tonic::Request::new(Bytes::new());
    let answered = Grpc::new(server).unary(request, binding.grpc_path().clone(), binding.codec()).await?;
    Ok(binding.response_json(answered.get_ref())?)
}

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut encoded);
    encode_varint(content.len() as u64, &mut encoded);
    encoded.extend_from_slice(content);
    encoded
}

/// As many `piece`s as fit into `size` bytes.
fn repeated(piece: &[u8], size: usize) -> Vec<u8> {
    piece.repeat(size / piece.len())
}

/// One test: the peak never falls again.
#[tokio::test]
async fn four_mebibytes_of_any_shape_take_no_more_than_the_budget() {
    let folders =
        ["tests/proto", "../proto"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let mut compiler = protox::Compiler::new(folders).expect("the folders exist");
    compiler.include_imports(true).open_file("library.proto").expect("it compiles");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("it decodes");
    let routes = Routes::from_pool(&pool).expect("the rules are valid");
    let Lookup::Found(found) = routes.find(&Method::POST, "/v1/everything") else {
        panic!("the route exists");
    };
    let binding = found.binding();

    // `Value`s that are null, and empty lists.
    let nulls = repeated(&field(1, &[8, 0]), SIZE - 32);
    let lists = repeated(&field(1, &field(6, &[])), SIZE - 32);
    let any =
        |value: &[u8]| [field(1, b"type.googleapis.com/google.protobuf.ListValue"), field(2, value)].concat();
    let mut nested = any(&repeated(&field(1, &[8, 0]), 100_000));
    for _ in 0..30 {
        let other = any(&repeated(&field(1, &[8, 0]), 100_000));
        // An `Any` of a message with an `Any` and a list.
        let everything = [field(57, &nested), field(57, &other)].concat();
        nested = [field(1, b"x/library.v1.Everything"), field(2, &everything)].concat();
    }
    let expected = [
        (field(55, &nulls), false),
        (field(55, &lists), false),
        (field(57, &any(&nulls[..nulls.len() / 8 * 8 - 1024])), false),
        (field(57, &nested), false),
        // Names of unset fields make the JSON larger than the message.
        (repeated(&field(23, &[]), SIZE), false),
        (repeated(&field(23, &field(1, b"")), SIZE), false),
        (repeated(&field(20, b""), SIZE), false),
        (field(21, &vec![1; SIZE]), false),
        (repeated(&field(31, &[8, 1]), SIZE), false),
        (repeated(&field(1_000, b""), SIZE), false),
        // A long text, a long list of short objects, and their like are within the budget.
        (field(14, &vec![1; SIZE]), true),
        (field(15, &vec![1; SIZE]), true),
        (repeated(&field(23, &field(1, b"a short text")), 400_000), true),
    ];
    let before = peak();
    for (number, (message, is_accepted)) in expected.iter().enumerate() {
        assert!(message.len() <= 4 * MIB, "{number}: {} bytes", message.len());
        let written = json(binding, message).await;
        let error = written.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(written.is_ok(), *is_accepted, "{number}: {error}");
        assert!(*is_accepted || error.contains("exceeds") || error.contains("JSON"), "{number}: {error}");
        drop(written);
        let taken = peak() - before;
        // The rest is three copies of the message, and what the allocator keeps.
        assert!(taken <= LIMIT + 24 * MIB, "{number}: {} MiB", taken / MIB);
    }
}
