//! `${file:…}` and `${env:…}` in values, as Kafka Connect's providers have them.

use std::{fs::File, io::Read as _, path::Path};

/// Bytes of the largest file that is read.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// Replaces each `${env:NAME}`, `${file:/path}` (the whole file) and `${file:/path:key}` (a key of a properties file).
///
/// # Errors
/// What cannot be read; never a value.
pub(super) fn resolve(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut resolved = String::new();
    let mut rest = value;
    while let Some((before, reference)) = rest.split_once("${") {
        resolved.push_str(before);
        let Some((reference, after)) = reference.split_once('}') else {
            return Err("`${` has no `}`".to_owned());
        };
        resolved.push_str(&one(reference, variable)?);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn one(reference: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    // In the S3 sink's names and in transforms `${topic}` is not a reference to a secret.
    let Some((provider, what)) = reference.split_once(':') else { return Ok(format!("${{{reference}}}")) };
    match provider {
        "env" => variable(what).ok_or_else(|| format!("${{env:{what}}}: the variable is not set")),
        "file" => {
            // A path may contain a colon; a key does not contain a slash.
            let (path, key) = match what.rsplit_once(':') {
                Some((path, key)) if !key.contains('/') => (path, Some(key)),
                _ => (what, None),
            };
            let text = read(Path::new(path)).map_err(|error| format!("${{file:{path}}}: {error}"))?;
            match key {
                None => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
                Some(key) => property(&text, key).ok_or_else(|| format!("${{file:{path}}} has no key {key}")),
            }
        }
        _ => Err(format!("${{{provider}:…}} is not supported; ${{file:…}} and ${{env:…}} are")),
    }
}

/// Reads a file of at most 1 MiB.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("the file exceeds 1 MiB"));
    }
    Ok(text)
}

fn property(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let mut pairs = lines.filter_map(|line| line.split_once(['=', ':']));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_variables_and_files_are_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret.properties");
        std::fs::write(&path, "# comment\nuser = reader\npassword=a=b\n").expect("a file");
        let path = path.display();
        let variable = |name: &str| (name == "HOST").then(|| "db".to_owned());
        for (value, expected) in [
            ("plain ${topic} $5".to_owned(), Ok("plain ${topic} $5".to_owned())),
            ("jdbc:postgresql://${env:HOST}/d".to_owned(), Ok("jdbc:postgresql://db/d".to_owned())),
            (format!("${{file:{path}:user}}/${{file:{path}:password}}"), Ok("reader/a=b".to_owned())),
            ("${env:ABSENT}".to_owned(), Err("${env:ABSENT}: the variable is not set".to_owned())),
            (format!("${{file:{path}:other}}"), Err(format!("${{file:{path}}} has no key other"))),
            (
                "${vault:x}".to_owned(),
                Err("${vault:…} is not supported; ${file:…} and ${env:…} are".to_owned()),
            ),
            ("${env:A".to_owned(), Err("`${` has no `}`".to_owned())),
        ] {
            assert_eq!(resolve(&value, &variable), expected, "{value}");
        }
    }
}
