//! Text that is not TOML.

use crate::{assert_faults, findings, mesh};

#[test]
fn text_that_is_not_toml_is_reported_where_it_fails() {
    assert_faults(&[
        ("a key given twice", mesh("policy = 'strict'", "name = 'b'"), r#"t:9:1: duplicate key, at "name""#),
        (
            "a text without its quote",
            "entry = 'a\n".to_owned(),
            "t:1:11: invalid literal string, expected `'`",
        ),
    ]);
}

#[test]
fn faults_of_syntax_are_all_reported_and_in_order() {
    let found = findings("entry = \n[[service]\nname == 'a'\n");
    let lines: Vec<_> = found.iter().map(|finding| finding.split(':').nth(1).unwrap()).collect();
    assert!(lines.len() >= 3 && lines.is_sorted(), "{found:?}");
}

#[test]
fn a_flood_of_faults_of_syntax_is_cut_short() {
    assert_eq!(findings(&"=\n".repeat(10_000)).len(), 20);
}

#[test]
fn text_nested_too_deep_is_a_fault() {
    assert!(!findings(&format!("a = {}", "[".repeat(100_000))).is_empty());
    assert!(!findings(&format!("{}a = 1", "a.".repeat(100_000))).is_empty());
}
