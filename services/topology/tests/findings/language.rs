//! Behaviour, calls and faults.

use octet_topology::{MAX_EDGES, MAX_PROCESSES};

use crate::{assert_faults, findings, mesh};

const SPREAD: &str =
    "must be a value such as 5ms, a range (1ms..9ms) or percentiles (p50=1ms p90=5ms p99=9ms), at most";
const SIZES: &str = "must be a value such as 10KiB, a range (1KiB..9KiB) or percentiles (p50=1KiB p90=5KiB p99=9KiB), at most";

#[test]
fn invalid_behaviour_is_reported() {
    assert_faults(&[
        ("a work", mesh("work = 'long'", ""), &format!("t:5:8: service[0].work: \"long\" {SPREAD} 1h")),
        (
            "too long a work",
            mesh("work = '61m'", ""),
            &format!("t:5:8: service[0].work: \"61m\" {SPREAD} 1h"),
        ),
        ("too much CPU", mesh("cpu = '2s'", ""), &format!("t:5:7: service[0].cpu: \"2s\" {SPREAD} 1s")),
        (
            "memory",
            mesh("memory = '65MiB'", ""),
            &format!("t:5:10: service[0].memory: \"65MiB\" {SIZES} 64MiB"),
        ),
        (
            "a payload",
            mesh("payload = '2MiB'", ""),
            &format!("t:5:11: service[0].payload: \"2MiB\" {SIZES} 1MiB"),
        ),
        (
            "replicas",
            mesh("replicas = 17", "replicas = -1"),
            "t:5:12: service[0].replicas: must be a whole number from 1 to 16\n\
             t:9:12: service[1].replicas: must be a whole number from 1 to 16",
        ),
        (
            "a limit",
            mesh("limit = { queue = 100001 }", "limit = 4"),
            "t:5:9: service[0].limit.concurrent: missing\n\
             t:5:19: service[0].limit.queue: must be a whole number from 0 to 100000\n\
             t:9:9: service[1].limit: must be a table, not an integer",
        ),
        (
            "when_left",
            mesh("when_left = 'go'", ""),
            "t:5:13: service[0].when_left: \"go\" is not a reaction to a caller that left: use stop or finish",
        ),
        (
            "ready_after",
            mesh("ready_after = '2h'", ""),
            "t:5:15: service[0].ready_after: \"2h\" must be a duration such as 300ms or 5s, from 0s to 1h",
        ),
        (
            "mixed calls",
            mesh("calls = [['service-b'], 'service-c']", ""),
            "t:5:9: service[0].calls: must be all names (called together) or all arrays of names (steps), not both",
        ),
        (
            "an empty step",
            mesh("calls = [[]]", ""),
            "t:5:10: service[0].calls[0]: a step must have at least one name",
        ),
        (
            "a name twice in two steps",
            mesh("calls = [['service-b'], ['service-b']]", ""),
            r#"t:5:26: service[0].calls[1][0]: "service-b" is already in service[0].calls[0][0]"#,
        ),
        (
            "a default",
            format!("{}[defaults]\nname = 'x'\nwork = 7", mesh("", "")),
            "t:11:1: defaults.name: unknown field; fields are: greeting, policy, replicas, work, cpu, memory, payload, \
             limit, when_left, ready_after\nt:12:8: defaults.work: must be a string, not an integer",
        ),
        (
            "a seed",
            format!("seed = -1\n{}", mesh("", "")),
            "t:1:8: seed: must be a whole number from 0 to 9223372036854775807",
        ),
    ]);
}

#[test]
fn invalid_edges_are_reported() {
    let edge = |text: &str| format!("{}[[edge]]\n{text}", mesh("calls = ['service-b']", ""));
    assert_faults(&[
        ("no address", edge("times = 2"), "t:10:1: edge[0].at: missing"),
        (
            "an address",
            edge("at = 'service-b'"),
            "t:11:6: edge[0].at: \"service-b\" must be CALLER>CALLEE, with * for any service",
        ),
        (
            "a store",
            edge("at = 'service-b>store'"),
            "t:11:6: edge[0].at: \"service-b>store\" must be CALLER>CALLEE, with * for any service",
        ),
        (
            "an unknown service",
            edge("at = 'service-x>service-b'"),
            "t:11:6: edge[0].at: service-x is not a service; services are: service-a, service-b",
        ),
        (
            "no such call",
            edge("at = 'service-b>*'"),
            "t:11:6: edge[0].at: no service of this mesh makes the call service-b>*",
        ),
        (
            "the same address twice",
            edge("at = '*>service-b'\n[[edge]]\nat = '*>service-b'"),
            "t:13:6: edge[1].at: is already the address of edge[0]",
        ),
        (
            "a share",
            edge("at = '*>service-b'\nshare = '0%'\ntimes = 101\ndeadline = '0s'"),
            "t:12:9: edge[0].share: \"0%\" must be a share such as 10% or 0.5%, more than 0% and at most 100%\n\
             t:13:9: edge[0].times: must be a whole number from 1 to 100\n\
             t:14:12: edge[0].deadline: \"0s\" must be a duration such as 300ms or 5s, from 1ms to 1h",
        ),
        (
            "a balance",
            edge("at = '*>service-b'\nbalance = 'random'"),
            "t:12:11: edge[0].balance: \"random\" is not a way to balance: use pick_first, round_robin or least_request",
        ),
        (
            "a retry",
            edge("at = '*>service-b'\nretry = { attempts = 11, on = [], backoff = '0s' }"),
            "t:12:22: edge[0].retry.attempts: must be a whole number from 1 to 10\n\
             t:12:31: edge[0].retry.on: must have at least one code\n\
             t:12:45: edge[0].retry.backoff: \"0s\" must be a duration such as 300ms or 5s, from 1ms to 1h",
        ),
        (
            "a retry without attempts",
            edge("at = '*>service-b'\nretry = {}"),
            "t:12:9: edge[0].retry.attempts: missing",
        ),
        (
            "what the gateway cannot do",
            edge("at = 'gateway>service-a'\nshare = '5%'\ntimes = 2"),
            "t:12:9: edge[0].share: the gateway makes one call for each request, and sends what its client sent\n\
             t:13:9: edge[0].times: the gateway makes one call for each request, and sends what its client sent",
        ),
    ]);
}

#[test]
fn invalid_faults_are_reported() {
    let fault = |text: &str| format!("{}[[fault]]\n{text}", mesh("calls = ['service-b']", "replicas = 2"));
    assert_faults(&[
        (
            "no effect and no address",
            fault("share = '5%'"),
            "t:10:1: fault[0]: at: missing\nt:10:1: fault[0]: must have an effect: one of delay, abort, lose, drop, reset, \
             throttle, cpu, memory, stall, unready, crash, duplicate",
        ),
        (
            "a replica too many",
            fault("at = 'service-b#3'\ndrop = true"),
            "t:11:6: fault[0].at: service-b has no such replica",
        ),
        (
            "no store",
            fault("at = 'service-b>store'\ndrop = true"),
            "t:11:6: fault[0].at: service-b has no store",
        ),
        ("no queue", fault("at = '*>queue'\ndrop = true"), "t:11:6: fault[0].at: * publishes to no queue"),
        (
            "a type",
            fault("at = '*'\ndelay = 5.5"),
            "t:10:1: fault[0]: must have an effect: one of delay, abort, lose, drop, reset, throttle, cpu, memory, stall, \
             unready, crash, duplicate\n\
             t:12:9: fault[0].delay: must be a string, a whole number or a boolean, not a float",
        ),
        (
            "two effects",
            fault("at = 'service-a'\nreset = true\ndrop = true"),
            "t:13:1: fault[0].drop: a fault has one effect, and this one has reset already",
        ),
        (
            "a share",
            fault("at = 'gateway>service-a'\nreset = true\nshare = '200%'\nmax = 0"),
            "t:13:9: fault[0].share: must be a share such as 10% or 0.5%, more than 0% and at most 100%\n\
             t:14:7: fault[0].max: must be a whole number from 1 to 10000",
        ),
    ]);
}

#[test]
fn the_limits_of_processes_edges_and_faults_are_checked() {
    let services = |last: u32| {
        (0..8).fold("entry = 's0'\n".to_owned(), |text, index| {
            let replicas = if index == 7 { last } else { 16 };
            format!("{text}[[service]]\nname = 's{index}'\nreplicas = {replicas}\n")
        })
    };
    assert_eq!(MAX_PROCESSES, 128);
    assert!(findings(&services(16)).is_empty());
    let too_many = format!("{}[[service]]\nname = 's8'", services(16));
    assert_eq!(
        findings(&too_many),
        ["t:26:1: service[8]: with this service there are more than 128 processes"]
    );

    let faults = |count: usize| mesh("", "") + &"[[fault]]\nat = '*'\ndrop = true\n".repeat(count);
    assert!(findings(&faults(64)).is_empty());
    assert_eq!(findings(&faults(65)), ["t:202:1: fault[64]: must have at most 64 [[fault]]"]);

    let edges = mesh("calls = ['service-b']", "") + &"[[edge]]\nat = '*>*'\n".repeat(MAX_EDGES + 1);
    assert!(
        findings(&edges).iter().any(|finding| finding.ends_with("edge[512]: must have at most 512 [[edge]]"))
    );
}

#[test]
fn calls_that_are_made_several_times_count_as_often_in_the_answer() {
    let text = |times: u32| {
        let third = "[[service]]\nname = 'service-c'\n";
        let edges = format!("[[edge]]\nat = '*>*'\ntimes = {times}\n");
        mesh("calls = ['service-b']", "calls = ['service-c']") + third + &edges
    };
    assert!(findings(&text(31)).is_empty());
    assert_eq!(
        findings(&text(32)),
        ["t:2:1: service[0]: an answer of 1057 greetings exceeds the limit of 1000"]
    );
}
