//! How large a topology and its answers may be.

use octet_topology::MAX_BYTES;

use crate::{findings, mesh};

/// `count` services of which each calls all that follow: 2 to the power of `count` - 1 greetings.
fn everyone_calls_everyone_after(count: usize) -> String {
    (0..count).fold("entry = 's0'\n".to_owned(), |text, index| {
        let calls: Vec<_> = (index + 1..count).map(|upstream| format!("'s{upstream}'")).collect();
        format!("{text}[[service]]\nname = 's{index}'\ngreeting = 'x'\ncalls = [{}]\n", calls.join(", "))
    })
}

#[test]
fn an_answer_that_would_explode_is_refused_where_it_crosses_the_limit() {
    assert!(findings(&everyone_calls_everyone_after(10)).is_empty());
    assert_eq!(
        findings(&everyone_calls_everyone_after(11)),
        ["t:2:1: service[0]: an answer would hold 1024 greetings, and may hold 1000"]
    );
    assert_eq!(
        findings(&everyone_calls_everyone_after(64)),
        ["t:214:1: service[53]: an answer would hold 1024 greetings, and may hold 1000"]
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
    assert_eq!(findings(&chain(65)), ["t:258:1: service[64]: a topology has at most 64 services"]);
}

#[test]
fn a_list_of_calls_is_not_read_beyond_what_there_can_be() {
    let calls = vec!["'service-b'"; 10_000].join(",");
    let found = findings(&mesh(&format!("calls = [{calls}]"), ""));
    assert_eq!(found.len(), 64, "63 are called twice, and the 65th is too many");
    assert!(
        found
            .iter()
            .any(|finding| finding.ends_with("service[0].calls[64]: at most 64 names may stand here"))
    );
}

#[test]
fn a_text_of_the_largest_size_is_read_and_a_larger_one_is_not() {
    let comment = |text: String, size: usize| format!("{text}{}", "#".repeat(size - text.len()));
    assert!(findings(&comment(mesh("", ""), MAX_BYTES)).is_empty());
    assert_eq!(findings(&comment(mesh("", ""), MAX_BYTES + 1)), ["t:1:1: larger than 256 KiB"]);
}
