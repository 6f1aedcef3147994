//! Which RabbitMQ is run: this machine's, or that of another root directory.

use std::ffi::OsStr;
use std::fs;
use std::io::Error;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program;

/// A root directory with another release's RabbitMQ and Erlang; `scripts/rabbitmq4.sh` makes such directories.
const ROOT: &str = "RABBITMQ_ROOT";
const DEBIAN: &str = "usr/lib/rabbitmq/lib";
const MISSING: &str = "RabbitMQ is not installed: run `make tools`, or install rabbitmq-server, or set \
    RABBITMQ_CONN where a test takes any broker";

/// An installed RabbitMQ.
pub(super) struct Installation {
    /// Where its programs run; `None` is this machine's root.
    root: Option<PathBuf>,
    /// The directory with `sbin`, `plugins` and `escript`, as its programs see it.
    home: PathBuf,
}

impl Installation {
    /// That of `RABBITMQ_ROOT` if it is set, otherwise this machine's.
    ///
    /// # Panics
    /// When RabbitMQ is not installed there.
    pub(super) fn find() -> Self {
        let Some(root) = std::env::var_os(ROOT).filter(|root| !root.is_empty()).map(PathBuf::from) else {
            let home = debian(Path::new("/")).or_else(on_path).expect(MISSING);
            return Self { root: None, home };
        };
        let home =
            debian(&root).unwrap_or_else(|| panic!("{ROOT}: {} has no RabbitMQ in {DEBIAN}", root.display()));
        let home = Path::new("/").join(home.strip_prefix(&root).expect("it is below the root"));
        Self { root: Some(root), home }
    }

    /// A command that runs where this RabbitMQ is.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(root) = &self.root else { return Command::new(program) };
        let mut command = Command::new(program::script("in_root.sh"));
        command.arg(root).arg(program);
        command
    }

    /// Makes a home with links to the installed one, without optional plugins: a node searches every plugin's directory
    /// for every module, and without them it boots in half the time.
    pub(super) fn lay_out(&self, home: &Path) -> Result<(), Error> {
        for name in ["sbin", "plugins"] {
            fs::create_dir_all(home.join(name))?;
        }
        symlink(self.home.join("escript"), home.join("escript"))?;
        self.link_each("sbin", home, |_| true)?;
        self.link_each("plugins", home, |name| {
            !name.starts_with("rabbitmq_") || name.starts_with("rabbitmq_prelaunch")
        })
    }

    fn link_each(&self, directory: &str, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        let installed = self.home.join(directory);
        let below = installed.strip_prefix("/").unwrap_or(&installed);
        for entry in fs::read_dir(self.root.as_deref().unwrap_or(Path::new("/")).join(below))? {
            let name = entry?.file_name();
            if wanted(&name.to_string_lossy()) {
                symlink(installed.join(&name), to.join(directory).join(&name))?;
            }
        }
        Ok(())
    }
}

fn is_home(home: &Path) -> bool {
    home.join("sbin/rabbitmq-env").is_file() && home.join("plugins").is_dir()
}

fn debian(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root.join(DEBIAN)).ok()?;
    entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|home| is_home(home)).max()
}

/// Debian's program on PATH changes the user; on other systems it is the start script in its home.
fn on_path() -> Option<PathBuf> {
    let program = program::on_path("rabbitmq-server")?.canonicalize().ok()?;
    Some(program.parent()?.parent()?.to_owned()).filter(|home| is_home(home))
}
