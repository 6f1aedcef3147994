use serde_json::json;

use crate::library::{get, request};

#[test]
fn parameters_fill_fields_of_every_kind() {
    for (query, expected) in [
        ("", json!({})),
        ("&&", json!({})),
        ("int32_value=-5&int32Value", json!("error")),
        ("int32Value=-5", json!({"int32Value": -5})),
        ("int64_value=9223372036854775807", json!({"int64Value": "9223372036854775807"})),
        (
            "uint32_value=4294967295&uint64_value=18446744073709551615",
            json!({"uint32Value": 4_294_967_295_u32, "uint64Value": "18446744073709551615"}),
        ),
        (
            "sint32_value=-1&sint64_value=-2&sfixed32_value=-3&sfixed64_value=-4",
            json!({"sint32Value": -1, "sint64Value": "-2", "sfixed32Value": -3, "sfixed64Value": "-4"}),
        ),
        ("fixed32_value=1&fixed64_value=2", json!({"fixed32Value": 1, "fixed64Value": "2"})),
        ("double_value=1e308&float_value=-1.5", json!({"doubleValue": 1e308, "floatValue": -1.5})),
        ("double_value=NaN&float_value=-Infinity", json!({"doubleValue": "NaN", "floatValue": "-Infinity"})),
        ("double_value=inf", json!({"doubleValue": "Infinity"})),
        ("bool_value=true", json!({"boolValue": true})),
        ("bool_value=T", json!({"boolValue": true})),
        ("string_value=a+b%20c%2B%26%3D", json!({"stringValue": "a b c+&="})),
        ("string_value", json!({})),
        ("bytes_value=_-8", json!({"bytesValue": "/+8="})),
        ("bytes_value=/%2B8=", json!({"bytesValue": "/+8="})),
        ("genre=SCIENCE", json!({"genre": "SCIENCE"})),
        ("genre=1", json!({"genre": "FICTION"})),
        ("nested.below.text=deep", json!({"nested": {"below": {"text": "deep"}}})),
        ("nested.text=a&nested.below.text=b", json!({"nested": {"text": "a", "below": {"text": "b"}}})),
        ("strings=a&strings=&strings=b", json!({"strings": ["a", "", "b"]})),
        ("numbers=1&strings=a&numbers=2", json!({"numbers": ["1", "2"], "strings": ["a"]})),
        ("genres=FICTION&genres=2", json!({"genres": ["FICTION", "SCIENCE"]})),
        ("durations=1s&durations=2m", json!({"durations": ["1s", "120s"]})),
        ("labels[a.b%5D]=c&labels[]=d", json!({"labels": {"a.b]": "c", "": "d"}})),
        ("by_flag[true]=SCIENCE", json!({"byFlag": {"true": "SCIENCE"}})),
        ("times[7]=2024-02-29T12:00:00Z", json!({"times": {"7": "2024-02-29T12:00:00Z"}})),
        ("choice_text=a", json!({"choiceText": "a"})),
        (
            "choice_nested.text=a&choice_nested.below.text=b",
            json!({"choiceNested": {"text": "a", "below": {"text": "b"}}}),
        ),
        ("maybe_number=0", json!({"maybeNumber": 0})),
        ("otherName=a", json!({"otherName": "a"})),
        ("renamed=a", json!({"otherName": "a"})),
    ] {
        let made = get(&format!("/v1/everything?{query}"));
        assert_eq!(made.unwrap_or_else(|_| json!("error")), expected, "{query}");
    }
}

#[test]
fn well_known_types_are_read_as_grpc_gateway_reads_them() {
    for (query, expected) in [
        ("timestamp=2024-02-29T12:00:00.5%2B01:00", json!({"timestamp": "2024-02-29T11:00:00.500Z"})),
        ("timestamp=null", json!({})),
        ("timestamp.seconds=60", json!({"timestamp": "1970-01-01T00:01:00Z"})),
        ("duration=1h1.5s", json!({"duration": "3601.500s"})),
        ("duration=-0.5s", json!({"duration": "-0.500s"})),
        ("field_mask=a.b,c", json!({"fieldMask": "a.b,c"})),
        ("wrapped_double=NaN", json!({"wrappedDouble": null})),
        (
            "wrapped_int64=5&wrapped_bool=true&wrapped_string=&wrapped_bytes=_w",
            json!({"wrappedInt64": "5", "wrappedBool": true, "wrappedString": "", "wrappedBytes": "/w=="}),
        ),
        ("value={\"a\":[1,null]}", json!({"value": {"a": [1.0, null]}})),
        ("struct={\"a\":true}", json!({"struct": {"a": true}})),
    ] {
        assert_eq!(get(&format!("/v1/everything?{query}")), Ok(expected), "{query}");
    }
}

#[test]
fn an_invalid_parameter_is_refused_with_name_and_allowed_values() {
    for (query, expected) in [
        ("int32_value=x", r#"`int32_value`: "x" is not a 32-bit integer, from -2147483648 to 2147483647"#),
        (
            "int32Value=2147483648",
            r#"`int32Value`: "2147483648" is not a 32-bit integer, from -2147483648 to 2147483647"#,
        ),
        ("int32_value=", r#"`int32_value`: "" is not a 32-bit integer, from -2147483648 to 2147483647"#),
        (
            "uint64_value=-1",
            r#"`uint64_value`: "-1" is not an unsigned 64-bit integer, from 0 to 18446744073709551615"#,
        ),
        ("float_value=1e39", r#"`float_value`: "1e39" is out of range"#),
        ("double_value=one", r#"`double_value`: "one" is not a number, NaN, Infinity or -Infinity"#),
        ("bool_value=yes", r#"`bool_value`: "yes" is not a boolean: true or false"#),
        (
            "genre=SPORT",
            r#"`genre`: "SPORT" is not a Genre: GENRE_UNSPECIFIED, FICTION, SCIENCE, or its number"#,
        ),
        ("genre=3", r#"`genre`: "3" is not a Genre: GENRE_UNSPECIFIED, FICTION, SCIENCE, or its number"#),
        ("bytes_value=***", r#"`bytes_value`: "***" is not base64, standard or URL-safe"#),
        (
            "int32_value=1&int32_value=1",
            "`int32_value`: only one value is allowed, but the query has several",
        ),
        ("string_value=&stringValue=", "`stringValue`: only one value is allowed, but the query has several"),
        ("labels[a]=1&labels[a]=2", "`labels[a]`: only one value is allowed, but the query has several"),
        ("labels=a", "`labels`: the field is a map: write `labels[key]=value`"),
        ("by_number[x]=1", r#"`by_number[x]`: "x" is not a 32-bit integer, from -2147483648 to 2147483647"#),
        (
            "by_number[1]=x",
            "`by_number[1]`: the field is a library.v1.Nested: name one of its fields, as in `key.field=value`",
        ),
        ("strings[0]=a", r#"`strings[0]`: the field is not a map, so it has no entry "0""#),
        ("int32_value[a]=1", r#"`int32_value[a]`: the field is not a map, so it has no entry "a""#),
        (
            "nested=x",
            "`nested`: the field is a library.v1.Nested: name one of its fields, as in `key.field=value`",
        ),
        ("nesteds.text=x", "`nesteds.text`: `nesteds` is not a single message, so it has no fields"),
        ("string_value.x=1", "`string_value.x`: `string_value` is not a single message, so it has no fields"),
        (
            "choice_text=a&choice_number=1",
            "`choice_number`: `choice_text` is already set, and only one field of oneof `choice` can be set",
        ),
        (
            "choice_number=0&choice_nested.text=a",
            "`choice_nested.text`: `choice_number` is already set, and only one field of oneof `choice` can be set",
        ),
        (
            "field_mask=a,,b",
            r#"`field_mask`: "a,,b" is not a comma-separated list of fields, such as title,author.given_name"#,
        ),
        (
            "field_mask=foo-bar",
            r#"`field_mask`: "foo-bar" is not a comma-separated list of fields, such as title,author.given_name"#,
        ),
        (
            "duration=1.0000000001s",
            r#"`duration`: "1.0000000001s" is not a duration, such as 1.5s, 100ms or 2h45m"#,
        ),
        (
            "timestamp=yesterday",
            r#"`timestamp`: "yesterday" is not an RFC 3339 time, such as 2024-02-29T12:00:00.5Z"#,
        ),
        ("duration=1d", r#"`duration`: "1d" is not a duration, such as 1.5s, 100ms or 2h45m"#),
        ("wrapped_bool=2", r#"`wrapped_bool`: "2" is not a boolean: true or false"#),
        (
            "any=x",
            "`any`: the field is a google.protobuf.Any: name one of its fields, as in `key.field=value`",
        ),
        (
            "struct={",
            r#"`struct`: "{" is not the JSON of a google.protobuf.Struct: the JSON ends within an object at line 1 column 1"#,
        ),
        (
            "string_value=%zz",
            "`string_value`: invalid percent-encoding: `%` must be followed by two hexadecimal digits",
        ),
        ("unknown=%FF", "`unknown`: the percent-decoded text is not UTF-8"),
        ("%4=1", "`%4`: invalid percent-encoding: `%` must be followed by two hexadecimal digits"),
    ] {
        let expected = format!("query parameter {expected}");
        assert_eq!(get(&format!("/v1/everything?{query}")), Err(expected), "{query}");
    }
}

#[test]
fn errors_cut_long_texts() {
    let key = get(&format!("/v1/everything?by_flag[{}]=1", "é".repeat(5_000))).unwrap_err();
    assert!(key.len() < 500, "{key}");
    let json = get(&format!("/v1/everything?struct=\"{}\"", "é".repeat(5_000))).unwrap_err();
    assert!(json.len() < 800, "{json}");
    let error = get(&format!("/v1/everything?int32_value={}", "é".repeat(5_000))).unwrap_err();
    assert!(error.len() < 300, "{error}");
}

#[test]
fn a_time_that_does_not_exist_is_refused() {
    for time in [
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00.0000000001Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00%2B1:00",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "99999-01-01T00:00:00Z",
        "2024-01-01 00:00:00Z",
        "2024-01-01",
        "",
    ] {
        assert!(get(&format!("/v1/everything?timestamp={time}")).is_err(), "{time}");
    }
}

#[test]
fn unknown_and_bound_fields_are_ignored() {
    for (target, expected) in [
        ("/v1/everything?nobody=1&nested.nobody=2&nested.nobody.else=3&=4&.=5", json!({})),
        ("/v1/shelves/7?shelf=8", json!({"shelf": "7"})),
        (
            "/v1/everything/nested/a?nested.text=b&nested.below.text=c",
            json!({"nested": {"text": "a", "below": {"text": "c"}}}),
        ),
        ("/v1/everything/choice/a?choice_text=b&choiceText=c", json!({"choiceText": "a"})),
    ] {
        assert_eq!(get(target), Ok(expected), "{target}");
    }
    // The path has set another member of the oneof.
    assert!(get("/v1/everything/choice/a?choice_number=1").is_err());
}

#[test]
fn a_key_with_too_many_levels_is_refused() {
    let key = |levels: usize| format!("/v1/everything?nested.{}text=x", "below.".repeat(levels));
    assert!(request(&http::Method::GET, &key(30), b"").is_ok());
    let error = request(&http::Method::GET, &key(31), b"").unwrap_err();
    assert!(error.ends_with("a key can have at most 32 levels"), "{error}");
    assert!(request(&http::Method::GET, &key(100_000), b"").is_err());
}
