//! Checks the claims of answers in batches, until no message is queued or the wait is over.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use tokio::time::Instant;

use super::{
    answers::{Answer, Answers},
    claims::{Claim, Claims},
    duplicates::{Duplicates, Seen},
    gap::{Gap, GapKind},
    graph::Graph,
    inspector::{Inspector, State},
    report::Answered,
    spool::Spool,
    stream,
};
use crate::failure::Failure;

/// How many ids are looked up together.
const BATCH: usize = 16_384;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

const SPOOL: &str = "cannot keep claims in a temporary file";

/// The check of one file of answers.
pub(super) struct Check<'a> {
    graph: &'a Graph,
    inspector: &'a Inspector,
    on_gap: &'a mut dyn FnMut(&Gap),
    answered: Answered,
    /// Claims to look up again.
    undecided: Spool<Claim>,
    duplicates: Duplicates,
}

/// Whether a claim on a queued message is looked up again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Last,
    Only,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        inspector: &'a Inspector,
        on_gap: &'a mut dyn FnMut(&Gap),
    ) -> anyhow::Result<Self> {
        let undecided = Spool::new().context(SPOOL)?;
        let duplicates = Duplicates::new().context(SPOOL)?;
        Ok(Self { graph, inspector, on_gap, answered: Answered::default(), undecided, duplicates })
    }

    pub(super) async fn run(mut self, answers: Answers, wait: Option<Duration>) -> Result<Answered, Failure> {
        self.read(answers, if wait.is_some() { Look::First } else { Look::Only }).await?;
        self.duplicates
            .find(|seen, first_line| {
                self.answered.duplicates += 1;
                (self.on_gap)(&Gap::duplicate(&seen, first_line, self.graph));
            })
            .context(SPOOL)?;
        if let Some(wait) = wait {
            self.wait(wait).await?;
        }
        Ok(self.answered)
    }

    async fn read(&mut self, mut answers: Answers, look: Look) -> Result<(), Failure> {
        let mut claims = Claims::new(self.graph);
        let mut batch: Vec<Claim> = Vec::new();
        let mut ids = 0;
        while let Some(mut answer) = answers.read()? {
            self.answered.answers += 1;
            self.answered.greetings += count(answer.greetings.len());
            self.remember_ids(&answer)?;
            let arranged =
                if answer.is_stream { stream::arrange(self.graph, &mut answer.greetings) } else { Ok(()) };
            match arranged.and_then(|()| claims.of(&answer)) {
                Ok(claims) => {
                    self.answered.checked += count(claims.len());
                    self.count_documents(&claims);
                    ids += claims.iter().map(|claim| 1 + claim.others.len()).sum::<usize>();
                    batch.extend(claims);
                }
                Err(why) => {
                    self.answered.invalid += 1;
                    (self.on_gap)(&Gap::invalid(&answer, &why));
                }
            }
            if ids >= BATCH {
                ids = 0;
                self.look(std::mem::take(&mut batch), look).await?;
            }
        }
        Ok(self.look(batch, look).await?)
    }

    /// Two calls that received the same greeting claim one document.
    fn count_documents(&mut self, claims: &[Claim]) {
        let documents: HashSet<_> = claims.iter().map(|claim| (claim.place, claim.id)).collect();
        for (place, _) in documents {
            *self.answered.documents.entry(self.graph.owner(place)).or_default() += 1;
        }
    }

    /// Remembers the ids of an answer, even of an invalid one, to find them in other answers.
    fn remember_ids(&mut self, answer: &Answer) -> anyhow::Result<()> {
        for greeting in &answer.greetings {
            let service =
                self.graph.service(&greeting.service).and_then(|service| u32::try_from(service).ok());
            if let (Some(service), Ok(id)) = (service, greeting.id.parse()) {
                self.duplicates.push(&Seen { id, line: answer.line, service }).context(SPOOL)?;
            }
        }
        Ok(())
    }

    /// Looks up undecided claims until there are none or the wait is over.
    async fn wait(&mut self, wait: Duration) -> anyhow::Result<()> {
        let mut patience = Patience::new(wait);
        while self.undecided.len() > 0 {
            let look = if patience.pause().await { Look::First } else { Look::Last };
            let mut undecided = std::mem::replace(&mut self.undecided, Spool::new().context(SPOOL)?);
            let mut undecided = undecided.read().context(SPOOL)?;
            loop {
                let batch = undecided.batch(BATCH).context(SPOOL)?;
                if batch.is_empty() {
                    break;
                }
                self.look(batch, look).await?;
            }
        }
        Ok(())
    }

    async fn look(&mut self, batch: Vec<Claim>, look: Look) -> anyhow::Result<()> {
        let mut unmet = self.inspector.unmet(batch).await?;
        // In the order of the file, so that both can be read side by side.
        unmet.sort_by_key(|(claim, _)| claim.line);
        for (claim, state) in unmet {
            match (state, look) {
                (State::Queued | State::Unseen, Look::First) => self.undecided.push(&claim).context(SPOOL)?,
                // Without --wait, a queued message is no gap.
                (State::Queued, Look::Only) => {
                    let owner = self.graph.owner(claim.place);
                    *self.answered.queued.entry(owner).or_default() += 1;
                }
                (State::Queued, Look::Last) => self.gap(&claim, GapKind::Queued),
                (State::DeadLettered, _) => self.gap(&claim, GapKind::DeadLettered),
                (State::Missing | State::Unseen, _) => self.gap(&claim, GapKind::Missing),
                (State::Altered(field), _) => {
                    let gap = Gap::altered(&claim, field, self.graph);
                    *self.answered.altered.entry(gap.service.clone()).or_default() += 1;
                    (self.on_gap)(&gap);
                }
            }
        }
        Ok(())
    }

    fn gap(&mut self, claim: &Claim, kind: GapKind) {
        let counts = match kind {
            GapKind::Queued => &mut self.answered.queued,
            GapKind::DeadLettered => &mut self.answered.dead_lettered,
            _ => &mut self.answered.missing,
        };
        let gap = Gap::of(kind, claim, self.graph);
        *counts.entry(gap.service.clone()).or_default() += 1;
        (self.on_gap)(&gap);
    }
}

/// Growing pauses until the wait is over.
pub(super) struct Patience {
    end: Instant,
    pause: Duration,
    since: Instant,
}

impl Patience {
    pub(super) fn new(wait: Duration) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(wait).unwrap_or(now), pause: FIRST_PAUSE, since: now }
    }

    /// Pauses for at least as long as the caller has worked since the last pause, so that looking up millions of ids does
    /// not use the whole host. Returns false when the wait is over.
    pub(super) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        let pause =
            self.pause.max(now.duration_since(self.since)).min(self.end.saturating_duration_since(now));
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        self.since = Instant::now();
        self.since < self.end
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
