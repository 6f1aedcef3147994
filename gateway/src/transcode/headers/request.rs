//! A request's headers as metadata.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{METADATA, is_protocol};
use crate::transcode::{error::RequestError, scalar};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who asks, as the connection and not the headers have it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// The connection's other end; the last entry of `x-forwarded-for`.
    pub peer: Option<IpAddr>,
    /// The host that was asked for: HTTP/2's `:authority`, or `Host`.
    pub authority: Option<&'a str>,
}

/// The metadata of the call that `headers` ask for; `MetadataMap::from_headers` takes it as it is.
///
/// - `Grpc-Metadata-X: v` becomes `x: v`. A name that ends in `-bin` has base64, padded or not.
/// - `Authorization` becomes `authorization`.
/// - What `carries` names (the trace headers) passes as it is, unless it is empty or not text.
/// - `x-forwarded-for` gains the peer, `x-forwarded-host` keeps the first value, else the authority.
///
/// All others stop here. `Grpc-Metadata-` cannot set what the protocols own, nor what has a way of its own
/// above: else a header that a proxy in front removes or sets would have a second door.
///
/// # Errors
/// A `Grpc-Metadata-`, `Authorization` or `X-Forwarded-` header that cannot be metadata, with its name.
pub fn request_metadata(
    headers: &HeaderMap,
    client: Client<'_>,
    carries: impl Fn(&HeaderName) -> bool,
) -> Result<HeaderMap, RequestError> {
    let mut metadata = HeaderMap::with_capacity(8);
    for (name, value) in headers {
        if let Some(chosen) = name.as_str().strip_prefix(METADATA) {
            let (chosen, value) = explicit(chosen, value, &carries)
                .map_err(|problem| RequestError::Header { name: name.to_string(), problem })?;
            metadata.append(chosen, value);
        } else if name == header::AUTHORIZATION {
            text(name, value)?;
            metadata.append(name, value.clone());
        } else if !is_forwarded(name) && !value.is_empty() && is_text(value) && carries(name) {
            metadata.append(name, value.clone());
        }
    }
    if let Some(hops) = forwarded_for(headers, client.peer)? {
        metadata.insert(FORWARDED_FOR, hops);
    }
    if let Some(host) = forwarded_host(headers, client.authority)? {
        metadata.insert(FORWARDED_HOST, host);
    }
    Ok(metadata)
}

/// A name and a value that a client chose.
fn explicit(
    chosen: &str,
    value: &HeaderValue,
    carries: impl Fn(&HeaderName) -> bool,
) -> Result<(HeaderName, HeaderValue), String> {
    // gRPC's Header-Name has less than HTTP's token: "0-9 a-z _ - .".
    let is_name = chosen.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let name = HeaderName::from_bytes(chosen.as_bytes()).ok().filter(|_| is_name);
    let name = name.ok_or("`Grpc-Metadata-` must be followed by letters, digits, `_`, `-` and `.`")?;
    if is_protocol(&name) {
        return Err(format!("`{name}` belongs to the protocol and cannot be set as metadata"));
    }
    if name == header::AUTHORIZATION || is_forwarded(&name) || carries(&name) {
        return Err(format!("`{name}` cannot be set as metadata: send the header `{name}` itself"));
    }
    if name.as_str().ends_with("-bin") {
        let bytes = value.to_str().map_err(|error| error.to_string()).and_then(scalar::bytes)?;
        // "Implementations … should emit un-padded values" (gRPC over HTTP/2).
        let encoded = HeaderValue::try_from(STANDARD_NO_PAD.encode(bytes));
        return encoded.map(|value| (name, value)).map_err(|error| error.to_string());
    }
    if !is_text(value) {
        return Err(NOT_TEXT.to_owned());
    }
    Ok((name, value.clone()))
}

const NOT_TEXT: &str =
    "the value must be printable ASCII; a name that ends in `-bin` takes base64 of anything";

/// gRPC's ASCII-Value: space and printable ASCII. HTTP's values may be more, a tab among them.
fn is_text(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte))
}

fn text<'v>(name: &HeaderName, value: &'v HeaderValue) -> Result<&'v str, RequestError> {
    value.to_str().ok().filter(|_| is_text(value)).ok_or_else(|| RequestError::Header {
        name: name.to_string(),
        problem: "the value must be printable ASCII".to_owned(),
    })
}

fn is_forwarded(name: &HeaderName) -> bool {
    *name == FORWARDED_FOR || *name == FORWARDED_HOST
}

fn forwarded_for(headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Option<HeaderValue>, RequestError> {
    let mut hops = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        hops.push(text(&FORWARDED_FOR, value)?.to_owned());
    }
    hops.extend(peer.map(|peer| peer.to_canonical().to_string()));
    hops.retain(|hop| !hop.is_empty());
    // Made of header values and an address, it is one; an empty list is no header.
    Ok(HeaderValue::try_from(hops.join(", ")).ok().filter(|value| !value.is_empty()))
}

fn forwarded_host(headers: &HeaderMap, authority: Option<&str>) -> Result<Option<HeaderValue>, RequestError> {
    match headers.get(FORWARDED_HOST) {
        Some(value) => text(&FORWARDED_HOST, value).map(|_| Some(value.clone())),
        None => Ok(authority.and_then(|authority| HeaderValue::try_from(authority).ok()).filter(is_text)),
    }
}
