//! Which compressed forms a client accepts (RFC 9110, 12.5.3).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::edge::is_refusal;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// The value of `Content-Encoding`, which the uncompressed form does not have.
    pub(super) fn name(self) -> Option<HeaderValue> {
        match self {
            Self::Brotli => Some(HeaderValue::from_static("br")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Identity => None,
        }
    }

    /// Distinguishes the forms of one file in their `ETag`s.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
            Self::Identity => "",
        }
    }
}

/// The compressed forms that a client accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    brotli: bool,
    gzip: bool,
}

impl Accepted {
    pub(super) fn includes(self, encoding: Encoding) -> bool {
        match encoding {
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
            Encoding::Identity => true,
        }
    }
}

/// Reads `Accept-Encoding`. Weights above zero are ignored: the smallest form is best for both sides.
pub(super) fn accepted(headers: &HeaderMap) -> Accepted {
    let mut named = [None, None];
    let mut others = false;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for element in values.flat_map(|value| value.split(',')) {
        let mut parts = element.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let accepts = parts.all(|parameter| !is_refusal(parameter));
        let [brotli, gzip] = &mut named;
        match name.as_str() {
            "br" => *brotli = Some(accepts),
            "gzip" | "x-gzip" => *gzip = Some(accepts),
            "*" => others = accepts,
            _ => {}
        }
    }
    let [brotli, gzip] = named.map(|accepts| accepts.unwrap_or(others));
    Accepted { brotli, gzip }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (bool, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_str(text).expect("a value"));
        let Accepted { brotli, gzip } = accepted(&headers);
        (brotli, gzip)
    }

    #[test]
    fn a_client_accepts_the_encodings_that_it_names() {
        assert_eq!(accepted(&HeaderMap::new()), Accepted::default());
        for (text, forms) in [
            ("gzip, deflate, br, zstd", (true, true)),
            ("gzip", (false, true)),
            ("BR;q=0.1 , x-gzip", (true, true)),
            ("*", (true, true)),
            ("identity", (false, false)),
            ("", (false, false)),
        ] {
            assert_eq!(read(text), forms, "{text:?}");
        }
    }

    #[test]
    fn q_zero_refuses_an_encoding() {
        for (text, forms) in [
            ("br;q=0, gzip", (false, true)),
            ("br; Q = 0.000, *;q=0.5", (false, true)),
            ("*;q=0, gzip;q=1", (false, true)),
            ("gzip;q=0,*", (true, false)),
        ] {
            assert_eq!(read(text), forms, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_can_be_read(text in "[ -~]{0,80}") {
            let _ = read(&text);
        }
    }
}
