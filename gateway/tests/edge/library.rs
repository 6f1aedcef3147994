//! The library: a gRPC server for `library.v1` whose responses depend on the request.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use http::HeaderMap;
use octet_gateway::transcode::DynamicCodec;
use octet_runtime::{
    drain::Drain,
    serve::{RequestBody, ServeLimits, serve},
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap};

/// The serialized descriptors of `library.proto`, with comments and HTTP rules.
pub fn descriptors() -> &'static [u8] {
    static SET: OnceLock<Vec<u8>> = OnceLock::new();
    SET.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [here.join("tests/proto"), here.join("../proto")];
        let mut compiler = protox::Compiler::new(folders).expect("the folders exist");
        compiler.include_imports(true).include_source_info(true);
        compiler.open_file("library.proto").expect("library.proto compiles");
        compiler.encode_file_descriptor_set()
    })
}

pub fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(descriptors()).expect("descriptors"))
}

/// A running server.
pub struct Library {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    task: JoinHandle<()>,
}

type Messages = BoxStream<'static, Result<DynamicMessage, Status>>;

impl Library {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let log = seen.clone();
        let service = tower::service_fn(move |request: http::Request<RequestBody>| {
            log.lock().expect("whole").push(request.headers().clone());
            async move { Ok::<_, std::convert::Infallible>(answer(request).await) }
        });
        let task = tokio::spawn(async move {
            serve(listener, service, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
        });
        Self { address, seen, task }
    }

    /// The metadata of the last call.
    pub fn last(&self) -> HeaderMap {
        self.seen.lock().expect("whole").last().expect("it was called").clone()
    }

    pub fn calls(&self) -> usize {
        self.seen.lock().expect("whole").len()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: http::Request<RequestBody>) -> http::Response<tonic::body::Body> {
    let path = request.uri().path().to_owned();
    let Some(rpc) = path.strip_prefix("/library.v1.Library/").and_then(method) else {
        return Status::unimplemented("no such method").into_http();
    };
    let codec = DynamicCodec::new(rpc.input());
    let service = tower::service_fn(move |request: Request<Streaming<DynamicMessage>>| {
        let rpc = rpc.clone();
        async move {
            let response = call(&rpc, request).await?;
            Ok::<_, Status>(
                response.map(|answers| answers.map_ok(|answer| Bytes::from(answer.encode_to_vec()))),
            )
        }
    });
    tonic::server::Grpc::new(codec).streaming(service, request).await
}

fn method(name: &str) -> Option<MethodDescriptor> {
    let service = pool().get_service_by_name("library.v1.Library").expect("it is there");
    service.methods().find(|method| method.name() == name)
}

async fn call(
    rpc: &MethodDescriptor,
    request: Request<Streaming<DynamicMessage>>,
) -> Result<Response<Messages>, Status> {
    let mut inbound = request.into_inner();
    if rpc.name() == "Chat" {
        let messages = inbound.map(|message| message.map(|message| shelf(&text(&message, "shelf"))));
        return Ok(with_metadata(messages.boxed()));
    }
    let message = inbound.message().await?.ok_or_else(|| Status::internal("no message"))?;
    let named = ["shelf", "name", "path"]
        .into_iter()
        .find_map(|field| Some(text(&message, field)).filter(|text| !text.is_empty()));
    let named = named.unwrap_or_default();
    behave(&named).await?;
    let messages: Messages = match rpc.name() {
        "Watch" | "Collect" => return Ok(with_metadata(stream(&named))),
        "Echo" => one(message),
        "GetShelf" if named == "big" => one(shelf(&"x".repeat(1 << 20))),
        "GetShelf" if named == "large" => one(shelf(&"x".repeat(5 << 20))),
        "GetShelf" | "NewestShelf" | "MergeShelves" => one(shelf(&named)),
        "CreateShelf" => {
            one(message.get_field_by_name("shelf").and_then(|it| it.as_message().cloned()).unwrap())
        }
        "GetBook" => one(book(&named)),
        "UpdateBook" => {
            one(message.get_field_by_name("book").and_then(|it| it.as_message().cloned()).unwrap())
        }
        "ListShelves" => {
            let mut list = DynamicMessage::new(rpc.output());
            list.set_field_by_name("shelves", Value::List(vec![Value::Message(shelf("one"))]));
            one(list)
        }
        "ReadFile" => {
            let mut file = DynamicMessage::new(rpc.output());
            file.set_field_by_name("content", Value::Message(book(&named)));
            one(file)
        }
        _ => one(DynamicMessage::new(rpc.output())),
    };
    Ok(with_metadata(messages))
}

/// `fail-5`: fails with that code at once. `fail-with-details`: has a `google.rpc.RetryInfo`. `slow`: messages too late.
async fn behave(named: &str) -> Result<(), Status> {
    if let Some(code) = named.strip_prefix("fail-").and_then(|code| code.parse::<i32>().ok()) {
        let mut metadata = MetadataMap::new();
        metadata.insert("x-why", "asked".parse().unwrap());
        return Err(Status::with_metadata(Code::from(code), format!("asked for {code}"), metadata));
    }
    if named == "fail-with-details" {
        // google.rpc.Status, with one Any in field 3: a type of 40 bytes, and a retry delay of 5 s.
        let any =
            [b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo", &b"\x12\x04\x0a\x02\x08\x05"[..]].concat();
        let details = [b"\x1a\x30", &any[..]].concat();
        return Err(Status::with_details(Code::Unavailable, "asked for details", details.into()));
    }
    if named == "slow" {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    Ok(())
}

/// `3`: three shelves. `2-fail`: two, then `NOT_FOUND`. `1-pause`: one, a second's pause, another. `endless`: one every few milliseconds. `wide`:
/// large ones without end.
fn stream(named: &str) -> Messages {
    if named == "endless" {
        return futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(shelf("again")), ()))
        })
        .boxed();
    }
    if named == "wide" {
        let wide = std::iter::repeat_with(|| Ok(shelf(&"x".repeat(100_000))));
        return futures_util::stream::iter(wide).boxed();
    }
    let (count, then) = named.split_once('-').unwrap_or((named, ""));
    let shelves = (0..count.parse().unwrap_or(0)).map(|number: u32| Ok(shelf(&number.to_string())));
    if then == "pause" {
        let pause = futures_util::stream::once(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(shelf("after the pause"))
        });
        return with_trailers(futures_util::stream::iter(shelves).chain(pause).boxed());
    }
    let end = (then == "fail").then(|| Err(Status::not_found("no more")));
    with_trailers(futures_util::stream::iter(shelves.chain(end)).boxed())
}

fn one(message: DynamicMessage) -> Messages {
    with_trailers(futures_util::stream::once(async { Ok(message) }).boxed())
}

/// tonic accepts trailers as the metadata of an "error" with code OK.
fn with_trailers(messages: Messages) -> Messages {
    let mut trailers = MetadataMap::new();
    trailers.insert("x-checksum", "42".parse().unwrap());
    let last = Status::with_metadata(Code::Ok, "", trailers);
    messages.chain(futures_util::stream::once(async { Err(last) })).boxed()
}

fn with_metadata(messages: Messages) -> Response<Messages> {
    let mut response = Response::new(messages);
    response.metadata_mut().insert("x-answered-by", "library".parse().unwrap());
    response
        .metadata_mut()
        .insert_bin("x-bytes-bin", tonic::metadata::MetadataValue::from_bytes(&[0, 1, 255]));
    response
}

fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub fn shelf(name: &str) -> DynamicMessage {
    let descriptor = pool().get_message_by_name("library.v1.Shelf").expect("it is there");
    let mut shelf = DynamicMessage::new(descriptor);
    shelf.set_field_by_name("name", Value::String(name.to_owned()));
    shelf
}

fn book(name: &str) -> DynamicMessage {
    let descriptor = pool().get_message_by_name("library.v1.Book").expect("it is there");
    let mut book = DynamicMessage::new(descriptor);
    book.set_field_by_name("name", Value::String(name.to_owned()));
    book
}
