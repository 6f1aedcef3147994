//! `octet-fault`: the faults of one request.

use http::{HeaderMap, HeaderName};
use octet_fault::{Fault, When, parse};

/// The faults of one request, on every hop.
pub const FAULT: HeaderName = HeaderName::from_static("octet-fault");

/// The proof that the sender may ask for them, where `FAULT_KEY` is set.
pub const FAULT_PROOF: HeaderName = HeaderName::from_static("octet-fault-proof");

/// Bytes of all faults of one request.
const MAX_BYTES: usize = 1024;

/// Faults of one request.
const MAX_FAULTS: usize = 8;

/// The text of the faults: several headers are one list.
///
/// # Errors
/// What is wrong with it.
pub(super) fn text(headers: &HeaderMap) -> Result<String, String> {
    let mut text = String::new();
    for value in headers.get_all(FAULT) {
        let value = value.to_str().map_err(|_| "octet-fault: must be visible ASCII".to_owned())?;
        if !text.is_empty() {
            text.push(';');
        }
        text.push_str(value);
    }
    if text.len() > MAX_BYTES {
        return Err(format!("octet-fault: {} bytes exceed the limit of {MAX_BYTES}", text.len()));
    }
    Ok(text)
}

/// The faults that the headers ask for; none without the header.
///
/// # Errors
/// Everything that is wrong, on one line, each with its position.
pub(super) fn faults(headers: &HeaderMap) -> Result<Vec<Fault>, String> {
    if !headers.contains_key(FAULT) {
        return Ok(Vec::new());
    }
    let faults = parse(&text(headers)?).map_err(|problems| {
        let problems: Vec<_> = problems.iter().map(|problem| format!("octet-fault:{problem}")).collect();
        problems.join("; ")
    })?;
    if faults.len() > MAX_FAULTS {
        return Err(format!("octet-fault: {} faults exceed the limit of {MAX_FAULTS}", faults.len()));
    }
    for fault in &faults {
        let key = fault.effect().key();
        if fault.effect().is_of_process() {
            return Err(format!("octet-fault: {key} acts on a process, so that no request may ask for it"));
        }
        if fault.has_max() {
            return Err("octet-fault: max has no meaning for the faults of one request".to_owned());
        }
    }
    Ok(faults)
}

/// Whether the headers satisfy the condition.
pub(super) fn matches(when: Option<&When>, headers: &HeaderMap) -> bool {
    let Some(When { header, value }) = when else { return true };
    headers.get_all(header.as_str()).iter().any(|sent| sent.as_bytes() == value.as_bytes())
}
