//! What a wrong configuration is told: one clear line a fault, and exit status 64.

use std::{fs, os::unix::fs::PermissionsExt};

use octet_testbed::PortBlock;

use crate::platform::octet;

/// Runs the binary to its end and answers with its status and what it said on stderr.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let run = octet().args(arguments).envs(environment.iter().copied()).output();
    let output = tokio::time::timeout(crate::platform::PATIENCE, run).await.expect("no hang").expect("runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), said)
}

#[tokio::test]
async fn every_wrong_variable_is_named_with_what_is_allowed() {
    let environment =
        [("PORT", "http"), ("LOG_FORMAT", "xml"), ("DRAIN_GRACE", "-1s"), ("STORE_URL", "file:x")];
    for arguments in [&["service", "service-c"][..], &["up"]] {
        let (status, said) = run(arguments, &environment).await;
        assert_eq!(status, Some(64), "{said}");
        for line in [
            "LOG_FORMAT: must be json or pretty",
            "STORE_URL: must be sqlite:DIRECTORY",
            "DRAIN_GRACE: must be a duration",
        ] {
            assert!(said.contains(line), "{arguments:?}: {said}");
        }
    }
    let (status, said) = run(&["gateway"], &[("PORT", "http"), ("SERVICE_A_URL", "ftp://a")]).await;
    assert_eq!(status, Some(64), "{said}");
    assert!(
        said.contains("PORT: must be a port") && said.contains("SERVICE_A_URL: must be host:port"),
        "{said}"
    );
}

#[tokio::test]
async fn an_unknown_service_or_subcommand_is_told_which_there_are() {
    let (status, said) = run(&["service", "service-z"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(
        said.contains("\"service-z\" is not in the topology; its services are service-a, service-b"),
        "{said}"
    );
    let (status, said) = run(&["fly"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(said.contains("fly"), "{said}");
    let (status, said) = run(&["up", "--base-port", "80"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(said.contains("1024..=65375"), "{said}");
}

#[tokio::test]
async fn a_broken_topology_is_told_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("broken.toml");
    fs::write(
        &file,
        "entry = \"a\"\n[[service]]\nname = \"a\"\ngreeting = \"hi\"\ncalls = [\"b\", \"a\"]\ncolour = 1\n",
    )
    .expect("written");
    let name = file.to_str().expect("UTF-8");
    for (arguments, environment) in [
        (&["topology", "check", name][..], vec![]),
        (&["up", "--topology", name], vec![]),
        (&["service", "a"], vec![("TOPOLOGY", name)]),
        (&["gateway"], vec![("TOPOLOGY", name)]),
    ] {
        let (status, said) = run(arguments, &environment).await;
        assert_eq!(status, Some(64), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 3, "{arguments:?}: {said}");
        assert!(said.contains("broken.toml:5:") && said.contains("broken.toml:6:"), "{said}");
    }
    let (status, said) = run(&["gateway"], &[("TOPOLOGY", name), ("PORT", "http")]).await;
    assert_eq!((status, said.lines().count()), (Some(64), 4), "the other faults are told as well: {said}");
    let (status, said) = run(&["topology", "check", "/nowhere/topology.toml"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(said.contains("/nowhere/topology.toml: No such file"), "{said}");
    let (status, said) = run(&["topology", "check", "/dev/zero"], &[]).await;
    assert_eq!(status, Some(64), "{said}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let below = file.join("data");
    let below = below.to_str().expect("UTF-8");

    let (status, said) = run(&["up", "--data", below], &[]).await;
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("--data: cannot write to"), "{said}");

    let store = format!("sqlite:{below}");
    let data = directory.path().join("data");
    let ports = PortBlock::take();
    let (status, said) = run(
        &["up", "--base-port", &ports.base().to_string(), "--data", data.to_str().expect("UTF-8")],
        &[("STORE_URL", &store)],
    )
    .await;
    assert_eq!(status, Some(64), "{said}");
    assert!(said.starts_with("octet: service-") && said.contains("STORE_URL: "), "{said}");

    let environment = [("STORE_URL", store.as_str()), ("PORT", "127.0.0.1:0"), ("ADMIN_PORT", "127.0.0.1:0")];
    let (status, said) = run(&["service", "service-c"], &environment).await;
    assert_eq!(status, Some(64), "{said}");
    assert!(said.contains("STORE_URL: "), "{said}");
}

#[tokio::test]
async fn a_topology_is_checked_and_shown() {
    let output = octet().args(["topology", "check"]).output().await.expect("runs");
    assert!(output.status.success());
    let output = octet().args(["topology", "show", "--format", "json"]).output().await.expect("runs");
    let topology: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(topology["order"], serde_json::json!(crate::client::ORDER));
    let output = octet().args(["topology", "show"]).output().await.expect("runs");
    assert!(String::from_utf8(output.stdout).expect("UTF-8").contains("service-d.greeting"));
}
