//! Faults as a text: from the environment, a file, the admin server or a header.

use octet_fault::{MAX_FAULTS, parse};

use crate::checks::{lossy, one_line};

pub(crate) fn run(bytes: &[u8]) {
    let text = lossy(bytes);
    match parse(&text) {
        Ok(faults) => {
            assert!(faults.len() <= MAX_FAULTS);
            for fault in faults {
                let line = fault.to_string();
                one_line(&line);
                assert_eq!(parse(&line), Ok(vec![fault]), "{line}");
            }
        }
        Err(problems) => {
            let lines = text.split('\n').count();
            assert!(problems.iter().count() > 0);
            for problem in &problems {
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem}");
                one_line(&problem.to_string());
            }
        }
    }
}
