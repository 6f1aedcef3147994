//! Request headers as metadata.

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{METADATA, is_protocol, is_proxy};
use crate::transcode::{error::RequestError, scalar};

const METADATA_AUTHORIZATION: &str = "grpc-metadata-authorization";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client as the connection shows it, not as its headers claim.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    /// The address of the connection's peer; becomes the last entry of `x-forwarded-for`.
    pub peer: Option<IpAddr>,
    /// The requested host: HTTP/2's `:authority`, or `Host`.
    pub authority: Option<&'a str>,
}

/// The metadata of a call, made of a request's headers. `MetadataMap::from_headers` accepts it.
///
/// - `Grpc-Metadata-X: v` becomes `x: v`. If the name ends in `-bin`, the value is base64, padded or not.
/// - `Authorization` or `Grpc-Metadata-Authorization` becomes `authorization`.
/// - Headers that `carries` names (the trace headers) pass unchanged, unless empty or not text.
/// - `x-forwarded-for` gains the peer; `x-forwarded-host` keeps the first value, or is the authority.
///
/// Other headers do not pass. `Grpc-Metadata-` can set neither names that belong to the protocol, nor names that pass as
/// headers of their own, nor names that only a proxy may set: it would bypass a proxy that sets or removes them.
///
/// # Errors
/// The first `Grpc-Metadata-`, `Authorization` or `X-Forwarded-` header that cannot be metadata.
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
    if headers.contains_key(header::AUTHORIZATION) && headers.contains_key(METADATA_AUTHORIZATION) {
        let problem = "the request has the header `authorization` too: send only one of them".to_owned();
        return Err(RequestError::Header { name: METADATA_AUTHORIZATION.to_owned(), problem });
    }
    if let Some(hops) = forwarded_for(headers, client.peer)? {
        metadata.insert(FORWARDED_FOR, hops);
    }
    if let Some(host) = forwarded_host(headers, client.authority)? {
        metadata.insert(FORWARDED_HOST, host);
    }
    Ok(metadata)
}

/// The metadata of a `Grpc-Metadata-` header.
fn explicit(
    chosen: &str,
    value: &HeaderValue,
    carries: impl Fn(&HeaderName) -> bool,
) -> Result<(HeaderName, HeaderValue), String> {
    // gRPC's Header-Name allows less than HTTP's token: "0-9 a-z _ - .".
    let is_name = chosen.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let name = HeaderName::from_bytes(chosen.as_bytes()).ok().filter(|_| is_name);
    let name =
        name.ok_or("`Grpc-Metadata-` must be followed by a name of letters, digits, `_`, `-` and `.`")?;
    if is_protocol(&name) {
        return Err(format!("`{name}` belongs to the protocol and cannot be metadata"));
    }
    if is_proxy(&name) {
        return Err(format!("only a proxy can set `{name}`: it cannot be metadata"));
    }
    if carries(&name) {
        return Err(format!("send the header `{name}` itself: it cannot be metadata as well"));
    }
    if name.as_str().ends_with("-bin") {
        let text = value.to_str().map_err(|_| "the value must be base64, standard or URL-safe".to_owned())?;
        let bytes = scalar::bytes(text)?;
        // "Implementations … should emit un-padded values" (gRPC over HTTP/2).
        let encoded = HeaderValue::try_from(STANDARD_NO_PAD.encode(bytes));
        return encoded.map(|value| (name, value)).map_err(|error| error.to_string());
    }
    if !is_text(value) {
        return Err(NOT_TEXT.to_owned());
    }
    Ok((name, value.clone()))
}

const NOT_TEXT: &str = "the value must be printable ASCII; to send other bytes, end the name in `-bin` and encode the value in base64";

/// gRPC's ASCII-Value: space and printable ASCII. HTTP allows more, such as a tab.
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
    // The parts are header values and an address, so the whole is a header value.
    Ok(HeaderValue::try_from(hops.join(", ")).ok().filter(|value| !value.is_empty()))
}

fn forwarded_host(headers: &HeaderMap, authority: Option<&str>) -> Result<Option<HeaderValue>, RequestError> {
    match headers.get(FORWARDED_HOST) {
        Some(value) => text(&FORWARDED_HOST, value).map(|_| Some(value.clone())),
        None => Ok(authority.and_then(|authority| HeaderValue::try_from(authority).ok()).filter(is_text)),
    }
}
