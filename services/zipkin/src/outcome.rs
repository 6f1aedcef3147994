//! How a call ended, as one of its sides reports it.

use octet_fault::Code;

use crate::Span;

/// gRPC's CANCELLED as a number and as a name, and what proxies log for a client that left.
const CANCELLED: [&str; 3] = ["1", "CANCELLED", "499"];

/// The numbers of gRPC's codes.
const NUMBERS: [&str; 17] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Without an error.
    Ok,
    /// Its caller left before the end: neither an error nor a success, since no one learned the result.
    Cancelled,
    /// With an error, and its code where the span has one: the number of a gRPC code, or an HTTP status.
    Failed(Option<&'a str>),
}

/// What a span's tags say about its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading<'a> {
    /// How it ended.
    pub outcome: Outcome<'a>,
    /// Whether it is a call to a database.
    pub is_database: bool,
}

/// Reads the tags of a call, one after another.
#[derive(Debug, Default)]
pub(crate) struct TagReader<'a> {
    is_error: bool,
    is_database: bool,
    /// The place in the order of precedence, and the code.
    code: Option<(usize, &'a [u8])>,
}

impl<'a> TagReader<'a> {
    /// Reads a tag; of equal keys, the last takes precedence.
    pub(crate) fn read(&mut self, key: &[u8], value: &'a [u8]) {
        // The places in the order of precedence: OpenTelemetry's older and newer conventions.
        let place = match key {
            b"error" => {
                self.is_error = true;
                return;
            }
            b"rpc.grpc.status_code" => 0,
            b"rpc.response.status_code" => 1,
            b"http.response.status_code" => 2,
            b"http.status_code" => 3,
            b"error.type" => 4,
            b"db.system" | b"db.system.name" => {
                self.is_database = true;
                return;
            }
            _ => return,
        };
        if self.code.is_none_or(|(before, _)| place <= before) {
            self.code = Some((place, value));
        }
    }

    pub(crate) fn finish(self) -> Reading<'a> {
        let code = self.code.map(|(_, code)| std::str::from_utf8(code).unwrap_or_default());
        let outcome = match code {
            Some(code) if CANCELLED.contains(&code) => Outcome::Cancelled,
            code if self.is_error => Outcome::Failed(code.map(number)),
            _ => Outcome::Ok,
        };
        Reading { outcome, is_database: self.is_database }
    }
}

impl Span {
    /// Reads the tags of a call, in one pass.
    pub fn reading(&self) -> Reading<'_> {
        let mut reader = TagReader::default();
        for (key, value) in &self.tags {
            reader.read(key.as_bytes(), value.as_bytes());
        }
        reader.finish()
    }
}

/// The number of a gRPC code that is given by its name, so that both conventions count as one code; other codes as they are.
fn number(code: &str) -> &str {
    let named = Code::parse(code).and_then(|code| usize::try_from(code.number()).ok());
    named.and_then(|number| NUMBERS.get(number)).copied().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use crate::Batch;

    fn outcome(tags: &str) -> String {
        let span = format!(r#"[{{"traceId":"a","id":"b","tags":{{{tags}}}}}]"#);
        let batch = Batch::read(span.as_bytes());
        format!("{:?}", batch.spans[0].reading().outcome)
    }

    #[test]
    fn a_cancelled_call_is_neither_failed_nor_ok() {
        for tags in [
            r#""rpc.grpc.status_code":"1""#,
            r#""error":"Cancelled: the caller cancelled the call","rpc.grpc.status_code":"1","error.type":"CANCELLED""#,
            r#""rpc.response.status_code":"CANCELLED""#,
            r#""http.response.status_code":"499","error":"""#,
            r#""error.type":"CANCELLED","error":"""#,
        ] {
            assert_eq!(outcome(tags), "Cancelled", "{tags}");
        }
    }

    #[test]
    fn an_error_has_the_code_of_the_most_specific_tag() {
        for (tags, expected) in [
            (r#""rpc.grpc.status_code":"0""#, "Ok"),
            (r#""http.status_code":"404""#, "Ok"),
            (r#""error":"""#, "Failed(None)"),
            (r#""error.type":"UNAVAILABLE","error":"","rpc.grpc.status_code":"14""#, r#"Failed(Some("14"))"#),
            (
                r#""error.type":"UNAVAILABLE","error":"","rpc.response.status_code":"UNAVAILABLE""#,
                r#"Failed(Some("14"))"#,
            ),
            (r#""error":"","error.type":"DEADLINE_EXCEEDED""#, r#"Failed(Some("4"))"#),
            (r#""error":"","error.type":"Timeout""#, r#"Failed(Some("Timeout"))"#),
            (r#""error.type":"503","error":"","http.status_code":"502""#, r#"Failed(Some("502"))"#),
        ] {
            assert_eq!(outcome(tags), expected, "{tags}");
        }
    }

    #[test]
    fn a_call_to_a_database_is_recognized_by_either_convention() {
        for (tag, expected) in [("db.system", true), ("db.system.name", true), ("db.name", false)] {
            let span = format!(r#"[{{"traceId":"a","id":"b","tags":{{"{tag}":"x"}}}}]"#);
            assert_eq!(Batch::read(span.as_bytes()).spans[0].reading().is_database, expected, "{tag}");
        }
    }
}
