//! The request message of a match, from body, path and query.

use bytes::Bytes;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::{
    binding::Body,
    body,
    budget::Budget,
    error::RequestError,
    field_path::{reach, set},
    percent::{self, Part},
    query,
    routes::Match,
    scalar, update_mask,
};

impl Match<'_, '_> {
    /// The RPC's request, encoded: a call holds a few bytes while it waits, and not the much larger message.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn encoded_request(&self, query: Option<&str>, body: &[u8]) -> Result<Bytes, RequestError> {
        self.request(query, body).map(|message| message.encode_to_vec().into())
    }

    /// The RPC's request.
    ///
    /// The path overrides the body where both set a field. The query sets other fields, and is ignored where the body is
    /// the whole message.
    ///
    /// # Errors
    /// The first wrong part of the request: its name and what is allowed there.
    pub fn request(&self, query: Option<&str>, body: &[u8]) -> Result<DynamicMessage, RequestError> {
        let binding = self.binding;
        let budget = Budget::of(body.len() + query.map_or(0, str::len));
        let mut message = match binding.body() {
            Body::Ignored => DynamicMessage::new(binding.input().clone()),
            Body::Message => body::message(binding.input(), body, &budget)?,
            Body::Field(field) => body::field(binding.input(), field, body, &budget)?,
        };

        let variables = binding.captures().iter().zip(binding.template().bound());
        for ((field, variable), raw) in variables.zip(&self.captured) {
            let part = if variable.spans_many() { Part::Segments } else { Part::Segment };
            fill(&mut message, field, raw, part)
                .map_err(|problem| RequestError::Path { field: field.name().to_owned(), problem })?;
        }

        if let (Some(query), Body::Ignored | Body::Field(_)) = (query, binding.body()) {
            query::apply(&mut message, query, binding, &budget)?;
        }
        if let (Some(mask), Body::Field(target)) = (binding.update_mask(), binding.body()) {
            update_mask::complete(&mut message, mask, target, body)
                .map_err(|problem| RequestError::Body { field: Some(mask.name().to_owned()), problem })?;
        }
        Ok(message)
    }
}

fn fill(message: &mut DynamicMessage, path: &super::FieldPath, raw: &str, part: Part) -> Result<(), String> {
    let text = percent::decode(raw, part).map_err(|error| error.to_string())?;
    let (owner, field) = reach(message, path.fields())?;
    set(owner, field, scalar::parse(&field.kind(), &text)?)
}
