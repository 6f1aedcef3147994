//! Properties that hold for any input.

use std::fmt::Write as _;

use http::Method;
use octet_gateway::transcode::{Client, Lookup, Template, message_json, request_metadata};
use proptest::{collection::vec, option, prelude::*, sample::select};
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, ReflectMessage as _};
use serde_json::json;

use crate::{
    arbitrary::any_message,
    library::{message, request, routes},
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn json_preserves_any_message(Shown(sent) in any_message(&message("Everything"), 3).prop_map(Shown)) {
        let json = message_json(&sent).unwrap();
        let mut reader = serde_json::Deserializer::from_slice(&json);
        let options = DeserializeOptions::new();
        let back = DynamicMessage::deserialize_with_options(message("Everything"), &mut reader, &options).unwrap();
        prop_assert_eq!(differing(&back, &sent), Vec::<String>::new());

        // And as a request's body.
        let posted = request(&Method::POST, "/v1/everything", &json).unwrap();
        prop_assert_eq!(differing(&posted, &sent), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_024) })]

    #[test]
    fn no_template_text_panics(text in any::<String>(), close in "[/{}*:=.a-z%0-9]{0,24}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("/{close}"));
    }

    #[test]
    fn no_request_panics(
        method in select(vec![Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]),
        path in prop_oneof!["/[a-z0-9/%:*]{0,24}", "/v1/(shelves|files|everything|books)[^?]{0,16}"],
        query in prop_oneof![
            any::<String>(),
            "((nested|labels|choice_text|times|value|any|durations)([.](below|text|seconds))?(\\[[^=]{0,3}\\])?=[^&]{0,6}&){0,4}",
        ],
        body in prop_oneof![
            vec(any::<u8>(), 0..64).boxed(),
            "[\\[\\]{}\",:0-9a-ftrulsen \n]{0,48}".prop_map(String::into_bytes).boxed(),
            "\\{\"(nested|any|value|times|genre|struct|duration)\":[\\[\\]{}\",:0-9@a-ftrulsenyp ]{0,32}\\}"
                .prop_map(String::into_bytes).boxed(),
        ],
    ) {
        if let Lookup::Found(found) = routes().find(&method, &path) {
            let _ = found.request(Some(&query), &body);
        }
        let everything = ["/v1/everything", "/v1/shelves", "/v1/tags", "/v1/labels"];
        for path in everything {
            if let Lookup::Found(found) = routes().find(&method, path) {
                let _ = found.request(Some(&query), &body);
            }
        }
    }

    #[test]
    fn no_header_panics(name in "[a-z0-9!#._~-]{0,12}(-bin)?", value in vec(any::<u8>(), 0..24)) {
        let name = http::HeaderName::try_from(format!("grpc-metadata-{name}")).unwrap();
        if let Ok(value) = http::HeaderValue::from_bytes(&value) {
            let headers = http::HeaderMap::from_iter([(name, value)]);
            let _ = request_metadata(&headers, Client::default(), |_| false);
        }
    }

    #[test]
    fn a_path_built_from_a_template_yields_its_captures(built in built()) {
        let template = Template::parse(&built.template).unwrap();
        let captured = template.captures(&built.path);
        prop_assert_eq!(captured, Some(built.captures.iter().map(String::as_str).collect()), "{:?}", built);
    }

    #[test]
    fn a_path_segment_can_contain_any_text(text in "\\PC{1,24}") {
        let made = request(&Method::GET, &format!("/v1/books/{}", encoded(&text)), b"").unwrap();
        prop_assert_eq!(serde_json::to_value(made).unwrap(), json!({"name": text}));
    }

    #[test]
    fn a_parameter_can_contain_any_text(text in any::<String>().prop_filter("set", |text| !text.is_empty())) {
        let target = format!("/v1/everything?string_value={}&labels[k]={0}", encoded(&text));
        let made = request(&Method::GET, &target, b"").unwrap();
        prop_assert_eq!(serde_json::to_value(made).unwrap(), json!({"stringValue": text, "labels": {"k": text}}));
    }
}

/// A message with JSON as its `Debug` form: `DynamicMessage`'s own does not end for recursive types.
#[derive(Clone)]
struct Shown(DynamicMessage);

impl std::fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&serde_json::to_string(&self.0).unwrap())
    }
}

/// The fields in which two messages differ on the wire.
fn differing(one: &DynamicMessage, other: &DynamicMessage) -> Vec<String> {
    let (one, other) = (normal(one), normal(other));
    let descriptor = one.descriptor();
    let fields = descriptor.fields().filter(|field| one.get_field(field) != other.get_field(field));
    fields.map(|field| field.name().to_owned()).collect()
}

/// A message after encoding and decoding, which unsets fields that have their default.
fn normal(message: &DynamicMessage) -> DynamicMessage {
    DynamicMessage::decode(message.descriptor(), message.encode_to_vec().as_slice()).unwrap()
}

/// "All characters except [-_.~0-9a-zA-Z] are percent-encoded" (google/api/http.proto).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

#[derive(Debug, Clone)]
struct Built {
    template: String,
    path: String,
    captures: Vec<String>,
}

/// A part of a template, a matching part of a path, and whether that is a capture.
fn part() -> impl Strategy<Value = (String, String, bool)> {
    let segment = || "\\PC{1,8}".prop_map(|text| encoded(&text));
    prop_oneof![
        "[a-z0-9.~-]{1,6}".prop_map(|literal| (literal.clone(), literal, false)),
        segment().prop_map(|text| ("*".to_owned(), text, false)),
        segment().prop_map(|text| ("{NAME}".to_owned(), text, true)),
        segment().prop_map(|text| ("{NAME.of_it=*}".to_owned(), text, true)),
        (segment(), segment())
            .prop_map(|(one, two)| { ("{NAME=*/as/*}".to_owned(), format!("{one}/as/{two}"), true) }),
    ]
}

fn built() -> impl Strategy<Value = Built> {
    let rest = option::of(vec("\\PC{1,8}".prop_map(|text| encoded(&text)), 1..4));
    (vec(part(), 1..6), rest, option::of("[a-z]{1,5}")).prop_map(|(parts, rest, verb)| {
        let rest = rest.map(|rest| ("{NAME=**}".to_owned(), rest.join("/"), true));
        let mut built = Built { template: String::new(), path: String::new(), captures: Vec::new() };
        for (number, (template, path, is_capture)) in parts.into_iter().chain(rest).enumerate() {
            write!(built.template, "/{}", template.replace("NAME", &format!("f{number}"))).unwrap();
            write!(built.path, "/{path}").unwrap();
            built.captures.extend(is_capture.then_some(path));
        }
        if let Some(verb) = verb {
            write!(built.template, ":{verb}").unwrap();
            write!(built.path, ":{verb}").unwrap();
        }
        built
    })
}
