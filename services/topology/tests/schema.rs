//! The JSON schema agrees with the parser, as a third-party validator reads it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fs;

use octet_testbed::json_schema_accepts;
use octet_topology::{Topology, schema};

fn accepted(files: &[String]) -> Vec<bool> {
    let documents = files.iter().map(|file| {
        let table: toml::Table = toml::from_str(file).unwrap_or_else(|error| panic!("{error}: {file}"));
        serde_json::to_string(&table).unwrap()
    });
    json_schema_accepts(&schema().to_string(), &documents.collect::<Vec<_>>())
}

/// The example in the documentation, the built-in topology, the one to start from, and those in examples/, each as it is and
/// as it is printed.
#[test]
fn accepted_files_are_valid() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut files = vec![Topology::BUILT_IN.to_owned(), Topology::STARTING.to_owned()];
    let guide = fs::read_to_string(format!("{root}/docs/topology.md")).unwrap();
    files.push(guide.split("```toml").nth(1).unwrap().split("```").next().unwrap().to_owned());
    for entry in fs::read_dir(format!("{root}/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some("toml".as_ref()) {
            files.push(fs::read_to_string(path).unwrap());
        }
    }
    assert!(files.len() >= 8, "{}", files.len());
    files.push(EVERYTHING.to_owned());
    for file in files.clone() {
        let topology = Topology::parse(&file, "test").unwrap_or_else(|findings| panic!("{findings}"));
        files.push(topology.to_toml());
    }
    for (file, accepted) in files.iter().zip(accepted(&files)) {
        assert!(accepted, "{file}");
    }
}

/// Every field at least once.
const EVERYTHING: &str = r#"
entry = "edge"
seed = 7
[defaults]
work = "1ms"
greeting = "Hi"
[[service]]
name = "edge"
calls = [["stock"], ["cart", "mail"]]
replicas = 16
policy = "partial"
publishes = "orders"
work = "p50=5ms p90=20ms p99=1s500ms"
cpu = "1ms..2ms"
memory = "64MiB"
payload = "0..1KiB"
limit = { concurrent = 1, queue = 0 }
when_left = "finish"
ready_after = "1m 30s"
[[service]]
name = "stock"
replicas = 16
[[service]]
name = "cart"
consumes = "orders"
store = { database = "cart", collection = "items.new" }
[[service]]
name = "mail"
[[edge]]
at = "*>stock"
share = "12.5%"
times = 2
payload = "10KiB"
deadline = "1s"
balance = "pick_first"
retry = { attempts = 10, on = ["UNAVAILABLE", "ABORTED"], budget = "20%", backoff = "1ms" }
[[edge]]
at = "gateway>*"
deadline = "5s"
[[fault]]
at = "stock#16"
delay = "1ms..9ms"
share = "10%"
max = 5
for = "5m"
when = "x-user=jason"
blind = true
[[fault]]
at = "*>stock"
abort = "UNAVAILABLE"
[[fault]]
at = "edge>queue"
duplicate = true
[[fault]]
at = "cart>store"
lose = "INTERNAL"
[[fault]]
at = "*"
throttle = "10KiB/s"
[[fault]]
at = "edge"
unready = true
"#;

#[test]
fn files_that_both_can_refuse_are_refused_by_both() {
    let replaced = [
        ("entry = \"edge\"", "entry = 7"),
        ("entry = \"edge\"", "entry = \"Edge\""),
        ("entry = \"edge\"\n", ""),
        ("seed = 7", "seed = -1"),
        ("seed = 7", "seeds = 7"),
        ("work = \"1ms\"", "work = \"soon\""),
        ("work = \"1ms\"", "name = \"x\""),
        ("name = \"stock\"", "name = \"store\""),
        ("name = \"stock\"", "greeting = \"x\""),
        ("replicas = 16", "replicas = 17"),
        ("replicas = 16", "replicas = \"2\""),
        ("policy = \"partial\"", "policy = \"loose\""),
        ("publishes = \"orders\"", "publishes = \"amq.x\""),
        ("publishes = \"orders\"", "publishes = \"x.dlq\""),
        ("calls = [[\"stock\"], [\"cart\", \"mail\"]]", "calls = [\"stock\", [\"cart\"]]"),
        ("calls = [[\"stock\"], [\"cart\", \"mail\"]]", "calls = [[\"stock\"], []]"),
        ("calls = [[\"stock\"], [\"cart\", \"mail\"]]", "calls = \"stock\""),
        ("memory = \"64MiB\"", "memory = \"64MB\""),
        ("concurrent = 1, ", ""),
        ("concurrent = 1", "concurrent = 0"),
        ("when_left = \"finish\"", "when_left = \"later\""),
        ("database = \"cart\"", "database = \"admin\""),
        ("collection = \"items.new\"", "collection = \"system.x\""),
        ("at = \"*>stock\"\nshare", "at = \"stock\"\nshare"),
        ("at = \"*>stock\"\nshare", "share"),
        ("share = \"12.5%\"", "share = \"12.5\""),
        ("times = 2", "times = 0"),
        ("balance = \"pick_first\"", "balance = \"random\""),
        ("attempts = 10", "attempts = 11"),
        ("attempts = 10, ", ""),
        ("\"ABORTED\"", "\"OK\""),
        ("at = \"stock#16\"", "at = \"stock#17\""),
        ("delay = \"1ms..9ms\"\n", ""),
        ("delay = \"1ms..9ms\"", "delay = \"1ms..9ms\"\ndrop = true"),
        ("max = 5", "max = 0"),
        ("when = \"x-user=jason\"", "when = \"jason\""),
        ("blind = true", "blind = 1"),
        ("abort = \"UNAVAILABLE\"", "abort = \"BROKEN\""),
        ("duplicate = true", "duplicate = false"),
        ("throttle = \"10KiB/s\"", "throttle = \"10KiB\""),
    ];
    let files: Vec<_> = replaced
        .iter()
        .map(|(from, to)| {
            assert!(EVERYTHING.contains(from), "{from}");
            EVERYTHING.replacen(from, to, 1)
        })
        .collect();
    for ((file, (_, to)), accepted) in files.iter().zip(replaced).zip(accepted(&files)) {
        assert!(Topology::parse(file, "test").is_err(), "the parser accepts {to}");
        assert!(!accepted, "the schema accepts {to}");
    }
}
