//! Chooses one of several addresses.

use super::health::State;

/// How a caller chooses among the addresses of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// The first address that can be used.
    PickFirst,
    /// Each address in turn.
    #[default]
    RoundRobin,
    /// The address with the fewest calls in flight.
    LeastRequest,
}

impl Balance {
    /// By its spelling in topologies.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "pick_first" => Some(Self::PickFirst),
            "round_robin" => Some(Self::RoundRobin),
            "least_request" => Some(Self::LeastRequest),
            _ => None,
        }
    }
}

/// What is known of an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) state: State,
    pub(super) in_flight: usize,
    /// Whether this call was sent there before.
    pub(super) is_tried: bool,
}

/// The index of the chosen address; `None` where there is none. `turn` counts the choices.
///
/// An address that is left out is not chosen, unless fewer than half of those that can be reached would be left: then
/// leaving out more would overload the rest, and the failure is probably not theirs. Where none can be reached, each may
/// be chosen. A call goes to an address where it was not before, if there is one.
pub(super) fn choose(candidates: &[Candidate], balance: Balance, turn: usize) -> Option<usize> {
    let is_used = |candidate: &Candidate| matches!(candidate.state, State::Used | State::Due);
    let is_reachable = |candidate: &Candidate| candidate.state != State::Unreachable;
    let used = candidates.iter().filter(|candidate| is_used(candidate)).count();
    let reachable = candidates.iter().filter(|candidate| is_reachable(candidate)).count();
    let is_eligible = |candidate: &Candidate| {
        if reachable == 0 {
            true
        } else if used * 2 >= reachable {
            is_used(candidate)
        } else {
            is_reachable(candidate)
        }
    };
    let is_new = |candidate: &Candidate| is_eligible(candidate) && !candidate.is_tried;
    let any_new = candidates.iter().any(is_new);
    let eligible =
        || {
            candidates.iter().enumerate().filter(move |(_, candidate)| {
                if any_new { is_new(candidate) } else { is_eligible(candidate) }
            })
        };
    let start = turn % eligible().count().max(1);
    let in_turn = || eligible().skip(start).chain(eligible().take(start));
    let chosen = match balance {
        Balance::PickFirst => eligible().next(),
        Balance::RoundRobin => in_turn().next(),
        // Equal ones are used in turn.
        Balance::LeastRequest => in_turn().min_by_key(|(_, candidate)| candidate.in_flight),
    };
    chosen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(states: &str) -> Vec<Candidate> {
        let candidate = |state: char| {
            let state = match state.to_ascii_lowercase() {
                'u' => State::Used,
                'd' => State::Due,
                'o' => State::LeftOut,
                _ => State::Unreachable,
            };
            Candidate { state, in_flight: 0, is_tried: false }
        };
        states.chars().map(candidate).collect()
    }

    fn all(states: &str, balance: Balance) -> Vec<usize> {
        (0..4).filter_map(|turn| choose(&candidates(states), balance, turn)).collect()
    }

    #[test]
    fn each_way_to_balance_chooses_as_it_says() {
        assert_eq!(all("uuu", Balance::RoundRobin), [0, 1, 2, 0]);
        assert_eq!(all("uuu", Balance::PickFirst), [0; 4]);
        assert_eq!(all("xou", Balance::PickFirst), [2; 4]);
        let mut busy = candidates("uuu");
        busy[0].in_flight = 2;
        busy[1].in_flight = 1;
        assert_eq!(choose(&busy, Balance::LeastRequest, 0), Some(2));
        busy[2].in_flight = 1;
        let turns: Vec<_> = (0..6).filter_map(|turn| choose(&busy, Balance::LeastRequest, turn)).collect();
        assert!(turns.contains(&1) && turns.contains(&2) && !turns.contains(&0), "{turns:?}");
    }

    #[test]
    fn addresses_are_left_out_only_while_half_of_the_rest_is_used() {
        assert_eq!(all("uo", Balance::RoundRobin), [0; 4]);
        assert_eq!(all("ud", Balance::RoundRobin), [0, 1, 0, 1]);
        assert_eq!(all("uoo", Balance::RoundRobin), [0, 1, 2, 0], "too few are left");
        assert_eq!(all("oo", Balance::RoundRobin), [0, 1, 0, 1], "never all");
        assert_eq!(all("uxx", Balance::RoundRobin), [0; 4], "what cannot be reached does not count");
        assert_eq!(all("uxo", Balance::RoundRobin), [0; 4]);
        assert_eq!(all("xx", Balance::RoundRobin), [0, 1, 0, 1], "each may be tried");
        assert_eq!(choose(&[], Balance::RoundRobin, 3), None);
    }

    #[test]
    fn a_call_goes_where_it_was_not_before() {
        let mut two = candidates("uu");
        two[0].is_tried = true;
        for balance in [Balance::PickFirst, Balance::RoundRobin, Balance::LeastRequest] {
            assert!((0..4).all(|turn| choose(&two, balance, turn) == Some(1)), "{balance:?}");
        }
        two[1].is_tried = true;
        assert_eq!(choose(&two, Balance::PickFirst, 0), Some(0), "there is no other");
    }
}
