//! A lake in a bucket of S3, or of a server with its interface that honours `If-Match` and `If-None-Match`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt,
    PutMode, PutOptions, RetryConfig, UpdateVersion,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};

use super::{Mark, Object, Objects, StateFile, StoreOptions, state_key};
use crate::LakeError;

/// Of one request. Together with the retries it must stay well below the silence after which another writer may take over.
const REQUEST: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// The engine repeats the whole commit; here only blips are bridged.
const RETRIES: usize = 3;
const RETRY_TIME: Duration = Duration::from_secs(20);

const EPOCH: &str = "octet-epoch";
const COMMIT: &str = "octet-commit";

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    storage_class: Option<String>,
}

impl Bucket {
    pub(super) fn new(bucket: &str, prefix: &str, options: &StoreOptions) -> Result<Self, LakeError> {
        // object_store's client is built without a provider of its own; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
        };
        let mut builder = AmazonS3Builder::from_env().with_client_options(client).with_retry(retry);
        if let Some(region) = &options.region {
            builder = builder.with_region(region);
        }
        if let Some((key, secret)) = &options.credentials {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(path_style) = options.path_style {
            builder = builder.with_virtual_hosted_style_request(!path_style);
        }
        match &options.encryption {
            Some((_, Some(key))) => builder = builder.with_sse_kms_encryption(key),
            Some((kind, None)) => {
                if let Ok(key) = "aws_server_side_encryption".parse() {
                    builder = builder.with_config(key, kind);
                }
            }
            None => {}
        }
        // A server on this machine has no certificate.
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
        match endpoint {
            Some(endpoint) if is_local(&endpoint) => builder = builder.with_allow_http(true),
            // The client would refuse each request, and not say why.
            Some(address) if address.starts_with("http://") => {
                return Err(LakeError::Address {
                    address,
                    reason: "http:// is accepted for the loopback interface only: use https://".to_owned(),
                });
            }
            _ => {}
        }
        let store = builder.with_bucket_name(bucket).build().map_err(|error| LakeError::Address {
            address: format!("s3://{bucket}"),
            reason: error.to_string(),
        })?;
        Ok(Self {
            store: Arc::new(store),
            prefix: prefix.to_owned(),
            storage_class: options.storage_class.clone(),
        })
    }

    /// `Path::from` would encode characters of names; these are already as they shall be.
    fn path(&self, key: &str) -> Result<Path, LakeError> {
        let whole = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        // S3's limit.
        if whole.len() > 1024 {
            return Err(LakeError::Key(key.to_owned()));
        }
        Path::parse(whole).map_err(|_| LakeError::Key(key.to_owned()))
    }

    async fn put_new(&self, path: &Path, content: Bytes, mark: &Mark) -> Result<(), Error> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(EPOCH.into()), mark.epoch.to_string().into());
        attributes.insert(Attribute::Metadata(COMMIT.into()), mark.commit.to_string().into());
        if let Some(class) = &self.storage_class {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
        self.store.put_opts(path, content.into(), options).await.map(drop)
    }

    /// The write that an existing object comes from; `None` if Octet did not write it.
    async fn mark(&self, path: &Path) -> Result<Option<Mark>, LakeError> {
        let head = GetOptions { head: true, ..GetOptions::default() };
        let object = match self.store.get_opts(path, head).await {
            // Somebody removed it in the meantime; the next attempt creates it.
            Err(Error::NotFound { .. }) => return Ok(Some(Mark { epoch: 0, commit: 0 })),
            other => other?,
        };
        let number = |name: &'static str| {
            object.attributes.get(&Attribute::Metadata(name.into()))?.parse::<u64>().ok()
        };
        Ok(number(EPOCH).zip(number(COMMIT)).map(|(epoch, commit)| Mark { epoch, commit }))
    }
}

/// Whether the endpoint is `http://` on the loopback interface.
fn is_local(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "[::1]") || host.starts_with("127.")
}

#[async_trait]
impl Objects for Bucket {
    async fn ping(&self) -> Result<(), LakeError> {
        match self.store.head(&self.path("topics/_octet/ping")?).await {
            Err(Error::NotFound { .. }) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    async fn create(&self, key: &str, content: Bytes, mark: &Mark) -> Result<(), LakeError> {
        let path = self.path(key)?;
        // Twice: an object may appear between the deletion and the second attempt only if another writer is at work.
        for _ in 0..2 {
            match self.put_new(&path, content.clone(), mark).await {
                Err(Error::AlreadyExists { .. }) => {}
                other => return Ok(other?),
            }
            match self.mark(&path).await? {
                // An attempt whose response was lost.
                Some(existing) if existing == *mark => return Ok(()),
                Some(Mark { epoch, commit }) if (epoch, commit) < (mark.epoch, mark.commit) => {
                    self.delete(key).await?;
                }
                _ => break,
            }
        }
        Err(LakeError::Exists(key.to_owned()))
    }

    async fn replace(&self, key: &str, content: Bytes) -> Result<(), LakeError> {
        self.store.put(&self.path(key)?, content.into()).await?;
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        match self.store.delete(&self.path(key)?).await {
            Err(Error::NotFound { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        match self.store.get(&self.path(key)?).await {
            Ok(object) => Ok(Some(object.bytes().await?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, LakeError> {
        let start = self.path(prefix)?;
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let mut objects: Vec<_> = self
            .store
            .list(Some(&start))
            .map_ok(|meta| Object {
                key: meta.location.as_ref().get(skipped..).unwrap_or_default().to_owned(),
                size: meta.size,
            })
            .try_collect()
            .await?;
        objects.sort_by(|left, right| left.key.cmp(&right.key));
        Ok(objects)
    }

    async fn claim(&self, topic: &str) -> Result<Box<dyn StateFile>, LakeError> {
        let path = self.path(&state_key(topic))?;
        Ok(Box::new(SharedFile {
            store: self.store.clone(),
            path,
            topic: topic.to_owned(),
            version: None,
            last: Bytes::new(),
        }))
    }
}

/// A state that every write replaces only as it was read.
#[derive(Debug)]
struct SharedFile {
    store: Arc<AmazonS3>,
    path: Path,
    topic: String,
    /// `None` while there is no object.
    version: Option<String>,
    /// What was sent last: its response may have been lost.
    last: Bytes,
}

#[async_trait]
impl StateFile for SharedFile {
    async fn load(&mut self) -> Result<Option<(Bytes, Duration)>, LakeError> {
        let object = match self.store.get(&self.path).await {
            Err(Error::NotFound { .. }) => {
                self.version = None;
                return Ok(None);
            }
            other => other?,
        };
        self.version.clone_from(&object.meta.e_tag);
        let written = std::time::SystemTime::from(object.meta.last_modified);
        Ok(Some((object.bytes().await?, written.elapsed().unwrap_or_default())))
    }

    async fn save(&mut self, content: Bytes) -> Result<(), LakeError> {
        let mode = match &self.version {
            Some(e_tag) => PutMode::Update(UpdateVersion { e_tag: Some(e_tag.clone()), version: None }),
            None => PutMode::Create,
        };
        let before = std::mem::replace(&mut self.last, content.clone());
        match self.store.put_opts(&self.path, content.clone().into(), mode.into()).await {
            Ok(written) => {
                self.version = written.e_tag;
                Ok(())
            }
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => {
                // Either another writer, or an own write whose response was lost: each own content is unique.
                match self.load().await? {
                    Some((found, _)) if found == content => Ok(()),
                    Some((found, _)) if !before.is_empty() && found == before => {
                        Box::pin(self.save(content)).await
                    }
                    _ => Err(LakeError::Fenced(self.topic.clone())),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_shared(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_endpoints_may_do_without_tls() {
        for endpoint in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:9000/x"] {
            assert!(is_local(endpoint), "{endpoint}");
        }
        for endpoint in
            ["http://10.0.0.1", "http://s3.amazonaws.com", "https://localhost", "http://localhost.evil"]
        {
            assert!(!is_local(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn an_endpoint_without_tls_is_refused_at_once() {
        let with = |endpoint: &str| {
            let options = StoreOptions { endpoint: Some(endpoint.to_owned()), ..StoreOptions::default() };
            Bucket::new("lake", "raw", &options)
        };
        let error = with("http://minio:9000").expect_err("refused").to_string();
        assert!(error.contains("http://minio:9000") && error.contains("use https://"), "{error}");
        with("https://minio:9000").expect("accepted");
        with("http://127.0.0.1:9000").expect("accepted");
    }
}
