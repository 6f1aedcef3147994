//! How often and how long an upstream is called: beside the retries of what was provably not processed.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tonic::Code;

use super::{Balance, CallError};
use crate::backoff::Backoff;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Retries that the budget allows before it is earned: a client with few calls may retry, too.
const BURST: f64 = 10.0;

/// How an upstream is called.
#[derive(Debug, Clone, Default)]
pub struct CallPolicy {
    /// The most time for a call with its retries.
    pub deadline: Option<Duration>,
    /// How an address is chosen; `None` for each in turn.
    pub balance: Option<Balance>,
    /// Which failures are tried again.
    pub retry: Option<RetryPolicy>,
}

/// Which failures are tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The most attempts, the first included.
    pub attempts: u32,
    /// The codes that are tried again.
    pub on: Vec<Code>,
    /// Retries as a share of all calls, from 0 to 1; `None` for no limit.
    pub budget: Option<f64>,
    /// The pause before the first retry; it doubles with each.
    pub backoff: Duration,
}

impl CallPolicy {
    /// The policy of an edge: its deadline, how it balances, and its retries as attempts, gRPC's numbers of codes, budget and
    /// pause.
    pub fn new(
        deadline: Option<Duration>,
        balance: Option<Balance>,
        retry: Option<(u32, Vec<i32>, Option<f64>, Duration)>,
    ) -> Self {
        let retry = retry.map(|(attempts, codes, budget, backoff)| {
            let on = codes.into_iter().map(Code::from).collect();
            RetryPolicy { attempts, on, budget, backoff }
        });
        Self { deadline, balance, retry }
    }
}

/// The retries of all calls to one upstream.
#[derive(Debug)]
pub(super) struct Retries {
    policy: RetryPolicy,
    /// What the budget still allows.
    left: Mutex<f64>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, after this pause.
    Retry(Duration),
    /// The call fails: no attempt is left, or the code is not tried again.
    GiveUp,
    /// The call fails although its attempts are not used up.
    BudgetSpent,
}

impl Retries {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        Self { policy, left: Mutex::new(BURST) }
    }

    /// The pauses of one call, which earns its share of the budget.
    pub(super) fn start(&self) -> Backoff {
        if let Some(share) = self.policy.budget {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            *left = (*left + share).min(BURST);
        }
        Backoff::new(self.policy.backoff, MAX_PAUSE)
    }

    /// What follows the failed attempt number `attempt`, counted from 0.
    pub(super) fn next(&self, error: &CallError, attempt: u32, pauses: &mut Backoff) -> Next {
        if attempt + 1 >= self.policy.attempts || !self.policy.on.contains(&error.status.code()) {
            return Next::GiveUp;
        }
        if self.policy.budget.is_some() {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if *left < 1.0 {
                return Next::BudgetSpent;
            }
            *left -= 1.0;
        }
        Next::Retry(pauses.pause())
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    fn retries(budget: Option<f64>) -> Retries {
        let on = vec![Code::Unavailable];
        Retries::new(RetryPolicy { attempts: 3, on, budget, backoff: Duration::from_millis(20) })
    }

    fn failed(code: Code) -> CallError {
        CallError::from_status(Status::new(code, "failed"))
    }

    #[test]
    fn a_code_of_the_policy_is_tried_again_until_the_attempts_are_used_up() {
        let retries = retries(None);
        let mut pauses = retries.start();
        let unavailable = failed(Code::Unavailable);
        for attempt in 0..2 {
            assert!(matches!(retries.next(&unavailable, attempt, &mut pauses), Next::Retry(_)), "{attempt}");
        }
        assert_eq!(retries.next(&unavailable, 2, &mut pauses), Next::GiveUp);
        assert_eq!(retries.next(&failed(Code::Internal), 0, &mut pauses), Next::GiveUp);
    }

    #[test]
    fn retries_are_at_most_the_budgets_share_of_all_calls() {
        let retries = retries(Some(0.2));
        let mut retried = 0;
        for _ in 0..1_000 {
            let mut pauses = retries.start();
            for attempt in 0..2 {
                match retries.next(&failed(Code::Unavailable), attempt, &mut pauses) {
                    Next::Retry(_) => retried += 1,
                    next => {
                        assert_eq!(next, Next::BudgetSpent);
                        break;
                    }
                }
            }
        }
        assert!((200..=210).contains(&retried), "{retried}");
    }
}
