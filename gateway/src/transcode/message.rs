//! The request message of a match: body, then path, then query.

use prost_reflect::DynamicMessage;

use super::{
    binding::Body,
    body, depth,
    error::RequestError,
    field_path::{reach, set},
    percent::{self, Part},
    query,
    routes::Match,
    scalar, update_mask,
};

impl Match<'_, '_> {
    /// The RPC's request.
    ///
    /// The body comes first; what the path says then counts more than what the body says about the same
    /// field. The query fills the rest, and is ignored where the body is the whole message.
    ///
    /// # Errors
    /// The first thing that does not fit, with its name and what is allowed there. Nothing of a request
    /// that is wrong in one place is served.
    pub fn request(&self, query: Option<&str>, body: &[u8]) -> Result<DynamicMessage, RequestError> {
        let binding = self.binding;
        let mut message = match binding.body() {
            Body::Ignored => DynamicMessage::new(binding.input().clone()),
            Body::Message => body::message(binding.input(), body)?,
            Body::Field(field) => body::field(binding.input(), field, body)?,
        };

        let variables = binding.captures().iter().zip(binding.template().bound());
        for ((field, variable), raw) in variables.zip(&self.captured) {
            let part = if variable.spans_many() { Part::Segments } else { Part::Segment };
            fill(&mut message, field, raw, part)
                .map_err(|problem| RequestError::Path { field: field.name().to_owned(), problem })?;
        }

        if let (Some(query), Body::Ignored | Body::Field(_)) = (query, binding.body()) {
            query::apply(&mut message, query, binding)?;
        }
        if let (Some(mask), Body::Field(target)) = (binding.update_mask(), binding.body()) {
            update_mask::complete(&mut message, mask, target, body)
                .map_err(|problem| RequestError::Body { field: Some(mask.name().to_owned()), problem })?;
        }
        if !depth::is_decodable(&message) {
            let problem = "messages may nest 100 levels deep, and no deeper".to_owned();
            return Err(RequestError::Body { field: None, problem });
        }
        Ok(message)
    }
}

fn fill(message: &mut DynamicMessage, path: &super::FieldPath, raw: &str, part: Part) -> Result<(), String> {
    let text = percent::decode(raw, part).map_err(|error| error.to_string())?;
    let (owner, field) = reach(message, path.fields())?;
    set(owner, field, scalar::parse(&field.kind(), text)?)
}
