use http::Method;
use octet_gateway::transcode::{Lookup, Routes};
use prost_reflect::DescriptorPool;

use crate::library::{compiled, routes};

fn found(method: &str, path: &str) -> String {
    let method: Method = method.parse().unwrap();
    match routes().find(&method, path) {
        Lookup::Found(found) => format!("{} {}", found.binding().rpc().name(), found.binding().template()),
        Lookup::MethodNotAllowed { allow } => {
            format!("405 {}", allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", "))
        }
        Lookup::NotFound => "404".to_owned(),
    }
}

#[test]
fn a_request_finds_the_most_specific_binding() {
    for (method, path, expected) in [
        ("GET", "/v1/shelves", "ListShelves /v1/shelves"),
        ("HEAD", "/v1/shelves", "ListShelves /v1/shelves"),
        ("POST", "/v1/shelves", "CreateShelf /v1/shelves"),
        ("DELETE", "/v1/shelves", "405 GET, HEAD, POST"),
        ("GET", "/v1/shelves/7", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/shelves/", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/%73helves/7", "GetShelf /v1/shelves/{shelf}"),
        ("PURGE", "/v1/shelves/7", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/shelves/newest", "NewestShelf /v1/shelves/newest"),
        // The literal's rule has no PURGE, the variable's does.
        ("PURGE", "/v1/shelves/newest", "GetShelf /v1/shelves/{shelf}"),
        ("POST", "/v1/shelves/7", "405 GET, HEAD, PURGE"),
        ("POST", "/v1/shelves/7:merge", "MergeShelves /v1/{name=shelves/*}:merge"),
        ("GET", "/v1/shelves/7:watch", "Watch /v1/shelves/{shelf}:watch"),
        // Not a known verb: the colon is text.
        ("GET", "/v1/shelves/7:else", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/shelves/7%3Awatch", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/shelves/:watch", "GetShelf /v1/shelves/{shelf}"),
        ("GET", "/v1/shelves/1/books/2", "GetBook /v1/{name=shelves/*/books/*}"),
        ("DELETE", "/v1/shelves/1/books/2", "DeleteBook /v1/{name=shelves/*/books/*}"),
        ("PATCH", "/v1/shelves/1/books/2", "UpdateBook /v1/{book.name=shelves/*/books/*}"),
        ("POST", "/v1/shelves/1/books/2", "405 DELETE, GET, HEAD, PATCH, PUT"),
        ("GET", "/v1/files", "ReadFile /v1/files/{path=**}"),
        ("GET", "/v1/files/a/b/c", "ReadFile /v1/files/{path=**}"),
        ("GET", "/v1/files/a/b:raw", "ReadFile /v1/files/{path=**}:raw"),
        ("PURGE", "/v1/any/thing", "ReadFile /v1/any/**"),
        ("HEAD", "/v1/any", "ReadFile /v1/any/**"),
        ("GET", "/v1/everything/nested/x", "Echo /v1/everything/nested/{nested.text}"),
        ("GET", "/v1", "404"),
        ("GET", "/", "404"),
        ("GET", "", "404"),
        ("OPTIONS", "*", "404"),
        ("GET", "/v1/shelves/1/2", "404"),
        ("GET", "//v1/shelves", "404"),
        ("GET", "/v1/shelve%73%", "404"),
        ("POST", "/library.v1.Library/Hidden", "404"),
    ] {
        assert_eq!(found(method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_binding_has_everything_for_a_call() {
    let Lookup::Found(found) = routes().find(&Method::GET, "/v1/shelves/7:watch") else {
        panic!("the route exists");
    };
    let binding = found.binding();
    assert_eq!(binding.grpc_path().as_str(), "/library.v1.Library/Watch");
    assert_eq!(binding.input().full_name(), "library.v1.ShelfRequest");
    assert_eq!(binding.output().full_name(), "library.v1.Shelf");
    assert_eq!(binding.method(), Some(&Method::GET));
    assert_eq!(binding.captures()[0].name(), "shelf");
    assert!(binding.rpc().is_server_streaming());
    assert!(format!("{found:?}").contains("library.v1.Library.Watch"));
}

/// `Debug` of the descriptors themselves would overflow the stack.
#[test]
fn a_route_of_a_recursive_type_can_be_printed() {
    let printed = format!("{:?}", routes());
    assert!(printed.contains("library.v1.Library.Echo"), "{printed}");
    let echo = routes().bindings().find(|binding| binding.rpc().name() == "Echo").unwrap();
    assert_eq!(format!("{:?}", echo.codec()), "DynamicCodec(\"library.v1.Everything\")");
}

#[test]
fn octets_own_rules_are_valid() {
    let pool = DescriptorPool::decode(octet_proto::DESCRIPTOR_SET).unwrap();
    let routes = Routes::from_pool(&pool).unwrap();
    for (path, rpc) in [("/api/greeting", "Greeting"), ("/api/greeting/stream", "GreetingStream")] {
        let Lookup::Found(found) = routes.find(&Method::GET, path) else { panic!("{path} exists") };
        assert_eq!(found.binding().grpc_path(), &*format!("/greeting.v3.GreetingService/{rpc}"));
    }
    assert_eq!(routes.bindings().len(), 2);
}

#[test]
fn all_errors_of_all_rules_are_reported_together() {
    let errors = Routes::from_pool(&compiled("faulty.proto")).unwrap_err().to_string();
    let expected = [
        "NoPattern: google.api.http: the rule must have one of get, put, post, delete, patch or custom",
        "BadTemplate: GET /v1/{name: path template: at byte 9: expected `}`",
        "UnknownField: GET /v1/unknown/{parent.nobody}/{other}: `parent.nobody`: faulty.v1.Thing has no field `nobody`",
        "UnknownField: GET /v1/unknown/{parent.nobody}/{other}: `other`: faulty.v1.Thing has no field `other`",
        "Repeated: GET /v1/repeated/{tags}/{labels}: `tags` is repeated: a path variable can set only a field with a single value",
        "Repeated: GET /v1/repeated/{tags}/{labels}: `labels` is repeated: a path variable can set only a field with a single value",
        "NotScalar: GET /v1/message/{parent}: `parent` is a faulty.v1.Thing: a path variable can set only a scalar field",
        "BelowScalar: GET /v1/below/{name.first}: `name.first` continues below a field that is not a message",
        "Bodies: POST /v1/bodies: body `nothing`: faulty.v1.Thing has no such field",
        "Bodies: POST /v1/bodies: response_body `neither`: faulty.v1.Thing has no such field",
        "Bodies: GET /v1/bodies: GET requests have no body, but the rule has body `*`",
        "Nesting: GET /v1/nesting/more: an additional binding cannot have additional bindings",
        "Kind: NO SUCH /v1/kind: `NO SUCH` is not an HTTP method: write an upper-case name, or `*` for any method",
        "Second: GET /v1/twice/{parent.name=*}: faulty.v1.Faulty.First already serves these paths",
    ];
    let expected: Vec<_> = expected.iter().map(|error| format!("faulty.v1.Faulty.{error}")).collect();
    assert_eq!(errors.lines().collect::<Vec<_>>(), expected);
}
