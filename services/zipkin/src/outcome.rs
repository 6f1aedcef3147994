//! How a call ended, as one of its sides reports it.

use octet_fault::Code;

use crate::Span;

/// The tags of a call to a database in OpenTelemetry's older and newer conventions.
const DATABASE_TAGS: [&str; 2] = ["db.system", "db.system.name"];

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

impl Span {
    /// Reads the tags of a call, in one pass: a collector does this for every span.
    pub fn reading(&self) -> Reading<'_> {
        let mut is_error = false;
        let mut is_database = false;
        let mut code: Option<(usize, &str)> = None;
        for (key, value) in &self.tags {
            // The places in the order of precedence: OpenTelemetry's older and newer conventions.
            let place = match &**key {
                "error" => {
                    is_error = true;
                    continue;
                }
                "rpc.grpc.status_code" => 0,
                "rpc.response.status_code" => 1,
                "http.response.status_code" => 2,
                "http.status_code" => 3,
                "error.type" => 4,
                key => {
                    is_database |= DATABASE_TAGS.contains(&key);
                    continue;
                }
            };
            if code.is_none_or(|(before, _)| place < before) {
                code = Some((place, value));
            }
        }
        let code = code.map(|(_, code)| code);
        let outcome = match code {
            Some(code) if CANCELLED.contains(&code) => Outcome::Cancelled,
            code if is_error => Outcome::Failed(code.map(number)),
            _ => Outcome::Ok,
        };
        Reading { outcome, is_database }
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
