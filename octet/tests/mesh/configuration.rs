//! An invalid configuration is refused with one line per fault and exit status 64.

use std::{fs, os::unix::fs::PermissionsExt};

use octet_testbed::PortBlock;

use crate::platform::octet;

/// Runs the binary until it exits, and returns its status and stderr.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let run = octet().args(arguments).envs(environment.iter().copied()).output();
    let output = tokio::time::timeout(crate::platform::PATIENCE, run).await.expect("no hang").expect("runs");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

#[tokio::test]
async fn every_wrong_variable_is_named_with_what_is_allowed() {
    let environment =
        [("PORT", "http"), ("LOG_FORMAT", "xml"), ("DRAIN_GRACE", "-1s"), ("STORE_URL", "file:x")];
    for arguments in [&["service", "service-c"][..], &["up"]] {
        let (status, stderr) = run(arguments, &environment).await;
        assert_eq!(status, Some(64), "{stderr}");
        for line in [
            "LOG_FORMAT: must be json or pretty, but is \"xml\"",
            "STORE_URL: must be sqlite:DIRECTORY",
            "DRAIN_GRACE: must be a duration",
            "but is \"-1s\"",
        ] {
            assert!(stderr.contains(line), "{arguments:?}: {stderr}");
        }
    }
    let (status, stderr) = run(&["gateway"], &[("PORT", "http"), ("SERVICE_A_URL", "ftp://a")]).await;
    assert_eq!(status, Some(64), "{stderr}");
    assert!(
        stderr.contains("PORT: must be a port") && stderr.contains("SERVICE_A_URL: must be host:port"),
        "{stderr}"
    );
}

#[tokio::test]
async fn an_unknown_service_is_refused_with_the_services_of_the_topology() {
    let (status, stderr) = run(&["service", "service-z"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(
        stderr.contains("\"service-z\" is not in the topology; its services are service-a, service-b"),
        "{stderr}"
    );
    let (status, stderr) = run(&["fly"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(stderr.contains("fly"), "{stderr}");
    let (status, stderr) = run(&["up", "--base-port", "80"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(stderr.contains("1024..=65375"), "{stderr}");
}

#[tokio::test]
async fn every_finding_of_an_invalid_topology_is_reported() {
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
        let (status, stderr) = run(arguments, &environment).await;
        assert_eq!(status, Some(64), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 3, "{arguments:?}: {stderr}");
        assert!(stderr.contains("broken.toml:5:") && stderr.contains("broken.toml:6:"), "{stderr}");
    }
    let (status, stderr) = run(&["gateway"], &[("TOPOLOGY", name), ("PORT", "http")]).await;
    assert_eq!(
        (status, stderr.lines().count()),
        (Some(64), 4),
        "the other faults are reported too: {stderr}"
    );
    let (status, stderr) = run(&["topology", "check", "/nowhere/topology.toml"], &[]).await;
    assert_eq!(status, Some(64));
    assert!(stderr.contains("/nowhere/topology.toml: No such file"), "{stderr}");
    let (status, stderr) = run(&["topology", "check", "/dev/zero"], &[]).await;
    assert_eq!(status, Some(64), "{stderr}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
    let below = file.join("data");
    let below = below.to_str().expect("UTF-8");

    let (status, stderr) = run(&["up", "--data", below], &[]).await;
    assert_eq!(status, Some(64), "{stderr}");
    assert!(stderr.contains("--data: cannot write to"), "{stderr}");

    let store = format!("sqlite:{below}");
    let data = directory.path().join("data");
    let ports = PortBlock::take();
    let (status, stderr) = run(
        &["up", "--base-port", &ports.base().to_string(), "--data", data.to_str().expect("UTF-8")],
        &[("STORE_URL", &store)],
    )
    .await;
    assert_eq!(status, Some(64), "{stderr}");
    assert!(stderr.starts_with("octet: service-") && stderr.contains("STORE_URL: "), "{stderr}");

    let environment = [("STORE_URL", store.as_str()), ("PORT", "127.0.0.1:0"), ("ADMIN_PORT", "127.0.0.1:0")];
    let (status, stderr) = run(&["service", "service-c"], &environment).await;
    assert_eq!(status, Some(64), "{stderr}");
    assert!(stderr.contains("STORE_URL: "), "{stderr}");
}

#[tokio::test]
async fn a_topology_is_checked_and_printed() {
    let output = octet().args(["topology", "check"]).output().await.expect("runs");
    assert!(output.status.success());
    let output = octet().args(["topology", "show", "--format", "json"]).output().await.expect("runs");
    let topology: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(topology["order"], serde_json::json!(crate::client::ORDER));
    let output = octet().args(["topology", "show"]).output().await.expect("runs");
    assert!(String::from_utf8(output.stdout).expect("UTF-8").contains("service-d.greeting"));
}
