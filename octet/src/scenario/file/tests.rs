use super::*;
use crate::scenario::model::When;

fn read(text: &str) -> Result<Scenario, String> {
    let none = |name: &str| Err(format!("{name}: cannot be read"));
    parse(text, "s.toml", &none).map_err(|findings| findings.to_string())
}

#[test]
fn the_example_of_the_documentation_is_valid() {
    let scenario = read(
        r#"
        title = "A tenth of E's calls to G fail"
        seed = 7
        [load]
        rate = "200/s"
        for = "8m"
        [[fault]]
        at = "service-e>service-g"
        abort = "UNAVAILABLE"
        share = "10%"
        from = "60s"
        for = "5m"
        [[action]]
        at = "service-d"
        do = "kill"
        from = "90s"
        [[expect]]
        when = "before"
        latency = ["p(99)<50ms"]
        errors = ["rate==0"]
        [[expect]]
        when = "during"
        errors = ["rate>0.08", "rate<0.12"]
        alert = { fire = ["OctetErrorRate"], within = "4m", others = "none" }
        [[expect]]
        when = "end"
        audit = "clean"
        telemetry = { lost = ["rate==0"] }
        "#,
    )
    .unwrap();
    assert_eq!((scenario.load.rate, scenario.load.users), (Some(200), 400));
    assert_eq!(scenario.faults[0].until, Duration::from_mins(6));
    assert_eq!(scenario.actions[0].processes, ["service-d"]);
    let checks: Vec<_> =
        scenario.expectations.iter().map(|expect| (expect.when, expect.checks.len())).collect();
    assert_eq!(checks, [(When::Before, 2), (When::During, 3), (When::End, 2)]);
}

#[test]
fn every_error_is_reported_at_once_with_its_line_and_column() {
    let refused = read(
        r#"title = ""
topology = "../x.toml"
speed = 1
[environment]
PORT = "1"
[load]
rate = "fast"
[[fault]]
at = "nowhere"
[[action]]
at = "service-d"
do = "stab"
[[expect]]
when = "later"
errors = ["rate=0"]
[[expect]]
when = "during"
audit = "clean"
"#,
    )
    .unwrap_err();
    for finding in [
        "s.toml:1:9: title: must be one line",
        "s.toml:2:12: topology: must be the path of a file in the scenario's directory",
        "s.toml:3:1: speed: unknown field; fields are: title, ",
        "s.toml:5:1: environment.PORT: is set for each process",
        "s.toml:6:1: load.for: missing",
        "s.toml:7:8: load.rate: must be a rate such as",
        "s.toml:8:1: fault[0]: must have an effect",
        "s.toml:12:6: action[0].do: must be one of kill, stop",
        "s.toml:14:8: expect[0].when: must be one of before",
        "s.toml:15:11: expect[0].errors[0]: must be NAME, one of",
        "s.toml:18:9: expect[1].audit: is known only with when = \"end\"",
    ] {
        assert!(refused.lines().any(|line| line.starts_with(finding)), "{finding}\n{refused}");
    }
}

#[test]
fn processes_outside_the_mesh_and_too_many_requests_are_refused() {
    let refused = read(
        r#"title = "t"
[load]
rate = "50000/s"
for = "10m"
[[action]]
at = "servic-d"
do = "kill"
[[action]]
at = "service-a"
do = "poison"
[[expect]]
when = "end"
readiness = { ready = ["service-z"] }
"#,
    )
    .unwrap_err();
    for part in [
        "at most 2000000 requests",
        "\"servic-d\" is not a process of this mesh; did you mean \"service-d\"?",
        "must be a service that publishes to a queue",
        "\"service-z\" is not a process of this mesh",
    ] {
        assert!(refused.contains(part), "{part}\n{refused}");
    }
}

#[test]
fn an_expectation_around_a_fault_needs_one() {
    let refused = read(
        "title = \"t\"\n[load]\nusers = 1\nfor = \"1s\"\n[[expect]]\nwhen = \"after\"\nerrors = [\"rate==0\"]\n",
    );
    assert!(refused.unwrap_err().contains("needs a [[fault]] or an [[action]]"));
}

#[test]
fn counters_cannot_be_judged_where_a_process_starts_again() {
    let text = |verb: &str, telemetry: &str| {
        format!(
            "title = \"t\"\n[load]\nusers = 1\nfor = \"5s\"\n[[action]]\nat = \"service-g\"\ndo = \"{verb}\"\n\
             [[expect]]\nwhen = \"end\"\ntelemetry = {{ {telemetry} }}\n"
        )
    };
    assert!(read(&text("freeze", "counters = \"agree\"")).is_ok());
    let refused = read(&text("kill", "counters = \"agree\"")).unwrap_err();
    assert!(
        refused
            .contains("s.toml:10:26: expect[0].telemetry.counters: cannot be judged with `kill service-g`"),
        "{refused}"
    );
    assert!(read(&text("kill", "lost = [\"rate<0.1\"]")).is_ok());
    for (telemetry, why) in [
        ("", "must expect something: lost, doubled"),
        ("counters = \"off\"", "must be \"agree\""),
        ("missing = []", "unknown field"),
    ] {
        let refused = read(&text("freeze", telemetry)).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
