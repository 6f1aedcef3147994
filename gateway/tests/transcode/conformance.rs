//! The JSON cases of protobuf's conformance suite for proto3, with inputs of our own, and the inputs of bug reports.

use std::sync::LazyLock;

use octet_gateway::transcode::{message_from_json, message_json};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value as Field};
use serde_json::{Value, json};

use crate::library::compiled;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| compiled("conformance.proto"));

fn all_types() -> MessageDescriptor {
    POOL.get_message_by_name("conformance.v1.AllTypes").unwrap()
}

fn read(input: &str) -> Result<DynamicMessage, String> {
    message_from_json(&all_types(), input.as_bytes()).map_err(|error| error.to_string())
}

/// The set fields of the message that `input` becomes, as its response would have them.
fn round_trip(input: &str) -> Result<Value, String> {
    let message = read(input)?;
    let bytes = message.encode_to_vec();
    let decoded = DynamicMessage::decode(all_types(), bytes.as_slice()).unwrap();
    let written = message_json(&decoded).unwrap();
    // What is written can be read again, and is the same message.
    let again = message_from_json(&all_types(), &written).unwrap();
    let Value::Object(mut fields) = serde_json::from_slice(&written).unwrap() else {
        panic!("{input} is not an object");
    };
    let Value::Object(once_more) = serde_json::from_slice(&message_json(&again).unwrap()).unwrap() else {
        panic!("{input} is not an object");
    };
    assert_eq!(fields, once_more, "{input}");

    let field = |name: &str| all_types().get_field_by_json_name(name).unwrap();
    fields.retain(|name, _| decoded.has_field(&field(name)));
    Ok(Value::Object(fields))
}

#[track_caller]
fn accepts(cases: &[(&str, Value)]) {
    for (input, expected) in cases {
        assert_eq!(round_trip(input).as_ref(), Ok(expected), "{input}");
    }
}

#[track_caller]
fn accepts_unchanged(inputs: &[&str]) {
    for input in inputs {
        assert_eq!(round_trip(input), Ok(serde_json::from_str(input).unwrap()), "{input}");
    }
}

#[track_caller]
fn refuses(inputs: &[&str]) {
    for input in inputs {
        let error = match read(input) {
            Ok(message) => panic!("{input} is accepted as {:?}", message.encode_to_vec()),
            Err(error) => error,
        };
        for words in ["found in string", "invalid type", "EOF", "rfc3339", "invalid digit", "Invalid"] {
            assert!(!error.contains(words), "{input}: {error}");
        }
        assert!(error.contains(" at line "), "{input}: {error}");
    }
}

/// `{"<name>": <value>}` for every value.
fn fields(name: &str, values: &[&str]) -> Vec<String> {
    values.iter().map(|value| format!(r#"{{"{name}": {value}}}"#)).collect()
}

#[track_caller]
fn accepts_values(name: &str, values: &[(&str, Value)]) {
    for (value, expected) in values {
        let input = format!(r#"{{"{name}": {value}}}"#);
        let mut set = round_trip(&input).unwrap_or_else(|error| panic!("{input}: {error}"));
        // A default is not set, so it is compared with the response.
        let found = set.as_object_mut().unwrap().remove(name);
        let default = || {
            let written = message_json(&read(&input).unwrap()).unwrap();
            serde_json::from_slice::<Value>(&written).unwrap()[name].clone()
        };
        assert_eq!(&found.unwrap_or_else(default), expected, "{input}");
    }
}

#[track_caller]
fn refuses_values(name: &str, values: &[&str]) {
    let inputs = fields(name, values);
    refuses(&inputs.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn field_names() {
    accepts_unchanged(&[
        "{}",
        r#"{"fieldname1": 1, "fieldName2": 2, "FieldName3": 3, "fieldName4": 4}"#,
        r#"{"field0name5": 5, "field0Name6": 6}"#,
        r#"{"fieldName7": 7, "FieldName8": 8, "fieldName9": 9, "FieldName10": 10, "FIELDNAME11": 11, "FIELDName12": 12}"#,
        r#"{"FieldName13": 13, "FieldName14": 14, "fieldName15": 15, "fieldName16": 16, "fieldName17": 17, "FieldName18": 18}"#,
    ]);
    accepts(&[
        (
            r#"{"fieldname1": 1, "field_name2": 2, "_field_name3": 3, "field__name4_": 4, "field_0_name6": 6,
                "field_Name9": 9, "Field_Name10": 10, "FIELD_NAME11": 11, "FIELD_name12": 12, "__field_name13": 13,
                "__Field_name14": 14, "field__name15": 15, "field__Name16": 16, "field_name17__": 17,
                "Field_name18__": 18}"#,
            json!({"fieldname1": 1, "fieldName2": 2, "FieldName3": 3, "fieldName4": 4, "field0Name6": 6,
                "fieldName9": 9, "FieldName10": 10, "FIELDNAME11": 11, "FIELDName12": 12, "FieldName13": 13,
                "FieldName14": 14, "fieldName15": 15, "fieldName16": 16, "fieldName17": 17, "FieldName18": 18}),
        ),
        (r#"{"fieldname\u0031": 1}"#, json!({"fieldname1": 1})),
        // Unknown names, of any type, and names of extensions, which proto3 has none of.
        (
            r#"{"unknown": 1, "unknown2": "a", "unknown3": [1, {"a": null}], "unknown4": true, "unknown5": null,
                "[conformance.v1.extension]": 1, "optionalInt32": 1}"#,
            json!({"optionalInt32": 1}),
        ),
    ]);
    refuses(&[
        "{fieldname1: 1}",
        "{'fieldname1': 1}",
        r#"{"fieldname1": 1,}"#,
        r#"{"fieldname1": 1 ,}"#,
        r#"{"fieldname1": 1,,}"#,
        r#"{,"fieldname1": 1}"#,
        r#"{"fieldname1": 1 "fieldName2": 2}"#,
        "{\"fieldname1\": 1\n\"fieldName2\": 2}",
        "{\n// comment\n\"fieldname1\": 1}",
        r#"{"fieldname1": 1, "fieldname1": 2}"#,
        r#"{"fieldName2": 1, "field_name2": 2}"#,
        r#"{"field_name2": null, "fieldName2": 2}"#,
        r#"{"optionalNested": {"a": 1}, "optional_nested": {}}"#,
        "null",
        "[]",
        "1",
        r#""""#,
        "{}{}",
        "{",
        r#"{"a"#,
    ]);
}

#[test]
fn integers() {
    accepts_values(
        "optionalInt32",
        &[
            ("2147483647", json!(2_147_483_647)),
            ("-2147483648", json!(-2_147_483_648)),
            (r#""2147483647""#, json!(2_147_483_647)),
            (r#""-2147483648""#, json!(-2_147_483_648)),
            (r#""2\u003147483647""#, json!(2_147_483_647)),
            ("1e5", json!(100_000)),
            (r#""1e5""#, json!(100_000)),
            (r#""1e2""#, json!(100)),
            ("1E+2", json!(100)),
            ("100000.000", json!(100_000)),
            (r#""100000.000""#, json!(100_000)),
            ("2147483647.000", json!(2_147_483_647)),
            ("-2147483648.000", json!(-2_147_483_648)),
            ("0", json!(0)),
            (r#""0""#, json!(0)),
            ("-0", json!(0)),
            ("null", json!(0)),
        ],
    );
    accepts_values(
        "optionalUint32",
        &[("4294967295", json!(4_294_967_295_u32)), ("4294967295.000", json!(4_294_967_295_u32))],
    );
    accepts_values(
        "optionalInt64",
        &[
            (r#""9223372036854775807""#, json!("9223372036854775807")),
            (r#""-9223372036854775808""#, json!("-9223372036854775808")),
            ("9223372036854775807", json!("9223372036854775807")),
            ("-9223372036854775808", json!("-9223372036854775808")),
            ("9007199254740993.0", json!("9007199254740993")),
            (r#""9007199254740993.0""#, json!("9007199254740993")),
            ("9.007199254740993e15", json!("9007199254740993")),
        ],
    );
    accepts_values(
        "optionalUint64",
        &[
            (r#""18446744073709551615""#, json!("18446744073709551615")),
            ("18446744073709551615", json!("18446744073709551615")),
            ("1e19", json!("10000000000000000000")),
        ],
    );
    for name in ["optionalSint32", "optionalSfixed32"] {
        accepts_values(name, &[("-7", json!(-7)), (r#""7""#, json!(7))]);
    }
    for name in ["optionalSint64", "optionalSfixed64"] {
        accepts_values(name, &[("-7", json!("-7")), (r#""7""#, json!("7"))]);
    }
    accepts_values("optionalFixed32", &[("7", json!(7))]);
    accepts_values("optionalFixed64", &[("7", json!("7"))]);
}

#[test]
fn invalid_integers() {
    refuses_values(
        "optionalInt32",
        &["2147483648", "-2147483649", r#""2147483648""#, "1e10", "2147483648.0"],
    );
    refuses_values("optionalUint32", &["4294967296", "-1", r#""-1""#]);
    refuses_values(
        "optionalInt64",
        &[
            "9223372036854775808",
            "-9223372036854775809",
            r#""9223372036854775808""#,
            r#""-9223372036854775809""#,
            "9223372036854775808.0",
            "1e19",
        ],
    );
    refuses_values(
        "optionalUint64",
        &[
            "18446744073709551616",
            r#""18446744073709551616""#,
            "18446744073709551616.0",
            "1.8446744073709551616e19",
            "-1",
        ],
    );
    for name in ["optionalInt32", "optionalUint32", "optionalInt64", "optionalUint64", "optionalSfixed64"] {
        refuses_values(
            name,
            &[
                "0.5",
                r#""0.5""#,
                "1e-1",
                r#""""#,
                r#""12abc""#,
                r#""abc""#,
                r#""3x3""#,
                "3x3",
                "+1",
                r#""+1""#,
                "01",
                r#""01""#,
                "-01",
                r#"" 1""#,
                r#""1 ""#,
                r#""0x1""#,
                r#""1e""#,
                r#""NaN""#,
                r#""Infinity""#,
                "true",
                "[]",
                "[1]",
                "{}",
                r#""null""#,
            ],
        );
    }
}

/// A float of 32 bits as the number that its shortest decimal form is.
fn short(value: f32) -> Value {
    serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap()
}

#[test]
fn floats() {
    accepts_values(
        "optionalFloat",
        &[
            ("1.175494e-38", short(1.175_494e-38_f32)),
            ("-1.175494e-38", short(-1.175_494e-38_f32)),
            ("3.402823e+38", short(3.402_823e38_f32)),
            ("-3.402823e+38", short(-3.402_823e38_f32)),
            // FLT_MAX, in its shortest form and exactly.
            ("3.4028235e38", short(f32::MAX)),
            ("3.40282346638528859811704183484516925e38", short(f32::MAX)),
            ("340282346638528859811704183484516925440", short(f32::MAX)),
            ("1e-45", short(1e-45_f32)),
            ("1e-60", json!(0.0)),
            ("1", json!(1.0)),
            (r#""1""#, json!(1.0)),
            (r#""1.175494e-38""#, short(1.175_494e-38_f32)),
            (r#""NaN""#, json!("NaN")),
            (r#""Infinity""#, json!("Infinity")),
            (r#""-Infinity""#, json!("-Infinity")),
        ],
    );
    accepts_values(
        "optionalDouble",
        &[
            ("2.22507e-308", json!(2.22507e-308)),
            ("-2.22507e-308", json!(-2.22507e-308)),
            ("1.79769e+308", json!(1.79769e308)),
            ("-1.79769e+308", json!(-1.79769e308)),
            ("1.7976931348623157e308", json!(f64::MAX)),
            ("5e-324", json!(5e-324)),
            ("1", json!(1.0)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            (r#""1""#, json!(1.0)),
            (r#""2.22507e-308""#, json!(2.22507e-308)),
            (r#""NaN""#, json!("NaN")),
            (r#""Infinity""#, json!("Infinity")),
            (r#""-Infinity""#, json!("-Infinity")),
        ],
    );
    refuses_values(
        "optionalFloat",
        &["3.502823e+38", "-3.502823e+38", r#""3.5e38""#, "3.5e38", "1e39", "1e400"],
    );
    refuses_values(
        "optionalDouble",
        &["1.89769e+308", "-1.89769e+308", r#""1e309""#, "1e309", r#""-1e309""#],
    );
    for name in ["optionalFloat", "optionalDouble"] {
        refuses_values(
            name,
            &[
                "NaN",
                "Infinity",
                "-Infinity",
                r#""nan""#,
                r#""inf""#,
                r#""infinity""#,
                r#""+Infinity""#,
                r#""""#,
                r#""1.""#,
                r#"".5""#,
                r#"" 1""#,
                r#""0x1p3""#,
                "1.",
                ".5",
                "true",
                "[]",
                "{}",
            ],
        );
    }
}

#[test]
fn booleans_strings_and_bytes() {
    accepts_unchanged(&[
        r#"{"optionalBool": true}"#,
        r#"{"optionalString": "Hello world!"}"#,
        r#"{"optionalString": "谷歌"}"#,
        r#"{"optionalString": "\"\\\/\b\f\n\r\t"}"#,
        r#"{"optionalString": "\u8c37\u6B4C"}"#,
        r#"{"optionalString": "\uD83D\uDE01"}"#,
        r#"{"optionalBytes": "AQI="}"#,
    ]);
    accepts(&[
        (r#"{"optionalBool": false}"#, json!({})),
        (r#"{"optionalString": ""}"#, json!({})),
        (r#"{"optionalBytes": "AQI"}"#, json!({"optionalBytes": "AQI="})),
        (r#"{"optionalBytes": "-_"}"#, json!({"optionalBytes": "+w=="})),
        (r#"{"optionalBytes": "-_8="}"#, json!({"optionalBytes": "+/8="})),
        (r#"{"optionalBytes": "+/8"}"#, json!({"optionalBytes": "+/8="})),
    ]);
    refuses_values("optionalBool", &["0", "1", "True", "TRUE", r#""true""#, r#""false""#, r#""""#, "[]"]);
    refuses_values(
        "optionalString",
        &[
            "12345",
            "true",
            "[]",
            "{}",
            r#""\'""#,
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\udc00\ud800""#,
            r#""\ud800a""#,
            r#""\"#,
            r#""\u8c3"#,
            r#""\U8c37""#,
            r#""\x41""#,
            "'a'",
            "\"a\nb\"",
            "\"\u{0}\"",
        ],
    );
    refuses_values("optionalBytes", &[r#""*""#, r#""-/""#, "1", "[1, 2]", r#""A""#]);
    // Not UTF-8.
    assert!(message_from_json(&all_types(), b"{\"optionalString\": \"\xff\"}").is_err());
}

#[test]
fn enums() {
    accepts_values(
        "optionalEnum",
        &[
            (r#""FOO""#, json!("FOO")),
            (r#""BAR""#, json!("BAR")),
            ("0", json!("FOO")),
            ("1", json!("BAR")),
            ("-1", json!("NEGATIVE")),
            ("1.0", json!("BAR")),
            ("2e0", json!("BAZ")),
            ("123", json!(123)),
            ("-2147483648", json!(-2_147_483_648)),
            // Unknown names are ignored.
            (r#""UNKNOWN""#, json!("FOO")),
            (r#""bar""#, json!("FOO")),
        ],
    );
    accepts_values(
        "optionalAliased",
        &[(r#""ALIAS_BAZ""#, json!("ALIAS_BAZ")), (r#""MOO""#, json!("ALIAS_BAZ"))],
    );
    accepts(&[
        (r#"{"repeatedEnum": ["BAR", "UNKNOWN", 2, 123]}"#, json!({"repeatedEnum": ["BAR", "BAZ", 123]})),
        (r#"{"mapEnum": {"a": "BAR", "b": "UNKNOWN"}}"#, json!({"mapEnum": {"a": "BAR"}})),
    ]);
    refuses_values("optionalEnum", &["FOO", "1.5", "2147483648", "true", "[]", "{}"]);
}

#[test]
fn messages_lists_and_maps() {
    accepts_unchanged(&[
        r#"{"repeatedInt32": [1, 2, 3]}"#,
        r#"{"repeatedString": ["", "a"]}"#,
        r#"{"repeatedEnum": ["FOO", "BAR"]}"#,
        r#"{"mapInt32": {"1": 2, "-3": 4}}"#,
        r#"{"mapUint32": {"1": 2, "3": 4}}"#,
        r#"{"mapInt64": {"1": "2", "3": "4"}}"#,
        r#"{"mapUint64": {"18446744073709551615": "2"}}"#,
        r#"{"mapBool": {"true": true, "false": false}}"#,
        r#"{"mapString": {"": "", "a\"b": "c"}}"#,
        r#"{"mapBytes": {"a": "AQI="}}"#,
        r#"{"oneofUint32": 1}"#,
        r#"{"oneofUint32": 0}"#,
        r#"{"oneofString": ""}"#,
        r#"{"oneofNull": null}"#,
    ]);
    accepts(&[
        (r#"{"optionalNested": {"a": 1234}}"#, json!({"optionalNested": {"a": 1234, "corecursive": null}})),
        (
            r#"{"repeatedNested": [{"a": 1}, {}]}"#,
            json!({"repeatedNested": [{"a": 1, "corecursive": null}, {"a": 0, "corecursive": null}]}),
        ),
        (
            r#"{"mapNested": {"hello": {"a": 1}}}"#,
            json!({"mapNested": {"hello": {"a": 1, "corecursive": null}}}),
        ),
        (r#"{"mapInt32": {"\u0031": 2}}"#, json!({"mapInt32": {"1": 2}})),
        (r#"{"mapInt64": {"\u0031": 2}}"#, json!({"mapInt64": {"1": "2"}})),
        (r#"{"mapBool": {"tr\u0075e": true}}"#, json!({"mapBool": {"true": true}})),
        (r#"{"repeatedInt32": ["1", 2.0, 3e0]}"#, json!({"repeatedInt32": [1, 2, 3]})),
        (r#"{"repeatedInt32": []}"#, json!({})),
        (r#"{"mapInt32": {}}"#, json!({})),
        // A null leaves a field unset, in a oneof too.
        (
            r#"{"optionalInt32": null, "optionalBool": null, "optionalString": null, "optionalBytes": null,
                "optionalNested": null, "optionalEnum": null, "repeatedInt32": null, "repeatedNested": null,
                "mapInt32": null, "mapNested": null, "optionalBoolWrapper": null, "optionalTimestamp": null,
                "optionalDuration": null, "optionalAny": null, "optionalStruct": null, "optionalFieldMask": null,
                "optionalEmpty": null, "optionalList": null}"#,
            json!({}),
        ),
        (r#"{"oneofUint32": null, "oneofString": "a"}"#, json!({"oneofString": "a"})),
        (r#"{"oneofString": "a", "oneofUint32": null}"#, json!({"oneofString": "a"})),
    ]);
    refuses(&[
        r#"{"optionalNested": []}"#,
        r#"{"optionalNested": 1}"#,
        r#"{"repeatedInt32": 1}"#,
        r#"{"repeatedInt32": {}}"#,
        r#"{"repeatedInt32": [1, null]}"#,
        r#"{"repeatedString": [null]}"#,
        r#"{"repeatedNested": [{"a": 1}, null]}"#,
        r#"{"repeatedTimestamp": [null]}"#,
        r#"{"repeatedList": [null]}"#,
        r#"{"repeatedStruct": [null]}"#,
        r#"{"repeatedInt32Wrapper": [null]}"#,
        r#"{"repeatedInt32": [1, "a"]}"#,
        r#"{"repeatedInt32": [1, true]}"#,
        r#"{"repeatedInt32": [1, {}]}"#,
        r#"{"repeatedBool": [1]}"#,
        r#"{"repeatedString": [1]}"#,
        r#"{"repeatedNested": [1]}"#,
        r#"{"repeatedNested": [[]]}"#,
        r#"{"repeatedEnum": [true]}"#,
        r#"{"repeatedInt32": [1, 2,]}"#,
        r#"{"repeatedInt32": [1 2]}"#,
        r#"{"repeatedInt32": [1"#,
        r#"{"mapInt32": []}"#,
        r#"{"mapInt32": {null: 1}}"#,
        r#"{"mapInt32": {1: 1}}"#,
        r#"{"mapInt32": {"a": 1}}"#,
        r#"{"mapInt32": {"": 1}}"#,
        r#"{"mapInt32": {"+1": 1}}"#,
        r#"{"mapInt32": {"2147483648": 1}}"#,
        r#"{"mapInt32": {"0": null}}"#,
        r#"{"mapString": {"a": null}}"#,
        r#"{"mapNested": {"a": null}}"#,
        r#"{"mapInt32": {"1": 1, "1": 2}}"#,
        r#"{"mapInt32": {"1": 1, "\u0031": 2}}"#,
        r#"{"mapString": {"a": "b", "a": "c"}}"#,
        r#"{"mapBool": {"True": true}}"#,
        r#"{"mapBool": {"1": true}}"#,
        r#"{"mapUint32": {"-1": 1}}"#,
        r#"{"oneofUint32": 1, "oneofString": "test"}"#,
        r#"{"oneofUint32": 0, "oneofBool": false}"#,
        r#"{"oneofNull": null, "oneofBool": false}"#,
    ]);
}

#[test]
fn wrappers() {
    accepts_unchanged(&[
        r#"{"optionalBoolWrapper": false}"#,
        r#"{"optionalInt32Wrapper": 0}"#,
        r#"{"optionalUint32Wrapper": 1}"#,
        r#"{"optionalInt64Wrapper": "1"}"#,
        r#"{"optionalUint64Wrapper": "18446744073709551615"}"#,
        r#"{"optionalFloatWrapper": 1.5}"#,
        r#"{"optionalDoubleWrapper": "NaN"}"#,
        r#"{"optionalStringWrapper": ""}"#,
        r#"{"optionalBytesWrapper": "AQI="}"#,
        r#"{"repeatedInt32Wrapper": [0, 1]}"#,
        r#"{"repeatedStringWrapper": ["", "a"]}"#,
    ]);
    accepts(&[
        (r#"{"optionalInt32Wrapper": "1e2"}"#, json!({"optionalInt32Wrapper": 100})),
        (r#"{"optionalInt64Wrapper": 1}"#, json!({"optionalInt64Wrapper": "1"})),
    ]);
    refuses_values("optionalInt32Wrapper", &["2147483648", r#""a""#, r#"{"value": 1}"#, "true"]);
    refuses_values("optionalFloatWrapper", &["3.5e38"]);
    refuses_values("optionalBoolWrapper", &["1"]);
}

#[test]
fn durations() {
    accepts_unchanged(&[
        r#"{"optionalDuration": "-315576000000.999999999s"}"#,
        r#"{"optionalDuration": "315576000000.999999999s"}"#,
        r#"{"repeatedDuration": ["1.500s", "-1.500s", "-5s", "-0.500s", "0s"]}"#,
        r#"{"repeatedDuration": ["1.010s", "1.000010s", "1.000000010s"]}"#,
    ]);
    accepts(&[
        (r#"{"optionalDuration": "1.000000000s"}"#, json!({"optionalDuration": "1s"})),
        (r#"{"optionalDuration": "1.01s"}"#, json!({"optionalDuration": "1.010s"})),
        (r#"{"optionalDuration": "-0s"}"#, json!({"optionalDuration": "0s"})),
    ]);
    refuses_values(
        "optionalDuration",
        &[
            r#""1""#,
            r#""-315576000001s""#,
            r#""315576000001.000000000s""#,
            r#""1.0000000001s""#,
            r#""1.0000000000s""#,
            r#""1.s""#,
            r#"".5s""#,
            r#""s""#,
            r#""""#,
            r#""--1s""#,
            r#""+1s""#,
            r#""1m""#,
            r#""1 s""#,
            r#"" 1s""#,
            r#""1.-5s""#,
            r#""1e3s""#,
            "1",
            "{}",
            r#""99999999999999999999s""#,
        ],
    );
}

#[test]
fn timestamps() {
    accepts_unchanged(&[
        r#"{"optionalTimestamp": "0001-01-01T00:00:00Z"}"#,
        r#"{"optionalTimestamp": "9999-12-31T23:59:59.999999999Z"}"#,
        r#"{"repeatedTimestamp": ["1996-12-19T16:39:57Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"]}"#,
        r#"{"repeatedTimestamp": ["1970-01-01T00:00:00.010Z", "1970-01-01T00:00:00.000010Z", "1970-01-01T00:00:00.000000010Z"]}"#,
        r#"{"optionalTimestamp": "2000-02-29T00:00:00Z"}"#,
    ]);
    accepts_values(
        "optionalTimestamp",
        &[
            (r#""1970-01-01T08:00:01+08:00""#, json!("1970-01-01T00:00:01Z")),
            (r#""1969-12-31T16:00:01-08:00""#, json!("1970-01-01T00:00:01Z")),
            (r#""1970-01-01T05:30:00+05:30""#, json!("1970-01-01T00:00:00Z")),
            (r#""1969-12-31T18:30:00-05:30""#, json!("1970-01-01T00:00:00Z")),
            (r#""1970-01-01T00:00:00.000000000Z""#, json!("1970-01-01T00:00:00Z")),
            (r#""1970-01-01T00:00:00.5Z""#, json!("1970-01-01T00:00:00.500Z")),
        ],
    );
    refuses_values(
        "optionalTimestamp",
        &[
            r#""0000-01-01T00:00:00Z""#,
            r#""10000-01-01T00:00:00Z""#,
            r#""0001-01-01T00:00:00+00:01""#,
            r#""9999-12-31T23:59:59-00:01""#,
            r#""1970-01-01T00:00:00""#,
            r#""1970-01-01 00:00:00Z""#,
            r#""1970-01-01T00:00:00z""#,
            r#""1970-01-01t00:00:00Z""#,
            r#""1970-01-01T00:00:60Z""#,
            r#""2016-12-31T23:59:60Z""#,
            r#""1970-01-01T00:00:00.0000000001Z""#,
            r#""1970-01-01T00:00:00.0000000000Z""#,
            r#""1970-01-01T00:00:00.Z""#,
            r#""1970-01-01T00:00:00,5Z""#,
            r#""1970-01-01T24:00:00Z""#,
            r#""1970-02-30T00:00:00Z""#,
            r#""1970-01-01T00:00:00+24:00""#,
            r#""1970-01-01T00:00:00+0100""#,
            r#""1970-01-01T00:00:00+01""#,
            r#""1970-01-01""#,
            r#""""#,
            "0",
            "{}",
            r#"" 1970-01-01T00:00:00Z""#,
            r#""+970-01-01T00:00:00Z""#,
            r#""1970-01-01T00:00:00Z0""#,
            r#""١٩٧٠-01-01T00:00:00Z""#,
        ],
    );
}

#[test]
fn field_masks() {
    accepts_unchanged(&[
        r#"{"optionalFieldMask": "foo,barBaz"}"#,
        r#"{"optionalFieldMask": "foo.bar,barBaz.quxQuux1"}"#,
        r#"{"optionalFieldMask": ""}"#,
        r#"{"optionalFieldMask": "FooBar"}"#,
    ]);
    let mask = read(r#"{"optionalFieldMask": "foo,barBaz.quxQuux"}"#).unwrap();
    let mask = mask.get_field_by_name("optional_field_mask").unwrap();
    let paths = mask.as_message().unwrap().get_field_by_name("paths").unwrap().into_owned();
    assert_eq!(
        paths,
        Field::List(["foo", "bar_baz.qux_quux"].map(|path| Field::String(path.to_owned())).into())
    );
    refuses_values(
        "optionalFieldMask",
        &[
            r#""foo,bar_baz""#,
            r#""a,,b""#,
            r#""foo-bar""#,
            r#"",""#,
            r#""a,""#,
            r#"",a""#,
            r#""a..b""#,
            r#"".a""#,
            r#""a.""#,
            r#""a b""#,
            r#""a, b""#,
            r#""1a""#,
            r#""é""#,
            r#""*""#,
            "1",
            "[]",
            r#"["a"]"#,
            r#"{"paths": ["a"]}"#,
        ],
    );
}

#[test]
fn structs_and_values() {
    accepts_unchanged(&[
        r#"{"optionalStruct": {}}"#,
        r#"{"optionalStruct": {"n": null, "d": 1.5, "s": "a", "b": true, "l": [1.0, [], {}], "o": {"k": {}}}}"#,
        r#"{"optionalStruct": {"listValue": []}}"#,
        r#"{"optionalValue": 1.0}"#,
        r#"{"optionalValue": 1.5}"#,
        r#"{"optionalValue": false}"#,
        r#"{"optionalValue": null}"#,
        r#"{"optionalValue": "hello"}"#,
        r#"{"optionalValue": [0.0, "hello", null, [], {}]}"#,
        r#"{"optionalValue": {"value": 1.0}}"#,
        r#"{"optionalList": []}"#,
        r#"{"optionalList": [null, 1.0, [2.0]]}"#,
        r#"{"repeatedValue": [null, ["a"], {"a": null}]}"#,
        r#"{"repeatedList": [[], ["a"]]}"#,
        r#"{"repeatedStruct": [{}, {"a": 1.0}]}"#,
        r#"{"mapValue": {"a": null, "b": 1.0}}"#,
        r#"{"mapNull": {"a": null}}"#,
        r#"{"repeatedNull": [null, null]}"#,
        r#"{"optionalEmpty": {}}"#,
    ]);
    accepts(&[
        (r#"{"optionalValue": 1}"#, json!({"optionalValue": 1.0})),
        (
            r#"{"optionalValue": 18446744073709551615}"#,
            json!({"optionalValue": 18_446_744_073_709_551_615.0}),
        ),
        (r#"{"optionalValue": "Infinity"}"#, json!({"optionalValue": "Infinity"})),
        (r#"{"oneofNull": "NULL_VALUE"}"#, json!({"oneofNull": null})),
        (r#"{"oneofNull": 0}"#, json!({"oneofNull": null})),
        (r#"{"oneofNull": 0.0}"#, json!({"oneofNull": null})),
        (r#"{"repeatedNull": [null, 0, "NULL_VALUE"]}"#, json!({"repeatedNull": [null, null, null]})),
        (r#"{"optionalEmpty": {"unknown": [1, {"a": null}]}}"#, json!({"optionalEmpty": {}})),
    ]);
    refuses(&[
        r#"{"optionalStruct": []}"#,
        r#"{"optionalStruct": {"a": 1, "a": 2}}"#,
        r#"{"optionalStruct": {"a": 1e999}}"#,
        r#"{"optionalList": {}}"#,
        r#"{"optionalValue": NaN}"#,
        r#"{"optionalEmpty": []}"#,
        r#"{"optionalEmpty": 1}"#,
        r#"{"oneofNull": true}"#,
    ]);
}

#[test]
fn any() {
    const URL: &str = "type.googleapis.com/google.protobuf.";
    const NESTED: &str = r#""@type": "type.googleapis.com/conformance.v1.Nested""#;
    let with = |name: &str, value: &str| {
        format!(r#"{{"optionalAny": {{"@type": "{URL}{name}", "value": {value}}}}}"#)
    };
    for input in [
        with("Int32Value", "12345"),
        with("Duration", r#""1.500s""#),
        with("Timestamp", r#""1970-01-01T00:00:00Z""#),
        with("FieldMask", r#""foo,barBaz""#),
        with("Struct", r#"{"foo": 1.0}"#),
        with("Value", r#"{"foo": 1.0}"#),
        with("Value", "1.0"),
        with("Value", "null"),
        with("ListValue", "[1.0]"),
        with("Empty", "{}"),
        with("Any", &format!(r#"{{"@type": "{URL}Int32Value", "value": 1}}"#)),
        with("Any", "{}"),
    ] {
        accepts_unchanged(&[&input]);
    }
    let nested = json!({"optionalAny": {"@type": "type.googleapis.com/conformance.v1.Nested", "a": 1, "corecursive": null}});
    accepts(&[
        (r#"{"optionalAny": {}}"#, json!({"optionalAny": {}})),
        (r#"{"repeatedAny": [{}, {}]}"#, json!({"repeatedAny": [{}, {}]})),
        (&format!(r#"{{"optionalAny": {{{NESTED}, "a": 1}}}}"#), nested.clone()),
        // The type need not come first.
        (&format!(r#"{{"optionalAny": {{"a": 1, {NESTED}}}}}"#), nested.clone()),
        (
            &format!(r#"{{"optionalAny": {{"unknown": [], "a": 1, {NESTED}, "corecursive": null}}}}"#),
            nested.clone(),
        ),
        (
            &format!(r#"{{"optionalAny": {{"value": 5, "@type": "{URL}Int32Value"}}}}"#),
            json!({"optionalAny": {"@type": format!("{URL}Int32Value"), "value": 5}}),
        ),
        (
            &format!(r#"{{"optionalAny": {{"@type": "{URL}Empty"}}}}"#),
            json!({"optionalAny": {"@type": format!("{URL}Empty"), "value": {}}}),
        ),
    ]);
    refuses(&[
        r#"{"optionalAny": {"a": 1}}"#,
        r#"{"optionalAny": {"value": 1}}"#,
        r#"{"optionalAny": {"@type": "", "value": ""}}"#,
        r#"{"optionalAny": {"@type": "not_a_url", "value": ""}}"#,
        r#"{"optionalAny": {"@type": "type.googleapis.com/unknown.Type"}}"#,
        r#"{"optionalAny": {"@type": 1}}"#,
        r#"{"optionalAny": []}"#,
        &format!(r#"{{"optionalAny": {{{NESTED}, {NESTED}}}}}"#),
        &format!(r#"{{"optionalAny": {{{NESTED}, "a": "x"}}}}"#),
        &format!(r#"{{"optionalAny": {{"a": "x", {NESTED}}}}}"#),
        &format!(r#"{{"optionalAny": {{"a": 1, {NESTED}, "a": 2}}}}"#),
        &format!(r#"{{"optionalAny": {{"@type": "{URL}Int32Value"}}}}"#),
        &format!(r#"{{"optionalAny": {{"@type": "{URL}Int32Value", "value": "x"}}}}"#),
        &format!(r#"{{"optionalAny": {{"@type": "{URL}Int32Value", "value": 1, "value": 2}}}}"#),
    ]);
    let error =
        read(&format!(r#"{{"repeatedAny": [{{}}, {{"corecursive": {{"optionalBool": 1}}, {NESTED}}}]}}"#))
            .unwrap_err();
    assert!(
        error.starts_with("request body, field `repeatedAny[1].corecursive.optionalBool`: expected a boolean, but got a number"),
        "{error}"
    );
}

/// Values that only an upstream can send.
#[test]
fn responses_without_a_json_form_are_errors() {
    let message = |name: &str, fields: Vec<Field>| {
        let mut message =
            DynamicMessage::new(POOL.get_message_by_name(&format!("google.protobuf.{name}")).unwrap());
        for (number, field) in (1..).zip(fields) {
            message.set_field_by_number(number, field);
        }
        message_json(&message).map(|json| String::from_utf8(json).unwrap()).ok()
    };
    let time =
        |name: &str, seconds: i64, nanos: i32| message(name, vec![Field::I64(seconds), Field::I32(nanos)]);
    assert_eq!(time("Duration", -4, -500_000_000).as_deref(), Some(r#""-4.500s""#));
    assert_eq!(time("Duration", 0, -1).as_deref(), Some(r#""-0.000000001s""#));
    for (seconds, nanos) in [
        (-5, 500_000_000),
        (5, -500_000_000),
        (315_576_000_001, 0),
        (0, 1_000_000_000),
        (0, -1_000_000_000),
        (i64::MIN, 0),
    ] {
        assert_eq!(time("Duration", seconds, nanos), None, "{seconds} {nanos}");
    }
    assert_eq!(time("Timestamp", -1, 999_000_000).as_deref(), Some(r#""1969-12-31T23:59:59.999Z""#));
    for (seconds, nanos) in [
        (253_402_300_800, 0),
        (-62_135_596_801, 0),
        (0, -1),
        (0, 1_000_000_000),
        (i64::MAX, 0),
        (i64::MIN, i32::MIN),
    ] {
        assert_eq!(time("Timestamp", seconds, nanos), None, "{seconds} {nanos}");
    }
    for number in [f64::NAN, f64::INFINITY] {
        let mut value = DynamicMessage::new(POOL.get_message_by_name("google.protobuf.Value").unwrap());
        value.set_field_by_name("number_value", Field::F64(number));
        assert!(message_json(&value).is_err(), "{number}");
    }
}
