//! `FAULTS_FILE`: read again whenever its content changes, as Kubernetes changes the files of a `ConfigMap`.

use std::{fs::File, io::Read, path::Path, path::PathBuf, sync::Arc, time::Duration};

use super::{Faults, set::Source};

/// How often the file is read. It is small, and a `ConfigMap`'s file is replaced by links, which file events miss.
const INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of the largest file.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads the file, and from then on whenever it changes, as long as the process has its faults.
pub(super) fn start(file: PathBuf, faults: &Faults) {
    let mut seen = None;
    follow(&file, faults, &mut seen);
    let faults = Arc::downgrade(&faults.0);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(faults) = faults.upgrade().map(Faults) else { return };
            follow(&file, &faults, &mut seen);
        }
    });
}

/// Takes the file's faults where its content has changed. A file with an error changes nothing: half a drill would be
/// another drill. An absent file has no faults.
fn follow(file: &Path, faults: &Faults, seen: &mut Option<Result<String, String>>) {
    let content = read(file);
    if seen.as_ref() == Some(&content) {
        return;
    }
    let shown = file.display();
    match &content {
        Ok(text) => match apply(text, faults) {
            Ok(count) => {
                // A file that never had a fault needs no line.
                if count > 0 || seen.is_some() {
                    tracing::info!(file = %shown, faults = count, "faults taken from FAULTS_FILE");
                }
            }
            Err(error) => {
                tracing::error!(file = %shown, error, "FAULTS_FILE is invalid; its faults stay as they were");
            }
        },
        Err(error) => {
            tracing::warn!(file = %shown, error, "FAULTS_FILE cannot be read; its faults stay as they were");
        }
    }
    *seen = Some(content);
}

fn apply(text: &str, faults: &Faults) -> Result<usize, String> {
    let parsed = octet_fault::parse(text).map_err(|problems| problems.to_string().replace('\n', "; "))?;
    for fault in &parsed {
        faults.check(fault).map_err(|why| format!("at={}: {why}", fault.at()))?;
    }
    let count = parsed.len();
    faults.replace(Source::File, parsed, None).map_err(|error| error.to_string())?;
    Ok(count)
}

fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(text),
        Err(error) => return Err(error.to_string()),
    };
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_BYTES {
        Err("larger than 64 KiB".to_owned())
    } else {
        Ok(text)
    }
}
