use http::Method;
use serde_json::{Value, json};

use crate::library::{get, request, request_json};

#[test]
fn path_variables_become_fields_of_their_type() {
    for (target, expected) in [
        ("/v1/shelves/a%2Fb%20c", json!({"shelf": "a/b c"})),
        ("/v1/shelves/a+b:c", json!({"shelf": "a+b:c"})),
        ("/v1/shelves/1/books/caf%C3%A9%2f2", json!({"name": "shelves/1/books/café%2f2"})),
        ("/v1/books/a%2Fb", json!({"name": "a/b"})),
        ("/v1/files/a/b%2Fc%20d%23/", json!({"path": "a/b%2Fc d#/"})),
        ("/v1/files/a%2Fb/c:raw", json!({"path": "a%2Fb/c"})),
        ("/v1/files", json!({})),
        ("/v1/any/a/b", json!({})),
        (
            "/v1/everything/-7/true/SCIENCE/_-8",
            json!({"int32Value": -7, "boolValue": true, "genre": "SCIENCE", "bytesValue": "/+8="}),
        ),
        ("/v1/everything/nested/x", json!({"nested": {"text": "x"}})),
    ] {
        assert_eq!(get(target), Ok(expected), "{target}");
    }
}

#[test]
fn an_invalid_path_variable_is_refused_by_name() {
    for (target, expected) in [
        (
            "/v1/everything/x/true/0/",
            r#"path parameter `int32_value`: "x" is not a 32-bit integer, from -2147483648 to 2147483647"#,
        ),
        (
            "/v1/everything/1/maybe/0/",
            r#"path parameter `bool_value`: "maybe" is not a boolean: true or false"#,
        ),
        ("/v1/shelves/%e9", "path parameter `shelf`: the percent-decoded text is not UTF-8"),
        (
            "/v1/files/a/%",
            "path parameter `path`: invalid percent-encoding: `%` must be followed by two hexadecimal digits",
        ),
    ] {
        assert_eq!(get(target), Err(expected.to_owned()), "{target}");
    }
}

#[test]
fn a_body_goes_where_the_rule_says() {
    for (method, target, body, expected) in [
        // The whole message: the query is ignored, the path wins.
        (
            "POST",
            "/v1/shelves/7:merge?other=query",
            r#"{"name":"body","other":"o"}"#,
            json!({"name": "shelves/7", "other": "o"}),
        ),
        ("POST", "/v1/shelves/7:merge", "", json!({"name": "shelves/7"})),
        ("POST", "/v1/shelves/7:merge", " \r\n\t", json!({"name": "shelves/7"})),
        // One field: the query sets others.
        (
            "POST",
            "/v1/shelves?request_id=r&shelf.theme=query",
            r#"{"theme":"sea"}"#,
            json!({"shelf": {"theme": "sea"}, "requestId": "r"}),
        ),
        ("POST", "/v1/shelves", "{}", json!({"shelf": {}})),
        ("POST", "/v1/shelves", "null", json!({})),
        ("POST", "/v1/shelves", "", json!({})),
        ("POST", "/v1/tags", r#"["a","b"]"#, json!({"tags": ["a", "b"]})),
        ("POST", "/v1/weight", r#""9007199254740993""#, json!({"weight": "9007199254740993"})),
        ("POST", "/v1/weight", "5", json!({"weight": "5"})),
        ("POST", "/v1/labels", r#"{"a":1}"#, json!({"labels": {"a": 1}})),
        // No body in the rule: the body is ignored.
        ("GET", "/v1/shelves/7", "not JSON", json!({"shelf": "7"})),
        ("DELETE", "/v1/shelves/1/books/2", "{", json!({"name": "shelves/1/books/2"})),
        // Both forms of names, unknown fields and unknown enum names.
        (
            "POST",
            "/v1/everything",
            r#"{"int32_value":1,"int64Value":2,"otherName":"r","nobody":{"a":[{}]},"genre":"SPORT"}"#,
            json!({"int32Value": 1, "int64Value": "2", "otherName": "r"}),
        ),
        (
            "POST",
            "/v1/everything",
            r#"{"genre":7,"doubleValue":"NaN","bytesValue":"_-8","maybeNumber":0,"nested":null}"#,
            json!({"genre": 7, "doubleValue": "NaN", "bytesValue": "/+8=", "maybeNumber": 0}),
        ),
    ] {
        let method: Method = method.parse().unwrap();
        assert_eq!(request_json(&method, target, body), Ok(expected), "{method} {target} {body}");
    }
}

#[test]
fn an_invalid_body_is_refused_with_field_and_position() {
    for (target, body, expected) in [
        ("/v1/everything", "{", "request body: the JSON ends within an object at line 1 column 1"),
        ("/v1/everything", "\n\n  nul", "request body: the JSON ends within a value at line 3 column 5"),
        ("/v1/everything", "[]", "request body: expected an object, but got an array at line 1 column 1"),
        (
            "/v1/everything",
            "{}}",
            "request body: unexpected characters after the JSON value at line 1 column 3",
        ),
        (
            "/v1/everything",
            "{} {}",
            "request body: unexpected characters after the JSON value at line 1 column 4",
        ),
        (
            "/v1/everything",
            "{\n \"int32Value\": \"x\"}",
            "request body, field `int32Value`: \"x\" is not a 32-bit integer, from -2147483648 to 2147483647 at line 2 column 19",
        ),
        (
            "/v1/everything",
            r#"{"nested":{"below":{"text":1}}}"#,
            "request body, field `nested.below.text`: expected a string, but got a number at line 1 column 28",
        ),
        (
            "/v1/everything",
            r#"{"nesteds":[{"text":"a"},{"text":[]}]}"#,
            "request body, field `nesteds[1].text`: expected a string, but got an array at line 1 column 33",
        ),
        (
            "/v1/everything",
            r#"{"choiceText":"a","choiceNumber":1}"#,
            "request body, field `choiceNumber`: `choice_text` is already set, and only one field of oneof `choice` can be set at line 1 column 35",
        ),
        (
            "/v1/everything",
            r#"{"timestamp":"now"}"#,
            "request body, field `timestamp`: \"now\" is not an RFC 3339 time, such as 2024-02-29T12:00:00.5Z at line 1 column 19",
        ),
        (
            "/v1/shelves",
            r#"{"theme":}"#,
            "request body, field `theme`: expected a JSON value at line 1 column 10",
        ),
        ("/v1/shelves", "[]", "request body: expected an object, but got an array at line 1 column 1"),
        (
            "/v1/tags",
            "[1]",
            "request body, field `[0]`: expected a string, but got a number at line 1 column 2",
        ),
        (
            "/v1/everything",
            r#"{"int32Value":1,"int32_value":2}"#,
            "request body, field `int32_value`: the field occurs more than once at line 1 column 29",
        ),
        ("/v1/weight", "1 2", "request body: unexpected characters after the JSON value at line 1 column 3"),
    ] {
        assert_eq!(request_json(&Method::POST, target, body), Err(expected.to_owned()), "{target} {body}");
    }
    let long = format!("{{\"nested\":\"{}\"}}", "é".repeat(100_000));
    let error = request_json(&Method::POST, "/v1/everything", &long).unwrap_err();
    assert!(error.len() < 500 && error.ends_with("at line 1 column 200012"), "{error}");
    assert!(request(&Method::POST, "/v1/everything", b"{\"stringValue\":\"\xff\"}").is_err());
}

#[test]
fn a_body_that_nests_too_deep_is_refused() {
    let nested = |levels: usize| {
        format!(
            "{}{}",
            r#"{"nested":"#.to_owned() + &r#"{"below":"#.repeat(levels) + "{}",
            "}".repeat(levels + 1)
        )
    };
    assert!(request_json(&Method::POST, "/v1/everything", &nested(90)).is_ok());
    for body in [
        nested(100_000),
        format!("{{\"value\":{}", "[".repeat(100_000)),
        format!("{{\"unknown\":{}", "[".repeat(100_000)),
        format!("{{\"any\":{}", "{\"a\":".repeat(100_000)),
    ] {
        let error = request_json(&Method::POST, "/v1/everything", &body).unwrap_err();
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn a_patch_without_a_mask_gets_one_from_its_body() {
    let mask = |target: &str, body: &str| {
        let made = request_json(&Method::PATCH, target, body).unwrap();
        made.get("updateMask").cloned().unwrap_or(Value::Null)
    };
    let book = "/v1/shelves/1/books/2";
    for (target, body, expected) in [
        (
            book.to_owned(),
            r#"{"title":"t","author":{"given_name":"g"},"nobody":1}"#,
            json!("author.givenName,title"),
        ),
        (
            book.to_owned(),
            r#"{"tags":["a"],"author":{},"published":"2024-02-29T12:00:00Z"}"#,
            json!("author,published,tags"),
        ),
        (book.to_owned(), r#"{"title":null}"#, json!("title")),
        (book.to_owned(), "", json!("")),
        (format!("{book}?update_mask=tags"), r#"{"title":"t"}"#, json!("tags")),
    ] {
        assert_eq!(mask(&target, body), expected, "{target} {body}");
    }
    // PUT replaces, and its body is the request itself.
    let put = request_json(&Method::PUT, book, r#"{"book":{"title":"t"}}"#);
    assert_eq!(put, Ok(json!({"book": {"name": "shelves/1/books/2", "title": "t"}})));
}
