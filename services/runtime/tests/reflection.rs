//! Reflection over real sockets: what is unknown does not end the stream, and extensions are found.
#![allow(clippy::expect_used, clippy::panic)]

use std::time::Duration;

use futures_util::stream;
use octet_runtime::{
    drain::Drain,
    reflection,
    serve::{ServeLimits, serve},
};
use tokio::net::TcpListener;
use tonic::{service::Routes, transport::Endpoint};

/// A file with an extension of `google.protobuf.MethodOptions`, and a service.
fn descriptors() -> Vec<u8> {
    use prost::Message as _;
    use prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
        ServiceDescriptorProto,
        field_descriptor_proto::{Label, Type},
    };
    let options = FileDescriptorProto {
        name: Some("google/protobuf/descriptor.proto".into()),
        package: Some("google.protobuf".into()),
        message_type: vec![DescriptorProto {
            name: Some("MethodOptions".into()),
            extension_range: vec![prost_types::descriptor_proto::ExtensionRange {
                start: Some(1000),
                end: Some(536_870_912),
                options: None,
            }],
            ..DescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("test.proto".into()),
        package: Some("test".into()),
        dependency: vec!["google/protobuf/descriptor.proto".into()],
        message_type: vec![DescriptorProto { name: Some("Empty".into()), ..DescriptorProto::default() }],
        extension: vec![FieldDescriptorProto {
            name: Some("http".into()),
            number: Some(72_295_728),
            label: Some(Label::Optional.into()),
            r#type: Some(Type::String.into()),
            extendee: Some(".google.protobuf.MethodOptions".into()),
            ..FieldDescriptorProto::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Service".into()),
            method: vec![MethodDescriptorProto {
                name: Some("Call".into()),
                input_type: Some(".test.Empty".into()),
                output_type: Some(".test.Empty".into()),
                ..MethodDescriptorProto::default()
            }],
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![options, file] }.encode_to_vec()
}

macro_rules! test_version {
    ($version:ident) => {
        #[tokio::test]
        async fn $version() {
            use tonic_reflection::pb::$version::{
                ExtensionRequest, ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            let descriptors = descriptors();
            let mut routes = Routes::builder();
            reflection::add_services(&mut routes, &[&descriptors]).expect("valid");
            let router = routes.routes().prepare().into_axum_router();
            let served = tokio::spawn(async move {
                serve(listener, router, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
            });
            let channel = Endpoint::from_shared(format!("http://{address}")).expect("a URI").connect_lazy();

            let extension = |containing_type: &str, extension_number| {
                let containing_type = containing_type.to_owned();
                MessageRequest::FileContainingExtension(ExtensionRequest { containing_type, extension_number })
            };
            let options = "google.protobuf.MethodOptions";
            let requests = [
                (Some(MessageRequest::FileContainingSymbol("no.Such".into())), "error 5"),
                (Some(MessageRequest::FileByFilename("no.proto".into())), "error 5"),
                (Some(extension(options, 1)), "error 5"),
                (Some(extension("no.Such", 1)), "error 5"),
                (Some(MessageRequest::AllExtensionNumbersOfType("no.Such".into())), "error 5"),
                (None, "error 3"),
                (Some(extension(options, 72_295_728)), "file test.proto"),
                (Some(MessageRequest::AllExtensionNumbersOfType(options.into())), "numbers [72295728]"),
                (Some(MessageRequest::FileContainingSymbol("test.Service.Call".into())), "file test.proto"),
                (Some(MessageRequest::FileContainingSymbol("test.http".into())), "file test.proto"),
                (Some(MessageRequest::FileByFilename("test.proto".into())), "file test.proto"),
                (
                    Some(MessageRequest::ListServices(String::new())),
                    "services grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection test.Service",
                ),
            ];
            let (requests, expected): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
            let requests = requests.into_iter().map(|message_request| ServerReflectionRequest {
                host: "host".into(),
                message_request,
            });
            let mut client = ServerReflectionClient::new(channel);
            let responses = client.server_reflection_info(stream::iter(requests)).await.expect("a stream");
            let mut responses = responses.into_inner();
            for expected in expected {
                let response = responses.message().await.expect("no error").expect("the stream continues");
                let text = match response.message_response.expect("a response") {
                    MessageResponse::ErrorResponse(error) => format!("error {}", error.error_code),
                    MessageResponse::FileDescriptorResponse(files) => {
                        let bytes = files.file_descriptor_proto.first().expect("a file");
                        let file: prost_types::FileDescriptorProto =
                            prost::Message::decode(bytes.as_slice()).expect("a file");
                        format!("file {}", file.name())
                    }
                    MessageResponse::AllExtensionNumbersResponse(numbers) => {
                        format!("numbers {:?}", numbers.extension_number)
                    }
                    MessageResponse::ListServicesResponse(services) => {
                        let mut names: Vec<_> = services.service.into_iter().map(|it| it.name).collect();
                        names.sort();
                        format!("services {}", names.join(" "))
                    }
                };
                assert_eq!(text, expected);
            }
            assert_eq!(responses.message().await.expect("no error"), None);
            served.abort();
        }
    };
}

test_version!(v1);
test_version!(v1alpha);
