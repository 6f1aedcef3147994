//! Saved answers, one JSON object per line, read one at a time.

use std::io::{BufRead, Read};

use octet_backends::inspect::Fingerprint;
use octet_topology::MAX_GREETINGS;
use serde_json::Value;

use super::trace_name::{TRACE_RESPONSE, TraceName};

/// No answer is longer: as a message it has up to 4 MiB, and as JSON less than twice as much. This bounds the memory that
/// a file can make the audit use.
const MAX_LINE: usize = 8 * 1024 * 1024;

const SHAPE: &str = "each line must be a saved answer: {\"greeting\":[{\"id\":…,\"service\":…},…]}, or a line of a stream: \
                     {\"result\":{\"id\":…,\"service\":…}}";

/// One answer of the gateway.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its line in the file, counted from 1; of a stream, its first.
    pub line: u64,
    /// Its greetings, in order.
    pub greetings: Vec<Greeting>,
    /// Whether it was a stream, whose greetings have no fixed order.
    pub is_stream: bool,
    /// Its trace, if the file names it.
    pub trace: Option<TraceName>,
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
    /// Whether the lines are those of events.
    is_event: bool,
    /// A line that was read and does not belong to the stream before it.
    next: Option<Line>,
}

/// One line of the file.
enum Line {
    Blank,
    /// A whole answer, and its trace.
    Answer(Vec<Greeting>, Option<TraceName>),
    /// The trace of the answer before it.
    Trace(Option<TraceName>),
    /// A greeting of a stream.
    Greeting(Greeting),
    /// A stream of events ended.
    End,
    /// A stream failed.
    Failed,
    /// A part of an event without meaning here.
    Other,
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
        Self { origin: origin.into(), input, line: 0, buffer: Vec::new(), is_event: false, next: None }
    }

    /// The next answer. Blank lines between answers are ignored; they separate streams. A stream that failed is left out, as
    /// error responses are.
    ///
    /// # Errors
    /// [`Malformed`] at the first line that is not an answer or cannot be read.
    pub fn read(&mut self) -> Result<Option<Answer>, Malformed> {
        let mut stream = Answer { line: 0, greetings: Vec::new(), is_stream: true, trace: None };
        let mut size = 0;
        while let Some(line) = self.line()? {
            match line {
                Line::Answer(greetings, trace) if stream.greetings.is_empty() => {
                    let answer = Answer { line: self.line, greetings, is_stream: false, trace };
                    return self.with_trace(answer).map(Some);
                }
                Line::Greeting(greeting) => {
                    if stream.greetings.is_empty() {
                        stream.line = self.line;
                    }
                    size += self.buffer.len();
                    if size > MAX_LINE || stream.greetings.len() > MAX_GREETINGS {
                        let problem = "the stream is too long; separate streams by blank lines".to_owned();
                        return Err(self.malformed(problem));
                    }
                    stream.greetings.push(greeting);
                }
                Line::Failed => stream.greetings.clear(),
                // Blank lines separate events, too, whose streams have an end.
                Line::Blank if self.is_event => {}
                Line::Blank | Line::End if !stream.greetings.is_empty() => {
                    return self.with_trace(stream).map(Some);
                }
                Line::Trace(trace) if !stream.greetings.is_empty() => {
                    return Ok(Some(Answer { trace, ..stream }));
                }
                line @ Line::Answer(..) => {
                    self.next = Some(line);
                    return Ok(Some(stream));
                }
                // The trace of a stream that failed is left out with it.
                Line::Blank | Line::End | Line::Other | Line::Trace(_) => {}
            }
        }
        Ok((!stream.greetings.is_empty()).then_some(stream))
    }

    /// The answer with the trace that a line after it names, if one does.
    fn with_trace(&mut self, answer: Answer) -> Result<Answer, Malformed> {
        if answer.trace.is_some() {
            return Ok(answer);
        }
        while let Some(line) = self.line()? {
            match line {
                Line::Blank | Line::Other => {}
                Line::Trace(trace) => return Ok(Answer { trace, ..answer }),
                line => {
                    self.next = Some(line);
                    break;
                }
            }
        }
        Ok(answer)
    }

    fn line(&mut self) -> Result<Option<Line>, Malformed> {
        if let Some(line) = self.next.take() {
            return Ok(Some(line));
        }
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
        let line = if text.is_empty() {
            Ok(Line::Blank)
        } else if let Some(name) = trace_line(text) {
            TraceName::parse(name).map(Line::Trace)
        } else if let Some(event) = text.strip_prefix(b"event:") {
            self.is_event = false;
            Ok(match event.trim_ascii() {
                b"end" => Line::End,
                b"error" => Line::Failed,
                _ => Line::Other,
            })
        } else if let Some(data) = text.strip_prefix(b"data:") {
            self.is_event = true;
            event(data)
        } else {
            self.is_event = false;
            parse(text)
        };
        line.map(Some).map_err(|problem| self.malformed(problem))
    }

    fn malformed(&self, problem: String) -> Malformed {
        Malformed { origin: self.origin.clone(), line: self.line, problem }
    }
}

/// The value of a line such as `traceresponse: 00-…`, as `curl -w` prints it.
fn trace_line(text: &[u8]) -> Option<&str> {
    let value = text.strip_prefix(TRACE_RESPONSE.as_bytes())?.strip_prefix(b":")?;
    std::str::from_utf8(value).ok()
}

/// The data of an event: a greeting. Those of the last event, the trailers or the error, have no id.
fn event(data: &[u8]) -> Result<Line, String> {
    match object(data)? {
        fields if fields.contains_key("id") => {
            read_greeting("data", Value::Object(fields)).map(Line::Greeting)
        }
        _ => Ok(Line::Other),
    }
}

fn parse(text: &[u8]) -> Result<Line, String> {
    let mut line = object(text)?;
    if let Some(greeting) = line.remove("result") {
        return read_greeting("result", greeting).map(Line::Greeting);
    }
    let trace = match line.remove(TRACE_RESPONSE) {
        Some(Value::String(text)) => TraceName::parse(&text)?,
        Some(_) => return Err(format!("{TRACE_RESPONSE} is not a string")),
        None => None,
    };
    match line.remove("greeting") {
        Some(Value::Array(greetings)) => {
            let greetings = greetings.into_iter().enumerate();
            let greetings =
                greetings.map(|(index, greeting)| read_greeting(&format!("greeting[{index}]"), greeting));
            Ok(Line::Answer(greetings.collect::<Result<_, _>>()?, trace))
        }
        // The last line of a stream that failed.
        None if line.get("error").is_some_and(Value::is_object) => Ok(Line::Failed),
        _ => Err(format!("no array \"greeting\"; {SHAPE}; leave out error responses (curl -f does)")),
    }
}

fn object(text: &[u8]) -> Result<serde_json::Map<String, Value>, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        let why = error.to_string();
        // serde_json's line number is always 1 here.
        let why = why.split(" at line ").next().unwrap_or(&why);
        format!("not JSON ({why}, at column {}); {SHAPE}", error.column())
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("not a JSON object; {SHAPE}")),
    }
}

fn read_greeting(place: &str, greeting: Value) -> Result<Greeting, String> {
    let Value::Object(mut fields) = greeting else {
        return Err(format!("{place} is not a JSON object; {SHAPE}"));
    };
    let mut optional = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{place}.{name} is not a string; {SHAPE}")),
        None => Ok(None),
    };
    let (id, service) = (optional("id")?, optional("service")?);
    let (message, created, hostname) = (optional("message")?, optional("created")?, optional("hostname")?);
    let required =
        |field: Option<String>, name: &str| field.ok_or_else(|| format!("{place} has no {name}; {SHAPE}"));
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
    fn lines_and_events_of_streams_are_answers_and_failed_streams_are_left_out() {
        const A: &str = r#"{"id":"1","service":"a"}"#;
        const B: &str = r#"{"id":"2","service":"b"}"#;
        let lines = format!("{{\"result\":{A}}}\n{{\"result\":{B}}}\n");
        let failed = format!("{{\"result\":{A}}}\n{{\"error\":{{\"code\":14}}}}\n");
        let events = format!("data: {A}\n\ndata: {B}\n\nevent: end\ndata: {{}}\n\n");
        let failed_events = format!("data: {A}\n\nevent: error\ndata: {{\"code\":14}}\n\n");
        let whole = format!("{{\"greeting\":[{A}]}}\n");
        for (text, expected) in [
            (lines.clone(), vec![(1, 2, true)]),
            (format!("{lines}\n{lines}"), vec![(1, 2, true), (4, 2, true)]),
            (format!("{lines}{whole}{lines}"), vec![(1, 2, true), (3, 1, false), (4, 2, true)]),
            (format!("{failed}{lines}"), vec![(3, 2, true)]),
            (format!("{events}{events}"), vec![(1, 2, true), (8, 2, true)]),
            (format!("{failed_events}{events}{whole}"), vec![(6, 2, true), (13, 1, false)]),
            (failed, vec![]),
        ] {
            let mut answers = answers(text.clone());
            let mut found = Vec::new();
            while let Some(answer) = answers.read().unwrap_or_else(|fault| panic!("{text}: {fault}")) {
                found.push((answer.line, answer.greetings.len(), answer.is_stream));
            }
            assert_eq!(found, expected, "{text}");
        }
        assert!(fault(r#"{"result":{"id":"1"}}"#).contains("line 1: result has no service"));
        assert!(fault("data: {\"id\":7}").contains("line 1: data.id is not a string"));
        assert!(fault(lines.repeat(1_000)).contains("the stream is too long"));
    }

    #[test]
    fn an_answer_has_the_trace_that_its_member_or_the_line_after_it_names() {
        let trace = |digit: &str| format!("00-{}-{}-01", digit.repeat(32), digit.repeat(16));
        let (one, two, three) = (trace("1"), trace("2"), trace("3"));
        let text = format!(
            "{{\"greeting\":[],\"traceresponse\":\"{one}\"}}\n{{\"greeting\":[]}}\ntraceresponse: {two}\r\n\
             {{\"greeting\":[]}}\ntraceresponse: \n{{\"greeting\":[]}}\n\
             {{\"result\":{{\"id\":\"1\",\"service\":\"a\"}}}}\n\ntraceresponse: {three}\n"
        );
        let mut answers = answers(text);
        let mut found = Vec::new();
        while let Some(answer) = answers.read().unwrap() {
            found.push((answer.line, answer.trace.map(|name| name.trace.to_string()[..1].to_owned())));
        }
        let digit = |digit: &str| Some(digit.to_owned());
        assert_eq!(found, [(1, digit("1")), (2, digit("2")), (4, None), (6, None), (7, digit("3"))]);
        assert!(
            fault("{\"greeting\":[]}\ntraceresponse: x").contains("line 2: traceresponse must be 00-TRACE")
        );
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
