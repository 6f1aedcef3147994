//! Saved answers, one JSON object per line, read one at a time.

use std::io::{BufRead, Read};

use octet_backends::inspect::Fingerprint;
use serde_json::Value;

/// No answer is longer: as a message it has up to 4 MiB, and as JSON less than twice as much. This bounds the memory that
/// a file can make the audit use.
const MAX_LINE: usize = 8 * 1024 * 1024;

const SHAPE: &str = "each line must be a saved answer: {\"greeting\":[{\"id\":…,\"service\":…},…]}";

/// One answer of the gateway.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its line in the file, counted from 1.
    pub line: u64,
    /// Its greetings, in order.
    pub greetings: Vec<Greeting>,
}

/// The fields of a greeting that the audit checks.
#[derive(Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Its id, not validated yet.
    pub id: String,
    /// The name of its service, not validated yet.
    pub service: String,
    /// Its message, unless the file has the ids and services only. The same holds for the following fields.
    pub message: Option<String>,
    /// When it was created.
    pub created: Option<String>,
    /// The host that created it.
    pub hostname: Option<String>,
}

impl Greeting {
    /// The fingerprint that its document must have.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let fields =
            [Some(&self.service), self.message.as_ref(), self.created.as_ref(), self.hostname.as_ref()];
        Fingerprint::of(fields.map(|field| field.map(String::as_bytes)))
    }
}

/// A file of saved answers. It is read once from start to end, so a pipe works too.
pub struct Answers {
    origin: String,
    input: Box<dyn BufRead>,
    line: u64,
    buffer: Vec<u8>,
}

/// What is wrong with the file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{origin}, line {line}: {problem}")]
pub struct Malformed {
    origin: String,
    line: u64,
    problem: String,
}

impl Answers {
    /// Reads from `input`; errors call it `origin`.
    pub fn new(origin: impl Into<String>, input: Box<dyn BufRead>) -> Self {
        Self { origin: origin.into(), input, line: 0, buffer: Vec::new() }
    }

    /// The next answer. Blank lines are ignored.
    ///
    /// # Errors
    /// [`Malformed`] at the first line that is not an answer or cannot be read.
    pub fn read(&mut self) -> Result<Option<Answer>, Malformed> {
        loop {
            self.buffer.clear();
            self.line += 1;
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
            let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer);
            if read.map_err(|error| self.malformed(format!("cannot be read: {error}")))? == 0 {
                return Ok(None);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(self.malformed(format!("longer than {} MiB; {SHAPE}", MAX_LINE >> 20)));
            }
            let text = self.buffer.trim_ascii();
            if !text.is_empty() {
                let greetings = parse(text).map_err(|problem| self.malformed(problem))?;
                return Ok(Some(Answer { line: self.line, greetings }));
            }
        }
    }

    fn malformed(&self, problem: String) -> Malformed {
        Malformed { origin: self.origin.clone(), line: self.line, problem }
    }
}

fn parse(text: &[u8]) -> Result<Vec<Greeting>, String> {
    let answer: Value = serde_json::from_slice(text).map_err(|error| {
        let why = error.to_string();
        // serde_json's line number is always 1 here.
        let why = why.split(" at line ").next().unwrap_or(&why);
        format!("not JSON ({why}, at column {}); {SHAPE}", error.column())
    })?;
    let Value::Object(mut answer) = answer else { return Err(format!("not a JSON object; {SHAPE}")) };
    let Some(Value::Array(greetings)) = answer.remove("greeting") else {
        return Err(format!("no array \"greeting\"; {SHAPE}; leave out error responses (curl -f does)"));
    };
    greetings.into_iter().enumerate().map(|(index, greeting)| read_greeting(index, greeting)).collect()
}

fn read_greeting(index: usize, greeting: Value) -> Result<Greeting, String> {
    let Value::Object(mut fields) = greeting else {
        return Err(format!("greeting[{index}] is not a JSON object; {SHAPE}"));
    };
    let mut optional = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("greeting[{index}].{name} is not a string; {SHAPE}")),
        None => Ok(None),
    };
    let (id, service) = (optional("id")?, optional("service")?);
    let (message, created, hostname) = (optional("message")?, optional("created")?, optional("hostname")?);
    let required = |field: Option<String>, name: &str| {
        field.ok_or_else(|| format!("greeting[{index}] has no {name}; {SHAPE}"))
    };
    Ok(Greeting {
        id: required(id, "id")?,
        service: required(service, "service")?,
        message,
        created,
        hostname,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn answers(text: impl Into<Vec<u8>>) -> Answers {
        Answers::new("saved.jsonl", Box::new(Cursor::new(text.into())))
    }

    fn fault(text: impl Into<Vec<u8>>) -> String {
        let mut answers = answers(text);
        loop {
            match answers.read() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no fault"),
                Err(fault) => return fault.to_string(),
            }
        }
    }

    #[test]
    fn unknown_fields_and_blank_lines_are_ignored() {
        let mut answers = answers(
            "\n{\"greeting\":[{\"id\":\"1\",\"service\":\"a\",\"message\":\"Hi\"}],\"missing\":[\"b\"]}\r\n  \n{\"greeting\":[]}",
        );
        let first = answers.read().unwrap().unwrap();
        assert_eq!(first.line, 2);
        let greeting = Greeting {
            id: "1".into(),
            service: "a".into(),
            message: Some("Hi".into()),
            created: None,
            hostname: None,
        };
        assert_eq!(first.greetings, [greeting]);
        let last = answers.read().unwrap().unwrap();
        assert_eq!((last.line, last.greetings.len()), (4, 0));
        assert_eq!(answers.read().unwrap(), None);
    }

    #[test]
    fn a_malformed_line_is_reported_with_its_number_and_the_reason() {
        for (line, why) in [
            ("{\"greeting\":[", "line 2: not JSON (EOF while parsing a list, at column 13)"),
            ("{\"greeting\":[]}{\"greeting\":[]}", "line 2: not JSON (trailing characters, at column 16)"),
            ("[]", "line 2: not a JSON object; each line must be a saved answer"),
            (r#"{"code":14,"message":"gone"}"#, "line 2: no array \"greeting\""),
            (r#"{"greeting":["a"]}"#, "line 2: greeting[0] is not a JSON object"),
            (r#"{"greeting":[{"id":"1"}]}"#, "line 2: greeting[0] has no service"),
            (
                r#"{"greeting":[{"id":"1","service":"a","message":7}]}"#,
                "line 2: greeting[0].message is not a string",
            ),
            (r#"{"greeting":[{"id":1,"service":"a"}]}"#, "line 2: greeting[0].id is not a string"),
            ("\u{feff}{}", "line 2: not JSON (expected value, at column 1)"),
        ] {
            let fault = fault(format!("{{\"greeting\":[]}}\n{line}"));
            assert!(fault.starts_with(&format!("saved.jsonl, {why}")), "{fault}");
        }
        assert!(fault(*b"\xff\n").starts_with("saved.jsonl, line 1: not JSON"));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut answers = Answers::new("zeros", Box::new(std::io::BufReader::new(std::io::repeat(b'0'))));
        let fault = answers.read().expect_err("endless").to_string();
        assert!(fault.starts_with("zeros, line 1: longer than 8 MiB"), "{fault}");
    }
}
