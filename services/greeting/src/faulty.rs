//! Responses that faults reset, or let trickle.

use http::Response;
use octet_runtime::faults::{Resets, Throttle, is_reset, reset_body, resetting, throttled};
use tonic::{Status, body::Body};

/// The response with the effects that the service asked for in its extensions; unchanged without any.
pub(crate) fn response(response: Response<Body>) -> Response<Body> {
    let extensions = response.extensions();
    if extensions.is_empty() {
        return response;
    }
    if extensions.get::<Status>().is_some_and(is_reset) {
        let mut head = Response::new(reset_body());
        head.headers_mut()
            .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
        return head;
    }
    let (throttle, resets) = (extensions.get::<Throttle>().copied(), extensions.get::<Resets>().is_some());
    let response = if resets { response.map(resetting) } else { response };
    match throttle {
        Some(throttle) => response.map(|body| throttled(body, throttle)),
        None => response,
    }
}
