//! Weights in `Accept` and `Accept-Encoding` (RFC 9110, section 12.4.2).

/// Whether a parameter refuses what it belongs to: `q=0` in any spelling.
pub(crate) fn is_refusal(parameter: &str) -> bool {
    let value = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    value.is_some_and(|(_, value)| value.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
}
