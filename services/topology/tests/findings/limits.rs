//! The limits of a topology and its answers.

use octet_topology::MAX_BYTES;

use crate::{findings, mesh};

/// `count` services that each call all that follow: 2 to the power of `count` - 1 greetings.
fn each_calls_all_that_follow(count: usize) -> String {
    (0..count).fold("entry = 's0'\n".to_owned(), |text, index| {
        let calls: Vec<_> = (index + 1..count).map(|upstream| format!("'s{upstream}'")).collect();
        format!("{text}[[service]]\nname = 's{index}'\ngreeting = 'x'\ncalls = [{}]\n", calls.join(", "))
    })
}

#[test]
fn too_large_an_answer_is_reported_where_it_crosses_the_limit() {
    assert!(findings(&each_calls_all_that_follow(10)).is_empty());
    assert_eq!(
        findings(&each_calls_all_that_follow(11)),
        ["t:2:1: service[0]: an answer of 1024 greetings exceeds the limit of 1000"]
    );
    assert_eq!(
        findings(&each_calls_all_that_follow(64)),
        ["t:214:1: service[53]: an answer of 1024 greetings exceeds the limit of 1000"]
    );
}

#[test]
fn sixty_four_services_are_allowed_and_one_more_is_not() {
    let chain = |count: usize| {
        (0..count).fold("entry = 's0'\n".to_owned(), |text, index| {
            let calls = if index + 1 < count { format!("'s{}'", index + 1) } else { String::new() };
            format!("{text}[[service]]\nname = 's{index}'\ngreeting = 'x'\ncalls = [{calls}]\n")
        })
    };
    assert!(findings(&chain(64)).is_empty());
    assert_eq!(findings(&chain(65)), ["t:258:1: service[64]: must have at most 64 services"]);
}

#[test]
fn a_list_of_calls_is_not_read_beyond_its_limit() {
    let calls = vec!["'service-b'"; 10_000].join(",");
    let found = findings(&mesh(&format!("calls = [{calls}]"), ""));
    assert_eq!(found.len(), 64, "63 duplicates, and one name too many");
    assert!(
        found.iter().any(|finding| finding.ends_with("service[0].calls[64]: must have at most 64 names"))
    );
}

#[test]
fn a_text_of_the_maximum_size_is_parsed_and_a_larger_one_is_refused() {
    let comment = |text: String, size: usize| format!("{text}{}", "#".repeat(size - text.len()));
    assert!(findings(&comment(mesh("", ""), MAX_BYTES)).is_empty());
    assert_eq!(findings(&comment(mesh("", ""), MAX_BYTES + 1)), ["t:1:1: larger than the limit of 256 KiB"]);
}
