//! The comments of .proto files.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// The comment of every declaration, by file and path.
pub(super) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        let mut comments = HashMap::new();
        for file in pool.files() {
            let locations =
                file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
            for location in locations {
                let text = text(location.leading_comments(), location.trailing_comments());
                if !text.is_empty() {
                    comments.insert((file.name().to_owned(), location.path.clone()), text);
                }
            }
        }
        Self(comments)
    }

    /// The comment at `path` of `file`; empty if there is none.
    pub(super) fn at(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0.get(&(file.name().to_owned(), path.to_vec())).map_or("", String::as_str)
    }
}

/// The comment above a declaration, or else the one after it. Lines are joined, paragraphs kept.
fn text(leading: &str, trailing: &str) -> String {
    let chosen = if leading.trim().is_empty() { trailing } else { leading };
    let paragraphs = chosen.split("\n\n").map(|paragraph| {
        let lines: Vec<&str> = paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The example in a comment: "for example `service-a`".
pub(super) fn example(comment: &str) -> Option<&str> {
    comment.split_once("for example `")?.1.split_once('`').map(|(example, _)| example)
}

/// A comment's first sentence.
pub(super) fn summary(comment: &str) -> &str {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    paragraph.split_once(". ").map_or(paragraph, |(sentence, _)| sentence).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_have_text_example_and_summary() {
        assert_eq!(text(" One\n two.\n\n Three.\n", " behind\n"), "One two.\n\nThree.");
        assert_eq!(text("", " behind\n"), "behind");
        assert_eq!(example("Name, for example `service-a`, or so."), Some("service-a"));
        assert_eq!(example("Name, for example service-a."), None);
        assert_eq!(summary("Greets. And more.\n\nMuch more."), "Greets");
    }
}
