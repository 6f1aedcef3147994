//! The files in examples/: each is a topology that greets.

use std::{fs, path::PathBuf};

use octet_proto::greeting::v3::GreetingRequest;
use octet_topology::Topology;

use crate::{
    client::grpc,
    platform::octet,
    random::{Generated, Running, check_answer},
    zipkin::Zipkin,
};

/// The path of an example, or of the directory.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

async fn greets(text: String) {
    let topology = Topology::parse(&text, "example").unwrap_or_else(|findings| panic!("{findings}"));
    let example = Generated { text, topology };
    let zipkin = Zipkin::start().await;
    let running = Running::start(&example, &zipkin).await;
    let mut client = grpc(&running.entry);
    for _ in 0..5 {
        let mut request = tonic::Request::new(GreetingRequest::default());
        request.set_timeout(crate::platform::PATIENCE);
        let answer = client.greeting(request).await.expect("an answer").into_inner();
        let names: Vec<_> = answer.greeting.iter().map(|greeting| greeting.service.as_str()).collect();
        check_answer(&example.topology, &names, false, false);
    }
    running.stop().await;
}

#[tokio::test]
async fn every_example_is_valid_and_greets() {
    let mut names = Vec::new();
    for entry in fs::read_dir(path("")).expect("examples") {
        let file = entry.expect("an example").path();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if file.extension() != Some("toml".as_ref()) {
            continue;
        }
        let checked = octet().args(["topology", "check"]).arg(&file).output().await.expect("octet runs");
        assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
        greets(fs::read_to_string(file).expect("readable")).await;
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        ["bookinfo.toml", "chain-16.toml", "eight.toml", "fan-out-32.toml", "online-boutique.toml"]
    );
}

#[test]
fn the_example_of_eight_services_is_the_built_in_topology() {
    assert_eq!(fs::read_to_string(path("eight.toml")).expect("readable"), Topology::BUILT_IN);
}

#[tokio::test]
async fn the_example_of_isotope_is_imported_and_greets() {
    let import = async |file: &std::path::Path| {
        octet().args(["topology", "import", "isotope"]).arg(file).output().await.expect("octet runs")
    };
    let imported = import(&path("isotope.yaml")).await;
    assert!(imported.status.success() && imported.stderr.is_empty(), "{imported:?}");
    greets(String::from_utf8(imported.stdout).expect("UTF-8")).await;

    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("graph.yaml");
    let cases = [
        (
            "services:\n- name: a\n  isEntrypoint: true\n  type: http\n",
            0,
            ":4: type: every service of Octet speaks gRPC",
        ),
        ("services:\n- name: a\n  isEntrypoint: true\n  script:\n  - call: b\n", 64, "service[0].calls[0]"),
        ("services: [", 64, ": not YAML: "),
    ];
    for (text, status, message) in cases {
        fs::write(&file, text).expect("written");
        let imported = import(&file).await;
        assert_eq!(imported.status.code(), Some(status), "{imported:?}");
        let error = String::from_utf8_lossy(&imported.stderr);
        assert!(error.contains(message), "{error}");
    }
}
