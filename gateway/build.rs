//! Makes a table of the built UI's files (`ui/dist`), for the gateway to hold in itself.
//!
//! Where Node has not built them there are none, and the gateway serves a page that says what to run.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hasher},
    io,
    path::{Path, PathBuf},
};

/// The forms of a file that the UI's build puts beside it.
const COMPRESSED: [(&str, &str); 2] = [("brotli", "br"), ("gzip", "gz")];

#[expect(clippy::disallowed_methods, reason = "Cargo's own variables, and not the program's configuration")]
fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../ui/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Vec::new();
    // An image's build may lack the directory.
    if dist.join("index.html").is_file() {
        gather(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        entry(&mut table, &dist, file)?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), table)?;
    Ok(())
}

/// Every file below a directory that is one of its own: not a compressed form, not hidden.
fn gather(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_form = path.extension().is_some_and(|end| COMPRESSED.iter().any(|(_, form)| end == *form));
        if path.is_dir() {
            gather(&path, files)?;
        } else if !is_hidden && !is_form {
            files.push(path);
        }
    }
    Ok(())
}

fn entry(table: &mut String, dist: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let path = file.strip_prefix(dist)?.to_str().ok_or("a file of the UI has no name in UTF-8")?;
    let content = fs::read(file)?;
    // Only ever compared with itself.
    let mut hasher = DefaultHasher::new();
    hasher.write(&content);
    let tag = hasher.finish();

    write!(table, "    File {{ path: {:?}, tag: \"{tag:016x}\"", format!("/{}", path.replace('\\', "/")))?;
    write!(table, ", identity: include_bytes!({:?})", absolute(file)?)?;
    for (field, end) in COMPRESSED {
        let form = PathBuf::from(format!("{}.{end}", file.display()));
        // A form that is no smaller is of no use.
        let is_smaller = fs::metadata(&form).is_ok_and(|found| found.len() < content.len() as u64);
        if is_smaller {
            write!(table, ", {field}: Some(include_bytes!({:?}))", absolute(&form)?)?;
        } else {
            write!(table, ", {field}: None")?;
        }
    }
    writeln!(table, " }},")?;
    Ok(())
}

fn absolute(file: &Path) -> Result<String, Box<dyn Error>> {
    let path = file.canonicalize()?.into_os_string().into_string();
    path.map_err(|_| "the repository lies below a directory without a name in UTF-8".into())
}
