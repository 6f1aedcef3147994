//! A path template in the first line, a path in the second.

use octet_gateway::transcode::Template;

use crate::{
    checks::{lossy, one_line},
    headers::first_line,
};

pub(crate) fn run(bytes: &[u8]) {
    let (text, path) = first_line(bytes);
    let (text, path) = (lossy(text), lossy(path));
    let template = match Template::parse(&text) {
        Ok(template) => template,
        Err(error) => {
            assert!(text.is_char_boundary(error.position), "{error}");
            return one_line(&error.to_string());
        }
    };
    assert_eq!(template.to_string(), text);
    let variables: Vec<_> = template.variables().collect();
    if let Some(captures) = template.captures(&path) {
        assert_eq!(captures.len(), variables.len());
        for capture in captures {
            assert!(path.contains(capture), "{capture:?} is not a part of {path:?}");
        }
    }
    // A template without variables matches its own text: a wildcard matches a star.
    if !text.contains('{') {
        assert_eq!(template.captures(&text), Some(Vec::new()), "{text} does not match itself");
    }
}
