//! gRPC server reflection, v1 and v1alpha, over the descriptors that a process serves.
//!
//! An unknown name gets an `error_response`, and the stream continues: clients such as `grpcurl` ask for several names in one
//! stream. Extensions are found, so that options such as `google.api.http` can be described.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, TryStreamExt};
use prost_reflect::{DescriptorError, DescriptorPool, FileDescriptor};
use tonic::{Code, Request, Response, Status, Streaming, service::RoutesBuilder};
use tonic_reflection::pb::{v1, v1alpha};

use crate::compression;

/// The largest request in bytes. It contains names, and a response repeats it.
const MAX_REQUEST: usize = 64 * 1024;

/// Adds both versions to `routes`. `descriptors` are serialized `FileDescriptorSet`s, each with its imports; those of
/// reflection itself are included.
///
/// # Errors
/// When a set is invalid.
pub fn add_services(routes: &mut RoutesBuilder, descriptors: &[&[u8]]) -> Result<(), DescriptorError> {
    let mut pool = DescriptorPool::new();
    for set in descriptors.iter().copied().chain([v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET]) {
        pool.decode_file_descriptor_set(set)?;
    }
    let reflection = Reflection(Arc::new(pool));
    let v1 = v1::server_reflection_server::ServerReflectionServer::new(reflection.clone());
    let v1alpha = v1alpha::server_reflection_server::ServerReflectionServer::new(reflection);
    let (v1, v1alpha) =
        (v1.max_decoding_message_size(MAX_REQUEST), v1alpha.max_decoding_message_size(MAX_REQUEST));
    let [gzip, deflate] = compression::ENCODINGS;
    routes
        .add_service(v1.accept_compressed(gzip).accept_compressed(deflate))
        .add_service(v1alpha.accept_compressed(gzip).accept_compressed(deflate));
    Ok(())
}

#[derive(Clone)]
struct Reflection(Arc<DescriptorPool>);

impl Reflection {
    /// The file that defines a message, field, oneof, enum, enum value, extension, service or method.
    fn file_of_symbol(&self, symbol: &str) -> Option<FileDescriptor> {
        self.file_of_type(symbol).or_else(|| {
            let (parent, name) = symbol.rsplit_once('.')?;
            let is_member = self.0.get_message_by_name(parent).is_some_and(|message| {
                message.get_field_by_name(name).is_some()
                    || message.oneofs().any(|oneof| oneof.name() == name)
            }) || self
                .0
                .get_enum_by_name(parent)
                .is_some_and(|parent| parent.get_value_by_name(name).is_some())
                || self
                    .0
                    .get_service_by_name(parent)
                    .is_some_and(|service| service.methods().any(|method| method.name() == name));
            is_member.then(|| self.file_of_type(parent)).flatten()
        })
    }

    fn file_of_type(&self, name: &str) -> Option<FileDescriptor> {
        let pool = &self.0;
        pool.get_message_by_name(name)
            .map(|it| it.parent_file())
            .or_else(|| pool.get_enum_by_name(name).map(|it| it.parent_file()))
            .or_else(|| pool.get_service_by_name(name).map(|it| it.parent_file()))
            .or_else(|| pool.get_extension_by_name(name).map(|it| it.parent_file()))
    }

    fn file_of_extension(&self, message: &str, number: i32) -> Option<FileDescriptor> {
        let message = self.0.get_message_by_name(message)?;
        message.get_extension(u32::try_from(number).ok()?).map(|extension| extension.parent_file())
    }

    fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        let message = self.0.get_message_by_name(message)?;
        Some(message.extensions().filter_map(|extension| i32::try_from(extension.number()).ok()).collect())
    }
}

/// The two versions have the same messages, generated twice.
macro_rules! serve_version {
    ($version:ident) => {
        #[tonic::async_trait]
        impl $version::server_reflection_server::ServerReflection for Reflection {
            type ServerReflectionInfoStream =
                Pin<Box<dyn Stream<Item = Result<$version::ServerReflectionResponse, Status>> + Send>>;

            async fn server_reflection_info(
                &self,
                requests: Request<Streaming<$version::ServerReflectionRequest>>,
            ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                use $version::{
                    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
                    ServerReflectionResponse, ServiceResponse, server_reflection_request::MessageRequest,
                    server_reflection_response::MessageResponse,
                };
                let error = |code: Code, message: String| {
                    let error_code = code.into();
                    MessageResponse::ErrorResponse(ErrorResponse { error_code, error_message: message })
                };
                let file = move |file: Option<FileDescriptor>, what: String| match file {
                    Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                        file_descriptor_proto: vec![file.encode_to_vec()],
                    }),
                    None => error(Code::NotFound, format!("{what} not found")),
                };
                let reflection = self.clone();
                let responses = requests.into_inner().map_ok(move |request| {
                    let response = match &request.message_request {
                        Some(MessageRequest::FileByFilename(name)) => {
                            file(reflection.0.get_file_by_name(name), format!("file {name}"))
                        }
                        Some(MessageRequest::FileContainingSymbol(symbol)) => {
                            file(reflection.file_of_symbol(symbol), format!("symbol {symbol}"))
                        }
                        Some(MessageRequest::FileContainingExtension(extension)) => {
                            let (message, number) = (&extension.containing_type, extension.extension_number);
                            file(
                                reflection.file_of_extension(message, number),
                                format!("extension {number} of {message}"),
                            )
                        }
                        Some(MessageRequest::AllExtensionNumbersOfType(message)) => {
                            match reflection.extension_numbers(message) {
                                Some(extension_number) => {
                                    MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                                        base_type_name: message.clone(),
                                        extension_number,
                                    })
                                }
                                None => error(Code::NotFound, format!("message {message} not found")),
                            }
                        }
                        Some(MessageRequest::ListServices(_)) => {
                            let names = reflection.0.services().map(|service| service.full_name().to_owned());
                            let service = names.map(|name| ServiceResponse { name }).collect();
                            MessageResponse::ListServicesResponse(ListServiceResponse { service })
                        }
                        None => error(Code::InvalidArgument, "the request has no message_request".to_owned()),
                    };
                    ServerReflectionResponse {
                        valid_host: request.host.clone(),
                        original_request: Some(request),
                        message_response: Some(response),
                    }
                });
                Ok(Response::new(Box::pin(responses)))
            }
        }
    };
}

serve_version!(v1);
serve_version!(v1alpha);
