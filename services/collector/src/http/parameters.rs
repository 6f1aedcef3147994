//! The query parameters of a request; each error names its parameter.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Refusal;
use crate::store::{Search, Window};

/// Zipkin's default: a day, in milliseconds.
const LOOKBACK: u64 = 86_400_000;

/// The default and the maximum number of traces in an answer.
const TRACES: usize = 10;
const MAX_TRACES: usize = 10_000;

/// The maximum number of terms in an `annotationQuery`, as in Zipkin's server.
const MAX_TERMS: usize = 100;

/// The decoded query; of a duplicate key, the first value.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut parameters = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.entry(decoded(key)).or_insert_with(|| decoded(value));
        }
        Self(parameters)
    }

    /// A value that is not blank.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::bad(format!("{name}: required")))
    }

    pub(super) fn window(&self) -> Result<Window, Refusal> {
        let (end, lookback) = self.end_and_lookback()?;
        Ok(Window::new(end.unwrap_or_else(now), lookback))
    }

    /// The end of a period in milliseconds since 1970, and its length in milliseconds.
    pub(super) fn end_and_lookback(&self) -> Result<(Option<u64>, u64), Refusal> {
        Ok((self.number("endTs")?, self.number("lookback")?.unwrap_or(LOOKBACK)))
    }

    pub(super) fn search(&self) -> Result<Search, Refusal> {
        let label = |name| self.text(name).map(str::to_lowercase);
        let limit = match self.number("limit")? {
            None => TRACES,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| *limit <= MAX_TRACES)
                .ok_or_else(|| Refusal::bad(format!("limit: must be at most {MAX_TRACES}")))?,
        };
        let (min_duration, max_duration) = (self.number("minDuration")?, self.number("maxDuration")?);
        match (min_duration, max_duration) {
            (None, Some(_)) => return Err(Refusal::bad("maxDuration: requires minDuration")),
            (Some(min), Some(max)) if max < min => {
                return Err(Refusal::bad("maxDuration: must not be less than minDuration"));
            }
            _ => {}
        }
        Ok(Search {
            window: self.window()?,
            limit,
            service: label("serviceName"),
            remote_service: label("remoteServiceName"),
            // Zipkin's page sends "all" when no name is selected.
            span_name: label("spanName").filter(|name| name != "all"),
            annotations: self.annotations()?,
            min_duration,
            max_duration,
        })
    }

    /// Parses `error and http.method=GET`: annotations and tags, all of which are required.
    fn annotations(&self) -> Result<BTreeMap<String, String>, Refusal> {
        const NAME: &str = "annotationQuery";
        let terms = self.text(NAME).unwrap_or_default().split(" and ").map(str::trim);
        let terms: Vec<&str> = terms.filter(|term| !term.is_empty()).take(MAX_TERMS + 1).collect();
        if terms.len() > MAX_TERMS {
            return Err(Refusal::bad(format!("{NAME}: must have at most {MAX_TERMS} terms")));
        }
        let mut annotations = BTreeMap::new();
        for term in terms {
            if let Some((key, value)) = term.split_once('=') {
                annotations.insert(key.trim().to_owned(), value.trim().to_owned());
            } else {
                // As in Zipkin, a required value takes precedence over any value.
                annotations.entry(term.to_owned()).or_default();
            }
        }
        Ok(annotations)
    }

    /// A number above zero, as Zipkin requires.
    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| Refusal::bad(format!("{name}: must be a whole number above 0")))
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Decodes percent-encoding, with a plus for a space. An invalid escape is kept.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => {
                digit(*high).zip(digit(*low)).map(|(high, low)| (high * 16 + low, after))
            }
            _ => None,
        };
        let plain = (if *first == b'+' { b' ' } else { *first }, after);
        let (byte, after) = escaped.unwrap_or(plain);
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        Parameters::read(Some(query)).search().expect_err(query).message
    }

    #[test]
    fn a_search_of_zipkins_page_is_parsed() {
        let query = "serviceName=Service-A&spanName=all&annotationQuery=error+and+http.method%3DGET&limit=7\
                     &minDuration=5&maxDuration=9&endTs=100000&lookback=1000&remoteServiceName=&x";
        let search = Parameters::read(Some(query)).search().unwrap();
        assert_eq!(search.service.as_deref(), Some("service-a"));
        assert_eq!((search.span_name, search.remote_service, search.limit), (None, None, 7));
        assert_eq!(search.window, Window::new(100_000, 1_000));
        let annotations: Vec<_> = search.annotations.into_iter().collect();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(annotations, [pair("error", ""), pair("http.method", "GET")]);
    }

    #[test]
    fn an_invalid_parameter_is_named() {
        for name in ["endTs", "lookback", "limit", "minDuration", "maxDuration"] {
            for value in ["x", "0", "-1", "1.5", "99999999999999999999"] {
                assert!(refused(&format!("{name}={value}")).starts_with(&format!("{name}: ")));
            }
        }
        assert!(refused("limit=10001").starts_with("limit: "));
        assert!(refused("maxDuration=5").starts_with("maxDuration: "));
        assert!(refused("minDuration=6&maxDuration=5").starts_with("maxDuration: "));
    }

    #[test]
    fn an_annotation_query_is_parsed_into_its_terms() {
        for (query, annotations) in [
            ("a=b and a", &[("a", "b")][..]),
            ("a and a=b", &[("a", "b")]),
            ("a = b  and  c =", &[("a", "b"), ("c", "")]),
            ("a=b and a=c=d", &[("a", "c=d")]),
            ("a and  and b", &[("a", ""), ("b", "")]),
        ] {
            let parameter = format!("annotationQuery={}", query.replace('=', "%3D").replace(' ', "+"));
            let search = Parameters::read(Some(&parameter)).search().unwrap();
            let read: Vec<_> = search.annotations.iter().map(|(key, value)| (&**key, &**value)).collect();
            assert_eq!(read, annotations, "{query}");
        }
    }

    #[test]
    fn an_annotation_query_has_at_most_a_hundred_terms() {
        let terms = |count: usize| {
            let terms: Vec<String> = (0..count).map(|term| format!("k{term}")).collect();
            format!("annotationQuery={}", terms.join("+and+"))
        };
        let search = Parameters::read(Some(&terms(100))).search().unwrap();
        assert_eq!(search.annotations.len(), 100);
        assert_eq!(refused(&terms(101)), "annotationQuery: must have at most 100 terms");
    }

    #[test]
    fn an_invalid_escape_is_kept() {
        for (text, plain) in
            [("%41+b", "A b"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "% 1"), ("%c3%bc", "ü")]
        {
            assert_eq!(decoded(text), plain, "{text}");
        }
    }
}
