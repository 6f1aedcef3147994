//! The command line itself: help, suggestions, version, completions, manual pages, topology files.

use std::{fs, process::Output};

use crate::platform::{OCTET, octet};

async fn run(arguments: &[&str]) -> Output {
    octet().args(arguments).output().await.expect("runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

const SUBCOMMANDS: [&str; 17] = [
    "up",
    "service",
    "gateway",
    "collector",
    "status",
    "logs",
    "stop",
    "audit",
    "load",
    "topology",
    "fault",
    "scenario",
    "hydrate",
    "lake",
    "health",
    "completions",
    "man",
];

#[tokio::test]
async fn each_help_lists_the_variables_of_its_subcommand() {
    for (subcommand, variables) in [
        ("up", &["COLLECTOR_MEMORY", "MONGO_CONN or MONGO_CONN_FILE", "TRACE_QUERY_URL", "NO_COLOR"][..]),
        ("service", &["SERVICE_NAME", "PORT", "<NAME>_URL, such as SERVICE_B_URL"]),
        ("gateway", &["SERVICE_A_URL", "TRACE_QUERY_URL", "MAX_HEADER_BYTES, MAX_BODY_BYTES"]),
        ("collector", &["COLLECTOR_MEMORY", "PORT"]),
        ("audit", &["TOPOLOGY", "STORE_URL", "QUEUE_NAME"]),
        ("topology", &["TOPOLOGY"]),
        ("logs", &["NO_COLOR", "CLICOLOR_FORCE"]),
    ] {
        let help = run(&[subcommand, "--help"]).await;
        assert!(help.status.success());
        let help = stdout(&help);
        for variable in variables {
            assert!(help.contains(&format!("\n  {variable}\n")), "{subcommand} lacks {variable}: {help}");
        }
    }
    let short = stdout(&run(&["gateway", "-h"]).await);
    assert!(short.contains("--help lists them") && !short.contains("TRACE_QUERY_URL"), "{short}");
    let audit = stdout(&run(&["audit", "--help"]).await);
    assert!(audit.contains("Exit status:") && audit.contains("Environment:"), "{audit}");
}

#[tokio::test]
async fn a_mistyped_word_is_answered_with_the_one_that_was_meant() {
    for (arguments, meant) in [
        (&["tpology"][..], "a similar subcommand exists: 'topology'"),
        (&["up", "--dat", "x"], "a similar argument exists: '--data'"),
        (&["topology", "show", "--format", "jsn"], "a similar value exists: 'json'"),
        (&["service", "servce-c"], "did you mean \"service-c\"?"),
    ] {
        let refused = run(arguments).await;
        assert_eq!(refused.status.code(), Some(64), "{arguments:?}");
        assert!(stderr(&refused).contains(meant), "{arguments:?}: {}", stderr(&refused));
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    let version = stdout(&run(&["--version"]).await);
    let rest = version.strip_prefix("octet 0.1.0").unwrap_or_else(|| panic!("{version}"));
    let commit = rest.trim_end().strip_prefix(" (commit ").and_then(|rest| rest.strip_suffix(')'));
    assert!(rest == "\n" || commit.is_some_and(|commit| commit.len() == 12), "{version:?}");
}

#[tokio::test]
async fn completions_are_written_for_each_shell_and_bash_completes() {
    for (shell, start) in [("bash", "_octet()"), ("zsh", "#compdef octet"), ("fish", "# Print an optspec")] {
        let script = run(&["completions", shell]).await;
        assert!(script.status.success());
        assert!(stdout(&script).starts_with(start), "{shell}: {:.80}", stdout(&script));
    }
    assert_eq!(run(&["completions", "tcsh"]).await.status.code(), Some(64));

    let complete = format!(
        "source <({OCTET} completions bash); COMP_WORDS=(octet top); COMP_CWORD=1; _octet octet top octet; \
         echo \"${{COMPREPLY[@]}}\""
    );
    let completed =
        tokio::process::Command::new("bash").args(["-c", &complete]).output().await.expect("bash");
    assert_eq!(stdout(&completed).trim(), "topology", "{}", stderr(&completed));
}

#[tokio::test]
async fn a_manual_page_exists_for_each_subcommand() {
    let page = stdout(&run(&["man"]).await);
    assert!(page.contains(".TH octet 1"), "{page:.300}");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    let written = run(&["man", "--dir", path]).await;
    assert!(written.status.success(), "{}", stderr(&written));
    for subcommand in SUBCOMMANDS.into_iter().chain(["topology-show"]) {
        assert!(
            page.contains(&format!("octet\\-{subcommand}(1)")) || subcommand.contains('-'),
            "{subcommand}"
        );
        let page =
            fs::read_to_string(directory.path().join(format!("octet-{subcommand}.1"))).expect(subcommand);
        assert!(page.contains(".SH SYNOPSIS"), "{subcommand}: {page}");
        assert!(page.is_ascii(), "{subcommand}");
    }
    let gateway = fs::read_to_string(directory.path().join("octet-gateway.1")).expect("a page");
    assert!(gateway.contains("TRACE_QUERY_URL"), "{gateway}");
    let nowhere = run(&["man", "--dir", "/nowhere"]).await;
    assert_eq!(nowhere.status.code(), Some(64));
    assert!(stderr(&nowhere).contains("--dir: cannot write to /nowhere"), "{}", stderr(&nowhere));
}

#[tokio::test]
async fn a_topology_is_started_checked_and_shown_in_every_format() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("my.toml");
    let name = file.to_str().expect("UTF-8");
    let started = run(&["topology", "init", name]).await;
    assert!(started.status.success(), "{}", stderr(&started));
    let checked = run(&["topology", "check", name]).await;
    assert_eq!(stdout(&checked), format!("{name}: valid; 4 services, entry shop, 3 greetings per answer\n"));
    assert_eq!(stderr(&checked), "");

    fs::write(&file, "mine").expect("written");
    let again = run(&["topology", "init", name]).await;
    assert_eq!(again.status.code(), Some(64));
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(&file).expect("readable"), "mine", "an existing file is left alone");

    let shown = async |format: &str, file: &[&str]| {
        let arguments = [&["topology", "show", "--format", format], file].concat();
        let output = run(&arguments).await;
        assert!(output.status.success(), "{format}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(shown("dot", &[]).await.starts_with("digraph octet {"));
    assert!(shown("mermaid", &[]).await.starts_with("flowchart LR\n"));
    fs::write(&file, shown("toml", &[]).await).expect("written");
    assert_eq!(shown("json", &[name]).await, shown("json", &[]).await, "the file is the same graph");
}

#[tokio::test]
async fn a_service_that_nobody_calls_is_a_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("my.toml");
    let service = |name: &str| format!("[[service]]\nname = \"{name}\"\ngreeting = \"hi\"\n");
    fs::write(&file, format!("entry = \"a\"\n{}{}", service("a"), service("b"))).expect("written");
    let name = file.to_str().expect("UTF-8");
    let checked = run(&["topology", "check", name]).await;
    assert!(checked.status.success());
    assert_eq!(stdout(&checked), format!("{name}: valid; 2 services, entry a, 1 greeting per answer\n"));
    assert!(
        stderr(&checked).starts_with(&format!("{name}: warning: nobody calls b, and it consumes no queue")),
        "{}",
        stderr(&checked)
    );
}
