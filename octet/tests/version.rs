//! The commit that the build script finds.
#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::{fs, path::Path, process::Command};

#[path = "../build/commit.rs"]
mod commit;

fn git(directory: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let output =
        Command::new("git").arg("-C").arg(directory).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_given_commit_is_shown_in_twelve_digits() {
    assert_eq!(commit::named("277C535F1A2B3C4D\n").as_deref(), Some("277c535f1a2b"));
    assert_eq!(commit::named("277c535").as_deref(), Some("277c535"));
    for text in ["", "unknown", "277c53", "277c535g", &"a".repeat(65)] {
        assert_eq!(commit::named(text), None, "{text}");
    }
}

#[test]
fn the_commit_of_a_repository_and_of_its_worktrees_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("main");
    fs::create_dir(&root).unwrap();
    git(&root, &["init"]);
    assert_eq!(commit::checked_out(&root), None, "there is no commit yet");
    git(&root, &["commit", "--allow-empty", "-m", "first"]);
    let first = git(&root, &["rev-parse", "HEAD"]);
    assert_eq!(commit::checked_out(&root).as_deref(), first.get(..12));
    assert!(commit::log(&root).unwrap().exists());

    git(&root, &["worktree", "add", "../other", "-b", "other"]);
    let other = directory.path().join("other");
    git(&other, &["commit", "--allow-empty", "-m", "second"]);
    let second = git(&other, &["rev-parse", "HEAD"]);
    assert_eq!(commit::checked_out(&other).as_deref(), second.get(..12));
    assert!(commit::log(&other).unwrap().exists());
}

#[test]
fn an_archive_has_no_commit_even_inside_another_repository() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(commit::checked_out(directory.path()), None);
    assert_eq!(commit::log(directory.path()), None);
    git(directory.path(), &["init"]);
    git(directory.path(), &["commit", "--allow-empty", "-m", "first"]);
    let archive = directory.path().join("octet-0.1.0");
    fs::create_dir(&archive).unwrap();
    assert_eq!(commit::checked_out(&archive), None);
}
