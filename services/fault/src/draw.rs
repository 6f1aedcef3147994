//! Draws by hash: no state, so that every process and every run decides alike.

use std::fmt;

use crate::{quantity::Quantity, share::Share, spread::Spread};

/// The seed of every draw of a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A hash of what a decision depends on: the seed, the request's id, the fault, the attempt.
///
/// FNV-1a collects the parts; the finalizer of `SplitMix64` makes every bit of the result depend on every bit of them, which
/// FNV alone does not. The result is the same in every release and on every machine.
#[derive(Debug, Clone, Copy)]
#[must_use = "a draw decides only when it is asked"]
pub struct Draw(u64);

impl Draw {
    /// The start of every draw for one request.
    pub fn new(seed: Seed, request_id: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).number(seed.0).text(request_id)
    }

    /// Makes the draw depend on `text`, too.
    pub fn text(self, text: &str) -> Self {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        self.bytes(text.as_bytes()).number(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }

    /// Makes the draw depend on `number`, too.
    pub fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }

    /// The hash itself.
    pub fn hash(self) -> u64 {
        let mut hash = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// A number from 0 (included) to 1 (excluded).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn unit(self) -> f64 {
        (self.hash() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether it falls into `share`.
    pub fn hits(self, share: Share) -> bool {
        share.is_whole() || self.unit() < share.fraction()
    }

    /// A value of `spread`.
    pub fn value<T: Quantity>(self, spread: Spread<T>) -> T {
        spread.at(self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_same_in_every_release() {
        let draw = Draw::new(Seed(7), "67e55044-10b1-426f-9247-bb680e5fe0c8").text("a").number(1);
        assert_eq!(draw.hash(), 5_015_549_220_106_438_534);
    }

    #[test]
    fn parts_that_join_to_the_same_text_are_kept_apart() {
        let draw = |one: &str, other: &str| Draw::new(Seed(1), one).text(other).hash();
        assert_ne!(draw("ab", "c"), draw("a", "bc"));
    }

    #[test]
    fn a_tenth_of_ten_thousand_requests_is_a_tenth_within_the_bounds_of_chance() {
        // Three standard deviations of a binomial distribution: 3 * sqrt(10,000 * 0.1 * 0.9) = 90.
        let tenth = Share::parse("10%").unwrap();
        for seed in 0..20 {
            let hits =
                (0..10_000).filter(|id| Draw::new(Seed(seed), &format!("request-{id}")).hits(tenth)).count();
            assert!((910..=1_090).contains(&hits), "seed {seed}: {hits}");
        }
    }

    #[test]
    fn two_faults_hit_the_same_request_as_often_as_chance_has_it() {
        let half = Share::parse("50%").unwrap();
        let both = (0..10_000)
            .filter(|id| {
                let draw = Draw::new(Seed(7), &format!("request-{id}"));
                draw.text("one").hits(half) && draw.text("other").hits(half)
            })
            .count();
        // 2,500 with three standard deviations of 43.
        assert!((2_370..=2_630).contains(&both), "{both}");
    }
}
