//! Every target, for a few seconds: on its seeds, and on mutations of them that are the same in every run.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by its panic")]

mod mutate;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mutate::Mutator;
use octet_fuzz::{TARGETS, Target};

/// Mutations of each target: as many as a debug build does in about two seconds.
const MUTATIONS: usize = 4_000;

/// A target whose every run makes a descriptor pool anew does fewer in that time.
const MUTATIONS_OF_SLOW: usize = 100;
const SLOW: [&str; 1] = ["openapi"];

/// Other mutations by another number.
const RANDOM: u64 = 20_261_123;

/// A test a target, so that they run side by side.
macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                holds(Target::named(stringify!($name)).expect("a target of this name"));
            }
        )*

        #[test]
        fn each_target_has_a_test_seeds_and_a_long_form() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            let long: Vec<_> = names.iter().map(|name| format!("{name}.rs")).collect();
            assert_eq!(listed(&here.join("libfuzzer/fuzz_targets")), long);
            assert_eq!(listed(&here.join("seeds")), names);
        }
    };
}

targets! {
    answer deadline edge environment json logs message metadata openapi propagation query routes spans status template
    topology trace upstream
}

fn holds(target: Target) {
    let seeds = target.seeds().expect("seeds");
    for seed in &seeds {
        check(target, seed, "a seed");
    }

    let mut mutator = Mutator::new(RANDOM, &seeds);
    let mutations = if SLOW.contains(&target.name) { MUTATIONS_OF_SLOW } else { MUTATIONS };
    for number in 0..mutations {
        check(target, &mutator.next(), &format!("mutation {number} of RANDOM = {RANDOM}"));
    }
}

/// Says which input it was, in a form that can be kept.
fn check(target: Target, input: &[u8], which: &str) {
    let run = catch_unwind(AssertUnwindSafe(|| target.run(input)));
    let name = target.name;
    assert!(
        run.is_ok(),
        "{name} does not hold for {which}. Keep it as a seed, under a name that says what it broke:\n\
         base64 -d > fuzz/seeds/{name}/NAME <<< {}",
        STANDARD.encode(input)
    );
}

fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}
