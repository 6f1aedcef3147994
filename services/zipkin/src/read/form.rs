//! The forms in which a reader returns a span: a structure, or its bytes.

use super::{
    Intern,
    plain::{Checked, PlainSpan},
};
use crate::{Span, packed::Summary};

/// Makes a form of a span.
pub(super) trait Form {
    type Span<'a>;

    /// Of the common case.
    fn of_plain<'a>(&mut self, span: PlainSpan<'a>, checked: Checked) -> Self::Span<'a>;

    /// Of all others.
    fn of_span<'a>(&mut self, span: Span) -> Self::Span<'a>;
}

/// A structure, whose texts are provided.
pub(super) struct Interned<'t, I>(pub(super) &'t mut I);

impl<I: Intern> Form for Interned<'_, I> {
    type Span<'a> = Span;

    fn of_plain<'a>(&mut self, span: PlainSpan<'a>, checked: Checked) -> Self::Span<'a> {
        span.into_span(checked, self.0)
    }

    fn of_span<'a>(&mut self, mut span: Span) -> Self::Span<'a> {
        for text in span.texts_mut() {
            *text = self.0.intern(text);
        }
        span
    }
}

/// Bytes, which are appended; with a summary where it is known without reading them.
pub(super) struct Packed<'o>(pub(super) &'o mut Vec<u8>);

impl Form for Packed<'_> {
    type Span<'a> = Option<Summary<'a>>;

    fn of_plain<'a>(&mut self, span: PlainSpan<'a>, checked: Checked) -> Option<Summary<'a>> {
        span.pack(checked, self.0)
    }

    fn of_span<'a>(&mut self, span: Span) -> Option<Summary<'a>> {
        span.pack(self.0);
        None
    }
}
