//! "Did you mean": the known name that a mistyped one resembles.

/// The least similarity of a suggestion, from 0 to 1: clap's own limit for its suggestions.
const LEAST: f64 = 0.7;

/// Bytes of the longest name that is compared: no name of a topology is longer.
const LONGEST: usize = 63;

/// The name among `known` that resembles `given` most; `None` if none does, or several do equally.
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > LONGEST {
        return None;
    }
    let similar = known.into_iter().map(|name| (strsim::jaro(given, name), name));
    let mut similar: Vec<_> = similar.filter(|(similarity, _)| *similarity > LEAST).collect();
    similar.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    match similar.as_slice() {
        [(first, _), (second, _), ..] if first.total_cmp(second).is_eq() => None,
        [(_, name), ..] => Some(name),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested() {
        let known = ["service-a", "service-b", "gateway", "collector"];
        for (given, suggested) in [
            ("servic-b", Some("service-b")),
            ("gatway", Some("gateway")),
            ("colector", Some("collector")),
            ("service-z", None),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(suggest(given, known), suggested, "{given}");
        }
        assert_eq!(suggest(&"service-a".repeat(10_000), known), None);
    }
}
