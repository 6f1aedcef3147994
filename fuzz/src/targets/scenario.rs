//! A scenario's text.

use octet::scenario::check;

use crate::checks::{check_findings, lossy};

pub(crate) fn run(bytes: &[u8]) {
    let text = lossy(bytes);
    let read = check(&text, "fuzz");
    assert_eq!(check(&text, "fuzz"), read, "reading again gives another result");
    match read {
        Ok(scenario) => {
            for (from, until) in scenario.faults {
                assert!(from <= until && until <= scenario.load, "a fault from {from:?} to {until:?}");
            }
            let [k6, chaostoolkit] = scenario.exported;
            assert!(!k6.is_empty());
            serde_json::from_str::<serde_json::Value>(&chaostoolkit).expect("an experiment is JSON");
        }
        Err(findings) => check_findings(&text, &findings),
    }
}
