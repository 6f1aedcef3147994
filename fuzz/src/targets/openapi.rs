//! The OpenAPI document for any rule: method, template, body and `response_body` in the first line. The rule replaces one of
//! `library.v1`.

use octet_gateway::{openapi, transcode::Routes};
use prost_reflect::{
    DescriptorPool, DynamicMessage, MethodDescriptor, Value as Reflected, prost::Message as _,
};
use serde_json::Value;

use crate::{checks::lossy, headers::first_line, library::LIBRARY};

pub(crate) fn run(bytes: &[u8]) {
    let (line, name) = first_line(bytes);
    let line = lossy(line);
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let rule = [word(), word(), word(), word()];
    let name = lossy(name);
    let Some(pool) = with_rule(name.trim(), rule) else { return };
    // An invalid rule has no document.
    let Ok(routes) = Routes::from_pool(&pool) else { return };
    let document = openapi::document(&pool, &routes).expect("a document");
    let mut references = Vec::new();
    gather(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some_and(|found| !found.is_null()), "{reference}");
    }
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters = braces(path);
        for operation in item.as_object().expect("operations").values() {
            let declared = operation["parameters"].as_array().into_iter().flatten();
            let declared = declared.filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str());
            assert_eq!(declared.collect::<Vec<_>>(), parameters, "{path}");
        }
    }
}

/// The library with this rule for one method.
fn with_rule(method: &str, [kind, path, body, response_body]: [&str; 4]) -> Option<DescriptorPool> {
    let pool = &LIBRARY.0;
    let option = pool.get_extension_by_name("google.api.http")?;
    let prost_reflect::Kind::Message(rule) = option.kind() else { return None };
    let mut made = DynamicMessage::new(rule);
    match kind {
        "get" | "put" | "post" | "delete" | "patch" => {
            made.set_field_by_name(kind, Reflected::String(path.to_owned()));
        }
        kind => {
            let custom = pool.get_message_by_name("google.api.CustomHttpPattern")?;
            let mut pattern = DynamicMessage::new(custom);
            pattern.set_field_by_name("kind", Reflected::String(kind.to_owned()));
            pattern.set_field_by_name("path", Reflected::String(path.to_owned()));
            made.set_field_by_name("custom", Reflected::Message(pattern));
        }
    }
    made.set_field_by_name("body", Reflected::String(body.to_owned()));
    made.set_field_by_name("response_body", Reflected::String(response_body.to_owned()));

    let methods = pool.get_service_by_name("library.v1.Library")?.methods().collect::<Vec<_>>();
    let method = methods.iter().find(|found| found.name() == method).or(methods.first())?;
    rebuilt(pool, method, &option, made)
}

fn rebuilt(
    pool: &DescriptorPool,
    method: &MethodDescriptor,
    option: &prost_reflect::ExtensionDescriptor,
    rule: DynamicMessage,
) -> Option<DescriptorPool> {
    let mut options = method.options();
    options.set_extension(option, Reflected::Message(rule));
    let file = method.parent_service().parent_file();
    // As dynamic messages, since prost's types lose extensions.
    let descriptors = DescriptorPool::global().get_message_by_name("google.protobuf.FileDescriptorProto")?;
    let mut changed = DynamicMessage::decode(descriptors, file.encode_to_vec().as_slice()).ok()?;
    let service = method.parent_service().index();
    let index = method.index();
    let services = changed.get_field_by_name_mut("service")?.as_list_mut()?;
    let methods = services.get_mut(service)?.as_message_mut()?.get_field_by_name_mut("method")?;
    let found = methods.as_list_mut()?.get_mut(index)?.as_message_mut()?;
    let encoded = options.encode_to_vec();
    let known = DynamicMessage::decode(
        DescriptorPool::global().get_message_by_name("google.protobuf.MethodOptions")?,
        encoded.as_slice(),
    );
    found.set_field_by_name("options", Reflected::Message(known.ok()?));

    let mut made = DescriptorPool::new();
    for other in pool.files().filter(|other| other.name() != file.name()) {
        made.decode_file_descriptor_proto(other.encode_to_vec().as_slice()).ok()?;
    }
    made.decode_file_descriptor_proto(changed.encode_to_vec().as_slice()).ok()?;
    Some(made)
}

fn gather<'d>(value: &'d Value, references: &mut Vec<&'d str>) {
    match value {
        Value::Object(object) => {
            references.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| gather(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}

fn braces(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}
