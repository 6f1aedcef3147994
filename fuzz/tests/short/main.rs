//! Every target for a few seconds: on its seeds, and on mutations of them, which are the same in every run.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod mutate;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mutate::Mutator;
use octet_fuzz::{TARGETS, Target};

/// Mutations for each target: about two seconds in a debug build.
const MUTATIONS: usize = 4_000;

/// Targets that build a descriptor pool in each run do fewer in that time.
const MUTATIONS_OF_SLOW: usize = 100;
const SLOW: [&str; 1] = ["openapi"];

/// The seed of the random numbers.
const RANDOM: u64 = 20_261_123;

/// One test for each target, so that they run in parallel.
macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check_target(Target::named(stringify!($name)).expect("a target of this name"));
            }
        )*

        #[test]
        fn each_target_has_a_test_seeds_and_a_libfuzzer_target() {
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
    answer deadline diagnosis edge environment fault json logs message metadata openapi otlp otlp_json propagation query routes
    scenario spans spans_proto spans_v1 status template topology trace upstream
}

fn check_target(target: Target) {
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

/// Reports a failing input in a form that can be kept as a seed.
fn check(target: Target, input: &[u8], which: &str) {
    let run = catch_unwind(AssertUnwindSafe(|| target.run(input)));
    let name = target.name;
    assert!(
        run.is_ok(),
        "{name} fails for {which}. Keep the input as a seed, with a name that describes the failure:\n\
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
