//! Refuses what is not gRPC, on ports that serve nothing else.

use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use tonic::body::Body;

use crate::content_type::is_grpc;

/// The response to a request that is not gRPC over HTTP/2; `None` where it is.
///
/// tonic checks neither version nor content type. A web page may send a POST in `text/plain` to any host, without asking
/// it first (CORS's simple requests), and would have its body processed as a message.
pub fn refuse_other_than_grpc<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.version() == Version::HTTP_2 && is_grpc(request.headers()) {
        return None;
    }
    let mut response = Response::new(Body::new("this port serves gRPC over HTTP/2 only\n".to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_over_http_2_is_accepted() {
        let is_accepted = |version, content_type: &str| {
            let request = Request::post("/").version(version).header("content-type", content_type);
            refuse_other_than_grpc(&request.body(()).unwrap()).is_none()
        };
        for accepted in
            ["application/grpc", "Application/gRPC", "application/grpc+proto", "application/grpc;x=1"]
        {
            assert!(is_accepted(Version::HTTP_2, accepted), "{accepted}");
            assert!(!is_accepted(Version::HTTP_11, accepted), "{accepted}");
        }
        for refused in [
            "",
            "text/plain",
            "application/grpc-web",
            "application/grpcx",
            "application/json",
            "application/grp",
        ] {
            assert!(!is_accepted(Version::HTTP_2, refused), "{refused}");
        }
        assert!(
            refuse_other_than_grpc(&Request::post("/").version(Version::HTTP_2).body(()).unwrap()).is_some()
        );
    }
}
