//! Mutations of seeds, the same for the same random seed.

use fastrand::Rng;

/// The maximum length of an input: 16 times libFuzzer's default.
const MAX_LENGTH: usize = 64 * 1024;

/// Pieces with a meaning in the formats.
const TOKENS: [&[u8]; 40] = [
    b"\0",
    b"\xff",
    b"\n",
    b"\r",
    b"\t",
    b" ",
    b"%2F",
    b"%",
    b"%00",
    b"/",
    b":",
    b"=",
    b"&",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b",",
    b".",
    b"*",
    b"**",
    b"@",
    b"-",
    b"0",
    b"-1",
    b"99999999",
    b"1e999",
    b"null",
    b"NaN",
    b"\xd7\xa9",
    b"\xe2\x80\xa8",
    b"http://",
    b"[::1]",
    b"-bin: ",
    b"grpc-metadata-",
    b"\x0a\x80\x01",
    b"18446744073709551616",
];

pub(crate) struct Mutator<'s> {
    random: Rng,
    seeds: &'s [Vec<u8>],
}

impl<'s> Mutator<'s> {
    pub(crate) fn new(number: u64, seeds: &'s [Vec<u8>]) -> Self {
        Self { random: Rng::with_seed(number), seeds }
    }

    /// A seed after one to six changes.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.seed();
        for _ in 0..self.random.usize(1..=6) {
            self.change(&mut bytes);
        }
        bytes.truncate(MAX_LENGTH);
        bytes
    }

    fn seed(&mut self) -> Vec<u8> {
        self.random.choice(self.seeds).cloned().unwrap_or_default()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.range(bytes.len());
        match self.random.u8(0..64) {
            0..12 => self.flip(bytes),
            12..20 => {
                let byte = self.random.u8(..);
                bytes.splice(from..to.min(from + 1), [byte]);
            }
            20..36 => {
                let token = self.random.choice(TOKENS).unwrap_or_default();
                let to = if self.random.bool() { from } else { to };
                bytes.splice(from..to, token.iter().copied());
            }
            36..44 => drop(bytes.drain(from..to)),
            44..50 => bytes.truncate(from),
            50..56 => {
                let piece = bytes[from..to].to_vec();
                let at = self.random.usize(..=bytes.len());
                bytes.splice(at..at, piece);
            }
            56..63 => {
                let other = self.seed();
                let (start, end) = self.range(other.len());
                bytes.splice(from..to, other[start..end].iter().copied());
            }
            // Depth and length, for recursion and for quadratic time.
            _ => {
                let piece = bytes[from..to.min(from + 8)].to_vec();
                let times = self.random.usize(..MAX_LENGTH) / piece.len().max(1);
                bytes.splice(from..from, piece.repeat(times));
            }
        }
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        if let Some(at) = bytes.len().checked_sub(1).map(|last| self.random.usize(..=last)) {
            bytes[at] ^= 1 << self.random.u8(..8);
        }
    }

    /// Two positions in order, close to each other in half of the cases.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.random.usize(..=length);
        let reach = if self.random.bool() { 8 } else { length };
        (from, from + self.random.usize(..=reach.min(length - from)))
    }
}
