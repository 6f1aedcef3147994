//! The path to the service that failed, at the start of a status message: `service-b/service-e: connection lost`. Several
//! services that missed a deadline together have a path each: `service-e/service-g, service-e/service-h: deadline passed`.

/// The message of a call whose deadline passed; its path names the service that did not respond.
pub const DEADLINE_PASSED: &str = "deadline passed";

/// Paths in one message. More are left out, so that it fits in the metadata.
const MAX_PATHS: usize = 4;

/// A status message that starts with paths.
struct Located<'a> {
    paths: Vec<&'a str>,
    text: &'a str,
}

impl<'a> Located<'a> {
    /// `None` unless each name in the text before the first `": "` is a service.
    fn parse(message: &'a str, is_service: impl Fn(&str) -> bool) -> Option<Self> {
        let (paths, text) = message.split_once(": ")?;
        let paths: Vec<_> = paths.split(", ").take(MAX_PATHS).collect();
        paths.iter().all(|path| path.split('/').all(&is_service)).then_some(Self { paths, text })
    }
}

/// The message of a failure that `upstream` reported, if it starts with a path: with `upstream` at the start of each path.
pub fn extended(upstream: &str, message: &str, is_service: impl Fn(&str) -> bool) -> Option<String> {
    let Located { paths, text } = Located::parse(message, is_service)?;
    let paths: Vec<_> = paths.iter().map(|path| format!("{upstream}/{path}")).collect();
    Some(format!("{}: {text}", paths.join(", ")))
}

/// One message for several services that missed the same deadline, in the order of `messages`.
pub fn combined<'a>(
    messages: impl IntoIterator<Item = &'a str>,
    is_service: impl Fn(&str) -> bool,
) -> String {
    let located: Vec<_> =
        messages.into_iter().filter_map(|message| Located::parse(message, &is_service)).collect();
    let paths: Vec<_> = located.iter().flat_map(|message| &message.paths).copied().take(MAX_PATHS).collect();
    let mut texts = located.iter().map(|message| message.text);
    let first = texts.next().unwrap_or(DEADLINE_PASSED);
    let text = if texts.all(|text| text == first) { first } else { DEADLINE_PASSED };
    if paths.is_empty() { text.to_owned() } else { format!("{}: {text}", paths.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_service(name: &str) -> bool {
        name.starts_with("service-")
    }

    #[test]
    fn each_hop_adds_its_name_to_every_path() {
        for (message, at_caller) in [
            ("service-e: gone", Some("service-b/service-e: gone")),
            ("service-e/service-g: x: y", Some("service-b/service-e/service-g: x: y")),
            ("service-g, service-h: late", Some("service-b/service-g, service-b/service-h: late")),
            ("store: unavailable", None),
            ("service-g, the store: late", None),
            ("service-e", None),
            ("", None),
        ] {
            assert_eq!(extended("service-b", message, is_service).as_deref(), at_caller, "{message}");
        }
    }

    #[test]
    fn services_that_miss_a_deadline_together_are_all_named() {
        let late = |messages: &[&str]| combined(messages.iter().copied(), is_service);
        assert_eq!(late(&["service-g: deadline passed"]), "service-g: deadline passed");
        assert_eq!(
            late(&["service-d: deadline passed", "service-e/service-g: deadline passed"]),
            "service-d, service-e/service-g: deadline passed"
        );
        assert_eq!(
            late(&["service-d: deadline passed, waiting for the queue", "service-e: deadline passed"]),
            "service-d, service-e: deadline passed"
        );
        let many: Vec<_> = (0..100).map(|number| format!("service-{number}: late")).collect();
        let named = combined(many.iter().map(String::as_str), is_service);
        assert_eq!(named, "service-0, service-1, service-2, service-3: late");
    }

    #[test]
    fn a_list_of_paths_from_another_program_stays_short() {
        let message = format!("{}: late", ["service-x"; 1_000].join(", "));
        let extended = extended("service-b", &message, is_service).unwrap();
        assert_eq!(extended.matches("service-b").count(), MAX_PATHS);
    }
}
