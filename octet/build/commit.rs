//! The commit of the source: from `OCTET_COMMIT`, or from git.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Digits of a commit that `octet --version` shows.
const DIGITS: usize = 12;

/// The commit that `text` names; `None` if it names none.
pub(crate) fn named(text: &str) -> Option<String> {
    let text = text.trim();
    let is_commit = (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| text.chars().take(DIGITS).collect::<String>().to_lowercase())
}

/// The commit that is checked out in the repository at `root`; `None` without git, or where `root` is the content of an
/// archive, even inside another repository.
pub(crate) fn checked_out(root: &Path) -> Option<String> {
    let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
    let is_top = top.canonicalize().ok()? == root.canonicalize().ok()?;
    is_top.then(|| git(root, &["rev-parse", "HEAD"])).flatten().as_deref().and_then(named)
}

/// The file that changes with the commit that is checked out.
pub(crate) fn log(root: &Path) -> Option<PathBuf> {
    let log = root.join(git(root, &["rev-parse", "--git-path", "logs/HEAD"])?);
    log.exists().then_some(log)
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
