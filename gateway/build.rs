//! Embeds the built UI's files (`ui/dist`) in the gateway, as a table.
//!
//! If they were not built, the table is empty, and the gateway serves a page that explains how to build them.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hasher},
    io,
    path::{Path, PathBuf},
};

/// The compressed forms that the UI's build writes beside a file: field, and extension.
const COMPRESSED: [(&str, &str); 2] = [("brotli", "br"), ("gzip", "gz")];

#[expect(clippy::disallowed_methods, reason = "Cargo's variables are not the program's configuration")]
fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../ui/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut files = Vec::new();
    // An image may be built without the directory.
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

/// All files below a directory, except compressed forms and hidden files.
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
    let path = file.strip_prefix(dist)?.to_str().ok_or("the name of a UI file is not UTF-8")?;
    let content = fs::read(file)?;
    // Compared only with tags of the same file.
    let mut hasher = DefaultHasher::new();
    hasher.write(&content);
    let tag = hasher.finish();

    write!(table, "    File {{ path: {:?}, tag: \"{tag:016x}\"", format!("/{}", path.replace('\\', "/")))?;
    write!(table, ", identity: include_bytes!({:?})", absolute(file)?)?;
    for (field, end) in COMPRESSED {
        let form = PathBuf::from(format!("{}.{end}", file.display()));
        // A form that is not smaller is left out.
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
    path.map_err(|_| "the path of the repository is not UTF-8".into())
}
