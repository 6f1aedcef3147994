use super::*;
use crate::Kind;

const ID: &str = r#""traceId":"00000000000000aa","id":"00000000000000bb""#;

fn one(members: &str) -> Result<Span, Malformed> {
    let mut batch = Batch::read(format!("[{{{members}}}]").as_bytes());
    assert_eq!(batch.broken, None);
    batch.malformed.pop().map_or_else(|| Ok(batch.spans.pop().expect("a span")), Err)
}

#[test]
fn every_member_is_parsed_and_written_unchanged() {
    let text = concat!(
        r#"{"traceId":"4e441824ec2b6a44ffdc9bb9a6453df3","parentId":"ffdc9bb9a6453df3","id":"ffdc9bb9a6453df4","#,
        r#""kind":"CLIENT","name":"get /","timestamp":1502787600000000,"duration":150000,"#,
        r#""localEndpoint":{"serviceName":"a","ipv4":"192.168.99.100","ipv6":"2001:db8::c001","port":80},"#,
        r#""remoteEndpoint":{"serviceName":"b"},"annotations":[{"timestamp":1502787600000001,"value":"ws"}],"#,
        r#""tags":{"error":"","http.path":"/ü"},"debug":true,"shared":false}"#
    );
    let batch = Batch::read(format!("[{text}]").as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    assert_eq!(serde_json::to_string(&batch.spans[0]).unwrap(), text);
}

#[test]
fn what_zipkin_corrects_is_corrected() {
    let span = one(&format!(
        r#"{ID},"parentId":"00000000000000bb","kind":"CLIENT","shared":true,"name":"GET","timestamp":0,"duration":1.5e3,
           "localEndpoint":{{"serviceName":"","ipv4":"","port":0}},"remoteEndpoint":{{"serviceName":"B","ipv6":"::ffff:1.2.3.4"}},
           "tags":null,"annotations":[],"unknown":{{"deep":[1]}}"#
    ));
    let span = span.expect("well-formed");
    assert_eq!(span.parent_id, None, "a span is not its own parent");
    assert_eq!(span.shared, None, "a client does not share its span");
    assert_eq!(span.name.as_deref(), Some("get"));
    assert_eq!((span.timestamp, span.duration), (0, 1_500));
    assert_eq!(span.local, None, "an endpoint without values");
    let remote = span.remote.expect("named");
    assert_eq!(remote.service.as_deref(), Some("b"));
    assert_eq!(remote.ipv4, Some([1, 2, 3, 4].into()));
    assert_eq!(span.kind, Some(Kind::Client));
}

#[test]
fn a_malformed_member_is_named_with_what_is_allowed() {
    for (members, field) in [
        (r#""id":"00000000000000bb""#.to_owned(), "traceId"),
        (r#""traceId":"00000000000000aa""#.to_owned(), "id"),
        (r#""traceId":"AAAAAAAAAAAAAAAA","id":"00000000000000bb""#.to_owned(), "traceId"),
        (r#""traceId":"000000000000000000000000000000aaa","id":"bb""#.to_owned(), "traceId"),
        (r#""traceId":"aa","id":"000000000000000bb""#.to_owned(), "id"),
        (r#""traceId":"0000000000000000","id":"00000000000000bb""#.to_owned(), "traceId"),
        (r#""traceId":"00000000000000aa","id":7"#.to_owned(), "id"),
        (format!(r#"{ID},"parentId":"x""#), "parentId"),
        (format!(r#"{ID},"parentId":"""#), "parentId"),
        (format!(r#"{ID},"kind":"client""#), "kind"),
        (format!(r#"{ID},"name":1"#), "name"),
        (format!(r#"{ID},"timestamp":-0.5"#), "timestamp"),
        (format!(r#"{ID},"duration":"-1""#), "duration"),
        (format!(r#"{ID},"annotations":[{{"timestamp":-1,"value":"a"}}]"#), "annotations[0].timestamp"),
        (
            format!(r#"{ID},"localEndpoint":{{"serviceName":"{}"}}"#, "a".repeat(1_025)),
            "localEndpoint.serviceName",
        ),
        (format!(r#"{ID},"timestamp":"1""#), "timestamp"),
        (format!(r#"{ID},"timestamp":9223372036854775808"#), "timestamp"),
        (format!(r#"{ID},"duration":0.5"#), "duration"),
        (format!(r#"{ID},"localEndpoint":[]"#), "localEndpoint"),
        (format!(r#"{ID},"localEndpoint":{{"port":65536}}"#), "localEndpoint.port"),
        (format!(r#"{ID},"remoteEndpoint":{{"ipv4":"host"}}"#), "remoteEndpoint.ipv4"),
        (format!(r#"{ID},"annotations":{{}}"#), "annotations"),
        (
            format!(r#"{ID},"annotations":[{{"timestamp":1,"value":"a"}},{{"timestamp":1}}]"#),
            "annotations[1].value",
        ),
        (format!(r#"{ID},"annotations":[{{"timestamp":true,"value":"a"}}]"#), "annotations[0].timestamp"),
        (format!(r#"{ID},"tags":[]"#), "tags"),
        (format!(r#"{ID},"tags":{{"a":"1","b":2}}"#), "tags.b"),
        (format!(r#"{ID},"tags":{{"a":null}}"#), "tags.a"),
        (format!(r#"{ID},"debug":1"#), "debug"),
        (format!(r#"{ID},"shared":"true""#), "shared"),
        (format!(r#"{ID},"id":"00000000000000bb""#), ""),
    ] {
        let malformed = one(&members).expect_err(&members);
        assert_eq!(malformed.field, field, "{members}");
        assert!(!malformed.problem.is_empty());
    }
}

#[test]
fn the_good_spans_around_a_malformed_one_are_kept() {
    let text = format!("[{{{ID}}},\n{{{ID},\"kind\":1}},17,{{{ID}}}]");
    let batch = Batch::read(text.as_bytes());
    assert_eq!((batch.spans.len(), batch.malformed_count, batch.broken), (2, 2, None));
    assert_eq!((batch.malformed[0].index, batch.malformed[1].index), (1, 2));
    assert!(text[batch.malformed[0].offset..].starts_with(&format!("{{{ID},\"kind\"")));
    assert!(text[batch.malformed[1].offset..].starts_with("17"));
}

#[test]
fn the_offset_of_broken_json_is_reported_and_earlier_spans_are_kept() {
    let good = format!("[{{{ID}}},\n");
    for (rest, at) in [("}", 0), ("{\"a\":x}]", 5), ("{} x", 3)] {
        let batch = Batch::read(format!("{good}{rest}").as_bytes());
        let broken = batch.broken.expect(rest);
        assert_eq!(batch.spans.len(), 1, "{rest}");
        assert_eq!(broken.offset, good.len() + at, "{rest}: {broken:?}");
    }
    for (text, at) in
        [("", 0), ("{}", 0), ("[] x", 3), ("nul", 0), ("[1,", 3), ("[,1]", 1), ("[1,]", 3), ("[1 2]", 3)]
    {
        let broken = Batch::read(text.as_bytes()).broken.expect(text);
        assert_eq!(broken.offset, at, "{text:?}: {broken:?}");
    }
    let mut bytes = good.clone().into_bytes();
    bytes.push(0xff);
    let batch = Batch::read(&bytes);
    assert_eq!((batch.spans.len(), batch.broken.map(|broken| broken.offset)), (1, Some(good.len())));
}

#[test]
fn short_ids_are_padded_and_negative_times_are_absent_as_in_zipkin() {
    let span = one(r#""traceId":"1aa","id":"bb","parentId":"c","timestamp":-1,"duration":-15e2"#)
        .expect("well-formed");
    assert_eq!(span.trace_id.to_string(), "00000000000001aa");
    assert_eq!(span.id.to_string(), "00000000000000bb");
    assert_eq!(span.parent_id.expect("a parent").to_string(), "000000000000000c");
    assert_eq!((span.timestamp, span.duration), (0, 0));
    let root = one(&format!(r#"{ID},"parentId":"0""#)).expect("well-formed");
    assert_eq!(root.parent_id, None);
}

#[test]
fn a_span_of_zipkins_v1_format_is_refused() {
    let endpoint = r#""endpoint":{"serviceName":"a"}"#;
    for (members, field) in [
        (format!(r#"{ID},"binaryAnnotations":[{{"key":"k","value":"v",{endpoint}}}]"#), "binaryAnnotations"),
        (format!(r#"{ID},"binaryAnnotations":[]"#), "binaryAnnotations"),
        (
            format!(r#"{ID},"annotations":[{{"timestamp":1,"value":"sr",{endpoint}}}]"#),
            "annotations[0].endpoint",
        ),
    ] {
        let malformed = one(&members).expect_err(&members);
        assert_eq!(malformed.field, field, "{members}");
        assert!(malformed.problem.contains("v1 format"), "{}", malformed.problem);
    }
    one(&format!(r#"{ID},"binaryAnnotations":null"#)).expect("null counts as absent");
}

#[test]
fn a_span_of_more_than_a_mebibyte_is_refused_and_others_are_read() {
    let huge = |size: usize| {
        let start = format!(r#"{{{ID},"name":""#);
        format!(r#"{start}{}"}}"#, "x".repeat(size - start.len() - 2))
    };
    let batch = Batch::read(format!("[{},{},{{{ID}}}]", huge(1024 * 1024), huge(1024 * 1024 + 1)).as_bytes());
    assert_eq!((batch.spans.len(), batch.malformed_count, batch.broken), (2, 1, None));
    assert_eq!(
        (batch.malformed[0].index, batch.malformed[0].problem.as_str()),
        (1, "must have at most 1048576 bytes")
    );
}

#[test]
fn a_long_text_is_not_repeated_in_full() {
    let malformed = one(&format!(r#"{ID},"kind":"{}""#, "x\\n".repeat(9_000))).expect_err("malformed");
    assert!(malformed.problem.len() < 300, "{}", malformed.problem);
}

/// A member of a span, well-formed or malformed.
fn member() -> impl proptest::strategy::Strategy<Value = String> {
    let name = proptest::sample::select(vec![
        "name",
        "kind",
        "parentId",
        "timestamp",
        "duration",
        "localEndpoint",
        "remoteEndpoint",
        "annotations",
        "tags",
        "debug",
        "shared",
        "id",
        "unknown",
        "binaryAnnotations",
    ]);
    let value = proptest::sample::select(vec![
        "null",
        "true",
        "false",
        "7",
        "0",
        "1.5e3",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        r#""""#,
        r#""GET Ä""#,
        r#""a\u0041\n""#,
        r#""CLIENT""#,
        r#""SERVER""#,
        r#""00000000000000bb""#,
        r#""0000000000000000""#,
        r#""0""#,
        r#""b""#,
        "-1.5e3",
        "-0.5",
        r#"[{"timestamp":1,"value":"a","endpoint":{}}]"#,
        r#""00000000000000cc""#,
        "[]",
        "{}",
        r#"["a"]"#,
        r#"["a",null,null,80]"#,
        r#"{"serviceName":"A"}"#,
        r#"{"serviceName":"","port":0}"#,
        r#"{"ipv4":"1.2.3.4","ipv6":"::ffff:5.6.7.8","port":80,"x":{}}"#,
        r#"{"ipv6":"2001:db8::1"}"#,
        r#"{"ipv4":"x"}"#,
        r#"{"port":65536}"#,
        r#"{"port":8e1}"#,
        r#"[{"timestamp":1,"value":"a\tb"}]"#,
        r#"[[1,"a"]]"#,
        r#"[{"timestamp":1}]"#,
        r#"{"b":"1","a":"2","b":"3","c\u0041":""}"#,
        r#"{"a":1}"#,
        r#"{"a":null}"#,
    ]);
    proptest::strategy::Strategy::prop_map((name, value), |(name, value)| format!(r#""{name}":{value}"#))
}

#[test]
fn octets_own_spans_are_parsed_in_one_pass() {
    let text = concat!(
        r#"{"traceId":"4e441824ec2b6a44ffdc9bb9a6453df3","parentId":"ffdc9bb9a6453df3","id":"ffdc9bb9a6453df4","#,
        r#""kind":"SERVER","name":"greeting.v3.GreetingService/Greeting","timestamp":1502787600000000,"duration":15,"#,
        r#""localEndpoint":{"serviceName":"a","ipv4":"127.0.0.1","port":80},"remoteEndpoint":{"serviceName":"b"},"#,
        r#""annotations":[{"timestamp":1502787600000001,"value":"ws"}],"tags":{"rpc.system":"grpc","error":"a \"b\""}}"#
    );
    let (_, length) = plain::read(&format!("{text} , "), &mut Interned(&mut Copies)).expect("in one pass");
    assert_eq!(length, text.len());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]

    #[test]
    fn no_input_causes_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        Batch::read(&bytes);
    }

    /// For members in any order, some of them unusual or malformed.
    #[test]
    fn both_parsers_return_the_same_span(members in proptest::collection::vec(member(), 0..6)) {
        let text = format!("{{{}}}", [ID.to_owned()].into_iter().chain(members).collect::<Vec<_>>().join(","));
        if let Ok(raw) = serde_json::from_str::<&RawValue>(&text) {
            let slow = span::read(raw);
            let rest = format!("{text},{text}]");
            if let Some((fast, length)) = plain::read(&rest, &mut Interned(&mut Copies)) {
                proptest::prop_assert_eq!(length, text.len());
                proptest::prop_assert_eq!(Ok(fast), slow.map_err(|error| error.problem), "{}", text);
            }
        }
    }

    #[test]
    fn a_written_span_parses_to_the_same_span(text in r#"\[(\{"traceId":"[0-9a-f]{16}","id":"[1-9a-f]{16}","(name|kind|tags|x)":("[A-Z]{0,9}"|7|\{"k":"\PC"\}|null)\},?){0,5}\]"#) {
        let first = Batch::read(text.as_bytes());
        let again = Batch::read(&serde_json::to_vec(&first.spans).unwrap());
        proptest::prop_assert!(again.is_whole());
        proptest::prop_assert_eq!(first.spans, again.spans);
    }
}
