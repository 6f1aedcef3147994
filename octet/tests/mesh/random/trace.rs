//! What holds for the trace of every call.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Checks that the spans of each trace are one tree below the span that called, and that every call has its span: `served`
/// calls in all, of which some belong to callers that left.
pub(super) fn check(spans: &[Value], traces: &[(String, String)], served: usize) {
    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let mut by_trace: HashMap<String, Vec<&Value>> = HashMap::new();
    for span in spans {
        by_trace.entry(text(span, "traceId")).or_default().push(span);
    }
    let servers = spans.iter().filter(|span| span["kind"] == "SERVER").count();
    assert_eq!(servers, served, "each call has its span");
    for (trace, caller) in traces {
        // A call whose deadline passed before it was sent has no spans.
        let Some(spans) = by_trace.get(trace) else { continue };
        let ids: HashSet<_> = spans.iter().map(|span| text(span, "id")).collect();
        assert_eq!(ids.len(), spans.len(), "an id is in two spans of {trace}");
        let roots: Vec<_> = spans.iter().filter(|span| text(span, "parentId") == *caller).collect();
        assert_eq!(roots.len(), 1, "one call: {roots:#?}");
        assert_eq!(roots[0]["kind"], "SERVER");
        for span in spans {
            let parent = text(span, "parentId");
            assert!(parent == *caller || ids.contains(&parent), "the parent of {span:#} is missing");
        }
    }
}
