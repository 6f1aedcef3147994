//! The address of a lake.

use std::path::PathBuf;

use crate::LakeError;

/// How S3 is reached, where a connector's keys name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The region.
    pub region: Option<String>,
    /// Another server than AWS's, as a URL.
    pub endpoint: Option<String>,
    /// The bucket is in the path of the URL instead of in the host name.
    pub path_style: Option<bool>,
    /// The key and its secret.
    pub credentials: Option<(String, String)>,
    /// Server-side encryption: `AES256`, or `aws:kms` with the id of a key.
    pub encryption: Option<(String, Option<String>)>,
    /// The storage class of objects, such as `STANDARD_IA`.
    pub storage_class: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Directory(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, LakeError> {
        let fault = |what: &str| LakeError::Address { address: text.to_owned(), reason: what.to_owned() };
        if let Some(path) = text.strip_prefix("file://") {
            if path.is_empty() {
                return Err(fault("a directory must follow"));
            }
            return Ok(Self::Directory(path.into()));
        }
        let Some(rest) = text.strip_prefix("s3://").or_else(|| text.strip_prefix("s3a://")) else {
            return Err(fault("must be file://directory or s3://bucket/prefix"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_valid = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'));
        if !is_valid {
            return Err(fault("the bucket's name must be 3 to 63 of a–z, 0–9, `.` and `-`"));
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(fault("the prefix must not have empty parts, `.` or `..`"));
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_may_be_absolute_or_relative() {
        for (text, path) in [("file:///var/lake", "/var/lake"), ("file://.octet/lake", ".octet/lake")] {
            assert_eq!(Address::parse(text).expect(text), Address::Directory(path.into()));
        }
    }

    #[test]
    fn buckets_may_have_a_prefix() {
        for (text, expected) in [("s3://lake", ""), ("s3://lake/", ""), ("s3a://lake/a/b=c/", "a/b=c")] {
            let Address::Bucket { bucket, prefix } = Address::parse(text).expect(text) else {
                panic!("{text}")
            };
            assert_eq!((bucket.as_str(), prefix.as_str()), ("lake", expected));
        }
    }

    #[test]
    fn other_addresses_are_refused_with_the_reason() {
        for text in
            ["", "lake", "file://", "gs://lake", "s3://", "s3://Lake", "s3://lake/a//b", "s3://lake/../x"]
        {
            let error = Address::parse(text).expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("must"), "{error}");
        }
    }
}
