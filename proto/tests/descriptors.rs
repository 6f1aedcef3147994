//! The content of the descriptor set that reflection and the gateway need.

use prost_reflect::{DescriptorPool, Value};

#[test]
fn the_descriptor_set_keeps_imports_and_the_http_rule() {
    let pool = DescriptorPool::decode(octet_proto::DESCRIPTOR_SET).expect("decodes");
    let method = pool
        .get_service_by_name("greeting.v3.GreetingService")
        .and_then(|service| service.methods().next())
        .expect("the method is there");
    let extension = pool.get_extension_by_name("google.api.http").expect("the import is there");

    let options = method.options();
    let Value::Message(rule) = options.get_extension(&extension).into_owned() else {
        panic!("the rule is a message");
    };
    assert_eq!(rule.get_field_by_name("get").as_deref().and_then(Value::as_str), Some("/api/greeting"));
}

#[test]
fn the_descriptor_set_keeps_comments_for_generated_documents() {
    let pool = DescriptorPool::decode(octet_proto::DESCRIPTOR_SET).expect("decodes");
    let file = pool.get_file_by_name("greeting/v3/greeting.proto").expect("the file is there");
    let comments = file.file_descriptor_proto().source_code_info.as_ref().expect("source info is there");
    assert!(
        comments
            .location
            .iter()
            .any(|location| location.leading_comments().contains("What one service says"))
    );
}

#[test]
fn the_types_of_error_details_are_in_the_descriptor_set() {
    let pool = DescriptorPool::decode(octet_proto::DESCRIPTOR_SET).expect("decodes");
    for name in [
        "BadRequest",
        "DebugInfo",
        "ErrorInfo",
        "Help",
        "LocalizedMessage",
        "PreconditionFailure",
        "QuotaFailure",
        "RequestInfo",
        "ResourceInfo",
        "RetryInfo",
    ] {
        assert!(pool.get_message_by_name(&format!("google.rpc.{name}")).is_some(), "{name}");
    }
}
