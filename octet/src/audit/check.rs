//! Answers against what there is, in batches, until nothing is on its way or the time is over.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use super::{
    answers::Answers,
    claims::{Claim, Claims},
    gap::{Gap, GapKind},
    graph::Graph,
    places::{Fate, Places},
    report::Answered,
    spool::Spool,
};
use crate::failure::Failure;

/// Ids that are looked up together.
const BATCH: usize = 16_384;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const SPOOL: &str = "cannot keep what is on its way in a temporary file";

/// One check of one file.
pub(super) struct Check<'a> {
    graph: &'a Graph,
    places: &'a Places,
    on_gap: &'a mut dyn FnMut(&Gap),
    answered: Answered,
    /// For the next look.
    undecided: Spool,
}

/// Whether what is on its way has another chance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Last,
    Only,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        places: &'a Places,
        on_gap: &'a mut dyn FnMut(&Gap),
    ) -> anyhow::Result<Self> {
        let undecided = Spool::new().context(SPOOL)?;
        Ok(Self { graph, places, on_gap, answered: Answered::default(), undecided })
    }

    pub(super) async fn run(mut self, answers: Answers, wait: Option<Duration>) -> Result<Answered, Failure> {
        self.read(answers, if wait.is_some() { Look::First } else { Look::Only }).await?;
        if let Some(wait) = wait {
            self.wait(wait).await?;
        }
        Ok(self.answered)
    }

    async fn read(&mut self, mut answers: Answers, look: Look) -> Result<(), Failure> {
        let mut claims = Claims::new(self.graph);
        let mut batch: Vec<Claim> = Vec::new();
        let mut ids = 0;
        while let Some(answer) = answers.read()? {
            self.answered.answers += 1;
            self.answered.greetings += count(answer.greetings.len());
            match claims.of(&answer) {
                Ok(claims) => {
                    self.answered.checked += count(claims.len());
                    ids += claims.iter().map(|claim| 1 + claim.others.len()).sum::<usize>();
                    batch.extend(claims);
                }
                Err(why) => {
                    self.answered.wrong += 1;
                    (self.on_gap)(&Gap::wrong(&answer, &why));
                }
            }
            if ids >= BATCH {
                ids = 0;
                self.look(std::mem::take(&mut batch), look).await?;
            }
        }
        Ok(self.look(batch, look).await?)
    }

    /// Looks again and again at what is on its way.
    async fn wait(&mut self, wait: Duration) -> anyhow::Result<()> {
        let mut patience = Patience::new(wait);
        while self.undecided.held() > 0 {
            let look = if patience.pause().await { Look::First } else { Look::Last };
            let undecided = std::mem::replace(&mut self.undecided, Spool::new().context(SPOOL)?);
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
        let mut doubtful = self.places.doubt(batch).await?;
        // In the file's order, for who reads the list beside it.
        doubtful.sort_by_key(|(claim, _)| claim.line);
        for (claim, fate) in doubtful {
            match (fate, look) {
                (Fate::OnItsWay | Fate::Unseen, Look::First) => self.undecided.push(&claim).context(SPOOL)?,
                // Nobody asked to wait for it, so it is no gap.
                (Fate::OnItsWay, Look::Only) => {
                    let owner = self.graph.owner(claim.place);
                    *self.answered.on_their_way.entry(owner).or_default() += 1;
                }
                (Fate::OnItsWay, Look::Last) => self.gap(&claim, GapKind::OnItsWay),
                (Fate::DeadLettered, _) => self.gap(&claim, GapKind::DeadLettered),
                (Fate::Missing | Fate::Unseen, _) => self.gap(&claim, GapKind::Missing),
            }
        }
        Ok(())
    }

    fn gap(&mut self, claim: &Claim, kind: GapKind) {
        let counts = match kind {
            GapKind::OnItsWay => &mut self.answered.on_their_way,
            GapKind::DeadLettered => &mut self.answered.dead_lettered,
            GapKind::Missing | GapKind::WrongAnswer => &mut self.answered.missing,
        };
        let gap = Gap::of(kind, claim, self.graph);
        *counts.entry(gap.service.clone()).or_default() += 1;
        (self.on_gap)(&gap);
    }
}

/// Pauses that grow, until the time is over.
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

    /// Pauses, for as long at least as the caller has worked since the last time: a look at millions of ids must
    /// not be all that the host does. Answers whether there may be another pause after it.
    pub(super) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        let pause =
            self.pause.max(now.duration_since(self.since)).min(self.end.saturating_duration_since(now));
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.since = Instant::now();
        self.since < self.end
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
