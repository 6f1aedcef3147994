//! The schema agrees with the parser, as a third-party validator reads it.

use std::{fs, path::Path};

use octet_testbed::json_schema_accepts;

use super::{super::shipped, *};

/// Every field at least once.
const EVERYTHING: &str = r#"
title = "Everything: Größe"
seed = 7
topology = "topologies/limited.toml"
[environment]
CONNECT_WAIT = "3s"
[load]
rate = "40/s"
users = 50
for = "1m 30s"
timeout = "2s500ms"
warm_up = "1s"
[[fault]]
at = "stock"
delay = "p50=5ms p90=20ms p99=1s"
share = "10.5%"
blind = true
from = "5s"
for = "5s"
[[action]]
at = "stock"
do = "kill"
from = "12s"
for = "1s"
[[expect]]
when = "during"
within = "1s"
latency = ["p(99.9) < 50ms", "avg>=1ms", "min != 0s", "max<=1m"]
errors = ["rate<0.01", "count==3"]
goodput = ["rate>2.5e1"]
failures_only = ["HTTP 503"]
queue = ["ready>10", "leased==0", "depth<=5"]
readiness = { unready = ["stock"], ready = ["gateway"] }
alert = { fire = ["OctetErrorRate"], within = "5m", others = "none" }
[[expect]]
when = "end"
audit = "clean"
queue = ["dead_lettered==0"]
telemetry = { lost = ["rate==0"], doubled = ["count<2"], wrong_parent = ["rate==0"] }
"#;

fn json(file: &str) -> String {
    let table: toml::Table = toml::from_str(file).unwrap_or_else(|error| panic!("{error}: {file}"));
    serde_json::to_string(&table).unwrap()
}

fn accepted(files: &[String]) -> Vec<bool> {
    json_schema_accepts(&schema().to_string(), &files.iter().map(|file| json(file)).collect::<Vec<_>>())
}

fn parsed(file: &str) -> Result<(), String> {
    shipped::parse(file, "test").map(|_| ()).map_err(|findings| findings.to_string())
}

fn check(schema: &Value, path: &str) {
    assert_ne!(*schema, Value::Bool(true), "{path} has no schema");
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        check(value, &format!("{path}.{key}"));
    }
    if schema["items"].is_object() {
        check(&schema["items"], &format!("{path}[]"));
    }
}

#[test]
fn every_field_that_the_parser_knows_has_a_schema() {
    check(&schema(), "");
}

#[test]
fn accepted_files_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![EVERYTHING.to_owned()];
    for entry in fs::read_dir(root.join("examples/scenarios")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.push(fs::read_to_string(path).unwrap());
        }
    }
    assert!(files.len() > 17, "{}", files.len());
    for (file, accepted) in files.iter().zip(accepted(&files)) {
        parsed(file).unwrap_or_else(|findings| panic!("{findings}"));
        assert!(accepted, "{file}");
    }
}

#[test]
fn what_the_schema_refuses_the_parser_refuses_too() {
    let replaced = [
        ("title = \"Everything: Größe\"", "title = \" \""),
        ("title = \"Everything: Größe\"\n", ""),
        ("seed = 7", "seed = -7"),
        ("seed = 7", "seeds = 7"),
        ("\"topologies/limited.toml\"", "\"../limited.toml\""),
        ("\"topologies/limited.toml\"", "\"/etc/limited.toml\""),
        ("CONNECT_WAIT", "connect_wait"),
        ("CONNECT_WAIT", "PORT"),
        ("CONNECT_WAIT", "SEED"),
        ("\"3s\"", "3"),
        ("\"40/s\"", "\"40\""),
        ("\"40/s\"", "\"0/s\""),
        ("users = 50", "users = 0"),
        ("for = \"1m 30s\"\n", ""),
        ("\"2s500ms\"", "\"2.5\""),
        ("delay = \"p50=5ms p90=20ms p99=1s\"\n", ""),
        ("share = \"10.5%\"", "share = 10"),
        ("from = \"5s\"", "from = 5"),
        ("do = \"kill\"", "do = \"stab\""),
        ("do = \"kill\"", "do = \"thaw\""),
        ("when = \"during\"", "when = \"later\""),
        ("\"p(99.9) < 50ms\"", "\"p99 < 50ms\""),
        ("\"p(99.9) < 50ms\"", "\"p(99.9) < 50\""),
        ("\"rate<0.01\"", "\"rate=0.01\""),
        ("\"rate<0.01\"", "\"rates<0.01\""),
        ("\"rate<0.01\"", "\"rate<-1\""),
        ("\"rate>2.5e1\"", "\"count>2\""),
        ("[\"HTTP 503\"]", "[]"),
        ("\"leased==0\"", "\"length==0\""),
        ("unready = ", "not_ready = "),
        ("others = \"none\"", "others = \"some\""),
        ("{ fire = [\"OctetErrorRate\"], within = \"5m\", others = \"none\" }", "{ others = \"any\" }"),
        ("audit = \"clean\"", "audit = \"dirty\""),
        ("when = \"end\"", "when = \"after\""),
        ("{ lost = [\"rate==0\"], doubled = [\"count<2\"], wrong_parent = [\"rate==0\"] }", "{}"),
        ("telemetry = { lost", "telemetry = { counters = \"differ\", lost"),
    ];
    let mut files: Vec<_> = replaced
        .iter()
        .map(|(from, to)| {
            assert!(EVERYTHING.contains(from), "{from}");
            (EVERYTHING.replacen(from, to, 1), *to)
        })
        .collect();
    let undisturbed =
        "title = \"t\"\n[load]\nfor = \"5s\"\n[[expect]]\nwhen = \"end\"\nerrors = [\"rate==0\"]\n";
    assert!(parsed(undisturbed).is_ok() && accepted(&[undisturbed.to_owned()])[0]);
    for (from, to) in [("\"end\"", "\"after\""), ("errors = [\"rate==0\"]\n", "")] {
        files.push((undisturbed.replace(from, to), to));
    }
    let texts: Vec<_> = files.iter().map(|(file, _)| file.clone()).collect();
    for ((file, to), accepted) in files.iter().zip(accepted(&texts)) {
        assert!(parsed(file).is_err(), "the parser accepts {to:?}");
        assert!(!accepted, "the schema accepts {to:?}");
    }
}
