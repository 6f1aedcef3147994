use octet_gateway::transcode::Template;

#[test]
fn variables_capture_their_segments() {
    for (template, path, expected) in [
        ("/", "/", Some(vec![])),
        ("/", "/a", None),
        ("/v1/{a}", "/v1/x", Some(vec!["x"])),
        ("/v1/{a}", "/v1/", Some(vec![""])),
        ("/v1/{a}", "/v1", None),
        ("/v1/{a}", "/v1/x/y", None),
        ("/v1/*/{a.b_c}", "/v1/x/y", Some(vec!["y"])),
        ("/{a=x/*}/{b=**}", "/x/1/2/3", Some(vec!["x/1", "2/3"])),
        ("/{a=x/*}/{b=**}", "/x/1", Some(vec!["x/1", ""])),
        ("/{a=x/**}", "/x", Some(vec!["x"])),
        ("/{a=x/**}:go", "/x/1%2F2/3:go", Some(vec!["x/1%2F2/3"])),
        ("/{a=x/**}:go", "/x/1:gone", None),
        ("/**", "/", Some(vec![])),
        ("/{a=**}", "/b/c/", Some(vec!["b/c/"])),
        ("/v1/a:b/{c}", "/v1/a:b/d", Some(vec!["d"])),
        ("/v1/a:b:c", "/v1/a:b:c", Some(vec![])),
        ("/v1/{a}:b:c", "/v1/x:b:c", Some(vec!["x"])),
        ("/caf%C3%A9", "/caf%c3%a9", Some(vec![])),
    ] {
        let parsed = Template::parse(template).unwrap();
        assert_eq!(parsed.captures(path), expected, "{template} on {path}");
        assert_eq!(parsed.to_string(), template);
    }
}

#[test]
fn an_invalid_template_is_refused_with_position() {
    for (template, expected) in [
        ("", "at byte 0: a template must start with `/`"),
        ("v1", "at byte 0: a template must start with `/`"),
        ("/v1/", "at byte 4: a segment is empty, or has a character that is not allowed"),
        ("//v1", "at byte 1: a segment is empty, or has a character that is not allowed"),
        ("/v1/{", "at byte 5: expected a field name: a letter or `_`, then letters, digits and `_`"),
        ("/v1/{1}", "at byte 5: expected a field name: a letter or `_`, then letters, digits and `_`"),
        ("/v1/{a.}", "at byte 7: expected a field name: a letter or `_`, then letters, digits and `_`"),
        ("/v1/{a", "at byte 6: expected `}`"),
        ("/v1/{a=}", "at byte 7: a segment is empty, or has a character that is not allowed"),
        ("/v1/{a={b}}", "at byte 7: a variable cannot contain a variable"),
        ("/v1/{a}/{a}", "at byte 9: a variable binds the same field again"),
        ("/v1/{a}b", "at byte 7: expected `/`, `:` and a verb, or the end"),
        ("/v1/*b", "at byte 5: expected `/`, `:` and a verb, or the end"),
        ("/v1/***", "at byte 6: expected `/`, `:` and a verb, or the end"),
        ("/v1/b}", "at byte 5: expected `/`, `:` and a verb, or the end"),
        ("/v1/**/b", "at byte 4: `**` must be the last segment"),
        ("/{a=**}/{b=**}", "at byte 4: `**` must be the last segment"),
        ("/v1/{a}:", "at byte 8: the verb is empty"),
        ("/v1/b:", "at byte 6: the verb is empty"),
        ("/v1/:b", "at byte 4: a segment is empty, or has a character that is not allowed"),
        ("/v1/{a}:b/c", "at byte 9: a verb must be the last part"),
        ("/v1/%zz", "at byte 4: invalid percent-encoding: `%` must be followed by two hexadecimal digits"),
        ("/v1/é", "at byte 4: a segment is empty, or has a character that is not allowed"),
        ("/v1/a b", "at byte 5: expected `/`, `:` and a verb, or the end"),
    ] {
        assert_eq!(Template::parse(template).unwrap_err().to_string(), expected, "{template}");
    }
}
