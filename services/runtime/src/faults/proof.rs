//! `octet-fault-proof: EXPIRY.HMAC`: who may ask for faults in a header.

use std::time::{Duration, SystemTime};

use ring::hmac;

/// The longest time for which a proof is valid.
pub const MAX_PROOF: Duration = Duration::from_hours(24);

/// The key that signs the faults of requests.
#[derive(Clone)]
pub struct FaultKey(hmac::Key);

/// Why a proof is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// Not `EXPIRY.HMAC`.
    #[error("octet-fault-proof: must be EXPIRY.HMAC: seconds since 1970, and 64 hexadecimal digits")]
    Malformed,
    /// Its time has passed.
    #[error("octet-fault-proof: expired")]
    Expired,
    /// It would be valid for too long.
    #[error("octet-fault-proof: valid for more than 24 h")]
    TooLong,
    /// Another key, other faults or another expiry.
    #[error("octet-fault-proof: does not match octet-fault")]
    Wrong,
    /// There is none.
    #[error("octet-fault-proof: missing; FAULT_KEY is set, and `octet fault sign` makes it")]
    Missing,
}

impl FaultKey {
    /// A key of 16 to 512 bytes.
    pub fn new(key: &str) -> Option<Self> {
        let is_long_enough = (16..=512).contains(&key.len());
        is_long_enough.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))
    }

    /// The proof for the text of `octet-fault`, valid until `expiry`.
    pub fn sign(&self, faults: &str, expiry: SystemTime) -> String {
        let expiry = seconds(expiry);
        let tag = hmac::sign(&self.0, message(expiry, faults).as_bytes());
        let digits = tag.as_ref().iter().fold(String::new(), |mut digits, byte| {
            for nibble in [byte >> 4, byte & 15] {
                digits.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            digits
        });
        format!("{expiry}.{digits}")
    }

    /// Checks a proof at the time `now`.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn verify(&self, faults: &str, proof: &str, now: SystemTime) -> Result<(), InvalidProof> {
        let (expiry, digits) = proof.split_once('.').ok_or(InvalidProof::Malformed)?;
        let is_number = !expiry.is_empty() && expiry.bytes().all(|byte| byte.is_ascii_digit());
        let expiry: u64 = expiry.parse().ok().filter(|_| is_number).ok_or(InvalidProof::Malformed)?;
        let tag = bytes(digits).ok_or(InvalidProof::Malformed)?;
        // Before its times, so that a wrong proof reveals nothing about a right one. In constant time.
        hmac::verify(&self.0, message(expiry, faults).as_bytes(), &tag).map_err(|_| InvalidProof::Wrong)?;
        match expiry.checked_sub(seconds(now)) {
            None | Some(0) => Err(InvalidProof::Expired),
            Some(left) if left > MAX_PROOF.as_secs() => Err(InvalidProof::TooLong),
            Some(_) => Ok(()),
        }
    }
}

impl std::fmt::Debug for FaultKey {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FaultKey")
    }
}

fn message(expiry: u64, faults: &str) -> String {
    format!("{expiry}\n{faults}")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// 64 hexadecimal digits as bytes.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAULTS: &str = "at=edge>stock delay=300ms";

    #[test]
    fn a_proof_is_valid_for_its_faults_its_key_and_its_time_alone() {
        let key = FaultKey::new("a-key-of-enough-length").unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let in_an_hour = now + Duration::from_hours(1);
        let proof = key.sign(FAULTS, in_an_hour);
        assert_eq!(key.verify(FAULTS, &proof, now), Ok(()));
        assert_eq!(key.verify(FAULTS, &proof, in_an_hour), Err(InvalidProof::Expired));
        assert_eq!(key.verify("at=edge>stock delay=301ms", &proof, now), Err(InvalidProof::Wrong));
        let later = proof.replacen("1003600", "1003601", 1);
        assert_eq!(key.verify(FAULTS, &later, now), Err(InvalidProof::Wrong));
        let other = FaultKey::new("another-key-of-enough-length").unwrap();
        assert_eq!(other.verify(FAULTS, &proof, now), Err(InvalidProof::Wrong));
        let too_long = key.sign(FAULTS, now + MAX_PROOF + Duration::from_secs(1));
        assert_eq!(key.verify(FAULTS, &too_long, now), Err(InvalidProof::TooLong));
        for malformed in ["", ".", "1", "x.y", "1.00", "+1.", &format!("+{proof}"), &format!("{proof}0")] {
            assert_eq!(key.verify(FAULTS, malformed, now), Err(InvalidProof::Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_key_has_at_least_sixteen_bytes_and_is_never_shown() {
        assert!(FaultKey::new("123456789012345").is_none());
        assert!(FaultKey::new(&"x".repeat(513)).is_none());
        assert_eq!(format!("{:?}", FaultKey::new("1234567890123456").unwrap()), "FaultKey");
    }
}
