use super::*;
use crate::Batch;

fn links(spans: &str) -> Vec<String> {
    let batch = Batch::read(spans.as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    let mut links = Links::default();
    links.add(&batch.spans);
    // Independent of their order.
    let mut reversed = Links::default();
    reversed.add(batch.spans.iter().rev());
    assert_eq!(links.list(), reversed.list());
    let line =
        |link: Link| format!("{}>{} {}/{}", link.parent, link.child, link.error_count, link.call_count);
    links.list().into_iter().map(line).collect()
}

fn span(id: u8, parent: u8, kind: &str, local: &str, rest: &str) -> String {
    let parent = if parent == 0 { String::new() } else { format!(r#""parentId":"{parent:016x}","#) };
    let kind = if kind.is_empty() { String::new() } else { format!(r#""kind":"{kind}","#) };
    format!(
        r#"{{"traceId":"00000000000000aa","id":"{id:016x}",{parent}{kind}"localEndpoint":{{"serviceName":"{local}"}}{rest}}}"#
    )
}

fn remote(name: &str) -> String {
    format!(r#","remoteEndpoint":{{"serviceName":"{name}"}}"#)
}

fn list(spans: &[String]) -> String {
    format!("[{}]", spans.join(","))
}

#[test]
fn a_call_that_both_sides_report_counts_once_whether_they_share_the_id_or_not() {
    let apart = [span(1, 0, "CLIENT", "a", &remote("x")), span(2, 1, "SERVER", "b", "")];
    assert_eq!(links(&list(&apart)), ["a>b 0/1"]);
    let shared = [span(1, 0, "CLIENT", "a", ""), span(1, 0, "SERVER", "b", r#","shared":true"#)];
    assert_eq!(links(&list(&shared)), ["a>b 0/1"]);
    let unmarked = [span(1, 0, "CLIENT", "a", ""), span(1, 0, "SERVER", "b", "")];
    assert_eq!(links(&list(&unmarked)), ["a>b 0/1"]);
}

#[test]
fn an_error_of_either_side_is_an_error_of_the_call() {
    let error = r#","tags":{"error":"timeout"}"#;
    let client = [span(1, 0, "CLIENT", "a", error), span(2, 1, "SERVER", "b", "")];
    assert_eq!(links(&list(&client)), ["a>b 1/1"]);
    let server = [span(1, 0, "CLIENT", "a", ""), span(2, 1, "SERVER", "b", error)];
    assert_eq!(links(&list(&server)), ["a>b 1/1"]);
    let shared = [span(1, 0, "CLIENT", "a", error), span(1, 0, "SERVER", "b", r#","shared":true"#)];
    assert_eq!(links(&list(&shared)), ["a>b 1/1"]);
}

#[test]
fn a_client_without_a_server_links_to_its_remote_endpoint() {
    let store = [span(1, 0, "SERVER", "c", ""), span(2, 1, "CLIENT", "c", &remote("service-c"))];
    assert_eq!(links(&list(&store)), ["c>service-c 0/1"]);
}

#[test]
fn messages_link_to_their_broker() {
    let both = [
        span(1, 0, "PRODUCER", "d", &remote("queue")),
        span(2, 1, "CONSUMER", "f", &remote("queue")),
        span(3, 2, "CLIENT", "f", &remote("db")),
    ];
    assert_eq!(links(&list(&both)), ["d>queue 0/1", "f>db 0/1", "queue>f 0/1"]);
    assert_eq!(links(&list(&[span(1, 0, "PRODUCER", "d", "")])), [""; 0]);
}

#[test]
fn local_spans_between_a_server_and_its_client_do_not_hide_the_call() {
    let spans = [
        span(1, 0, "SERVER", "a", &remote("edge")),
        span(2, 1, "", "a", ""),
        span(3, 2, "CLIENT", "a", ""),
        span(4, 3, "SERVER", "b", ""),
    ];
    assert_eq!(links(&list(&spans)), ["a>b 0/1", "edge>a 0/1"]);
}

#[test]
fn a_child_of_a_shared_id_belongs_to_the_side_of_its_own_service() {
    let spans = [
        span(1, 0, "CLIENT", "a", ""),
        span(1, 0, "SERVER", "b", r#","shared":true"#),
        span(2, 1, "CLIENT", "b", &remote("c")),
    ];
    assert_eq!(links(&list(&spans)), ["a>b 0/1", "b>c 0/1"]);
}

#[test]
fn a_span_in_pieces_is_one_call() {
    let late = r#","tags":{"error":"late"}"#;
    let spans = [
        span(1, 0, "CLIENT", "a", &remote("b")),
        span(1, 0, "", "a", late),
        span(1, 0, "CLIENT", "a", &remote("b")),
    ];
    assert_eq!(links(&list(&spans)), ["a>b 1/1"]);
}

#[test]
fn spans_that_are_each_others_parents_do_not_loop() {
    let spans = [span(1, 2, "", "a", ""), span(2, 1, "", "a", ""), span(3, 2, "CLIENT", "a", &remote("b"))];
    assert_eq!(links(&list(&spans)), ["a>b 0/1"]);
}
