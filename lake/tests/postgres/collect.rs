//! A sink that keeps what it takes, and sources to read from.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use octet_lake::{
    BadRow, Findings, Keys, LakeError, Page, Position,
    source::{
        Pages, Source as _,
        postgres::{PostgresOptions, PostgresSource},
    },
};
use octet_testbed::Postgres;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// Rows as JSON, and the position after the last one.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) pages: Vec<Page>,
    pub(super) bad: Vec<BadRow>,
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// Fails instead of taking more pages than these.
    pub(super) limit: Option<usize>,
}

#[async_trait]
impl Pages for Collected {
    async fn take(&mut self, page: Page) -> Result<(), LakeError> {
        assert_eq!(page.rows.num_rows(), page.ends.len());
        if self.limit.is_some_and(|limit| self.pages.len() >= limit) {
            return Err(LakeError::Unavailable("the sink is away".to_owned()));
        }
        self.pages.push(page);
        Ok(())
    }

    async fn reject(&mut self, row: BadRow) -> Result<(), LakeError> {
        self.bad.push(row);
        Ok(())
    }

    fn skipped(&mut self, reason: &'static str, rows: u64) {
        self.skipped.insert(reason, rows);
    }
}

impl Collected {
    pub(super) fn rows(&self) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        let mut writer = arrow_json::LineDelimitedWriter::new(&mut lines);
        for page in &self.pages {
            writer.write(&page.rows).expect("JSON");
        }
        writer.finish().expect("JSON");
        let lines = String::from_utf8(lines).expect("UTF-8");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.rows().iter().map(|row| row["id"].as_i64().expect("an id")).collect()
    }

    pub(super) fn ends(&self) -> Vec<Option<Position>> {
        self.pages.iter().flat_map(|page| page.ends.clone()).collect()
    }

    /// After the last row that a commit may end with.
    pub(super) fn end(&self) -> Option<Position> {
        self.ends().into_iter().flatten().last()
    }
}

/// An empty database of the server that these tests share.
pub(super) struct Server {
    port: u16,
    database: String,
}

static SERVER: OnceCell<Postgres> = OnceCell::const_new();

impl Server {
    pub(super) async fn start() -> Self {
        let port = SERVER.get_or_init(Postgres::start).await.port();
        let admin = connect_to(&Self { port, database: "postgres".to_owned() }.url()).await;
        let database = format!("test_{}", fastrand::u64(..));
        admin.batch_execute(&format!("CREATE DATABASE {database}")).await.expect("a database");
        Self { port, database }
    }

    pub(super) fn of(server: &Postgres) -> Self {
        Self { port: server.port(), database: "postgres".to_owned() }
    }

    pub(super) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={}", self.port, self.database)
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }
}

pub(super) async fn connect(server: &Server) -> Client {
    connect_to(&server.url()).await
}

pub(super) async fn connect_to(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

pub(super) fn options(server: &Server, keys: &[(&str, &str)]) -> Result<PostgresOptions, Findings> {
    let url = format!(
        "jdbc:postgresql://127.0.0.1:{}/{}?user=postgres&sslmode=disable",
        server.port, server.database
    );
    let defaults = [("connection.url", url.as_str()), ("timestamp.delay.interval.ms", "0")];
    let all = defaults.iter().chain(keys).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let mut keys = Keys::new("test", all.collect());
    let mut findings = Findings::default();
    match PostgresOptions::take(&mut keys, &mut findings) {
        Some(options) if findings.errors.is_empty() => Ok(options),
        _ => Err(findings),
    }
}

pub(super) fn source(server: &Server, keys: &[(&str, &str)]) -> PostgresSource {
    PostgresSource::new(options(server, keys).expect("valid keys"))
}

/// Reads what is final now.
pub(super) async fn read(
    source: &mut PostgresSource,
    topic: &str,
    position: Option<&Position>,
) -> Result<Collected, LakeError> {
    let mut collected = Collected::default();
    tokio::time::timeout(Duration::from_mins(1), source.settle()).await.expect("open transactions end")?;
    source.read(topic, position, &mut collected).await?;
    Ok(collected)
}

/// A table with the usual columns.
pub(super) const MESSAGE: &str = "CREATE TABLE message (id bigserial PRIMARY KEY, \
     at timestamptz NOT NULL DEFAULT now(), body text)";

pub(super) const BY_TIME: [(&str, &str); 3] =
    [("table.whitelist", "message"), ("mode", "timestamp"), ("timestamp.column.name", "at")];
