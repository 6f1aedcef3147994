//! Text that is not TOML.

use crate::{assert_faults, findings, mesh};

#[test]
fn text_that_is_not_toml_is_reported_where_it_fails() {
    assert_faults(&[
        ("a duplicate key", mesh("policy = 'strict'", "name = 'b'"), r#"t:9:1: duplicate key, at "name""#),
        (
            "a string without its closing quote",
            "entry = 'a\n".to_owned(),
            "t:1:11: invalid literal string, expected `'`",
        ),
    ]);
}

#[test]
fn syntax_errors_are_all_reported_in_order() {
    let found = findings("entry = \n[[service]\nname == 'a'\n");
    let lines: Vec<_> = found.iter().map(|finding| finding.split(':').nth(1).unwrap()).collect();
    assert!(lines.len() >= 3 && lines.is_sorted(), "{found:?}");
}

#[test]
fn at_most_twenty_syntax_errors_are_reported() {
    assert_eq!(findings(&"=\n".repeat(10_000)).len(), 20);
}

#[test]
fn text_nested_too_deeply_is_refused() {
    assert!(!findings(&format!("a = {}", "[".repeat(100_000))).is_empty());
    assert!(!findings(&format!("{}a = 1", "a.".repeat(100_000))).is_empty());
}
