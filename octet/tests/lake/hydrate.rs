//! The process, and what it has written.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use octet_testbed::{Postgres, S3, lake_rows};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

pub const PATIENCE: Duration = Duration::from_mins(2);

/// `octet` with this environment and no other.
pub fn octet(environment: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_octet"));
    command.env_clear().envs(environment.iter().cloned()).env("LOG_LEVEL", "info").kill_on_drop(true);
    command
}

/// Runs it to its end.
pub async fn run(arguments: &[&str], environment: &[(&'static str, String)]) -> Output {
    let command = octet(environment).args(arguments).stdin(Stdio::null()).output();
    timeout(PATIENCE, command).await.expect("it ends").expect("octet starts")
}

/// Runs it, and expects success.
pub async fn succeeds(arguments: &[&str], environment: &[(&'static str, String)]) -> String {
    let output = run(arguments, environment).await;
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {:?}\n{printed}\n{errors}", output.status);
    printed.into_owned()
}

/// `octet hydrate --follow`. Dropping it kills it.
pub struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// `host:port` of its admin server.
    pub admin: String,
}

impl Following {
    pub async fn start(arguments: &[&str], environment: &[(&'static str, String)]) -> Self {
        let mut command = octet(environment);
        command.args(["hydrate", "--follow"]).args(arguments).env("ADMIN_PORT", "127.0.0.1:0");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("octet starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let following = Self { child, lines, admin: String::new() };
        following.address().await
    }

    async fn address(mut self) -> Self {
        let line = self.logs("following").await;
        line["admin"].as_str().expect("an address").clone_into(&mut self.admin);
        self
    }

    /// Waits until a series is at least `least`, summed over its labels.
    pub async fn metric_reaches(&self, series: &str, least: f64) {
        octet_testbed::eventually(&format!("{series} reaches {least}"), async || {
            let (_, text) = self.get("/metrics").await;
            let lines = text.lines().filter(|line| line.starts_with(series));
            let sum: f64 = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
            if sum >= least { Ok(()) } else { Err(format!("it is {sum}")) }
        })
        .await;
    }

    pub async fn is_ready(&self) {
        octet_testbed::eventually("the process is ready", async || {
            let (status, body) = self.get("/readyz").await;
            if status == 200 { Ok(()) } else { Err(body) }
        })
        .await;
    }

    /// Waits until `/readyz` fails for this reason.
    pub async fn is_not_ready(&self, reason: &str) {
        octet_testbed::eventually(&format!("/readyz names {reason:?}"), async || {
            let (status, body) = self.get("/readyz").await;
            if status == 503 && body.contains(reason) { Ok(()) } else { Err(body) }
        })
        .await;
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits for the log line with this message.
    pub async fn logs(&mut self, message: &str) -> Value {
        let found = timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.expect("readable") {
                let line: Value = serde_json::from_str(&line).expect("JSON");
                if line["message"] == message {
                    return line;
                }
            }
            panic!("the process ended before {message:?}");
        });
        found.await.unwrap_or_else(|_| panic!("no log line {message:?}"))
    }

    /// As `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it ran");
    }

    /// Ends it as a signal does, and returns its exit status.
    pub async fn end(&mut self) -> i32 {
        let id = self.child.id().and_then(|id| id.try_into().ok()).expect("it runs");
        octet_testbed::signal(
            rustix::process::Pid::from_raw(id).expect("an id"),
            rustix::process::Signal::TERM,
        );
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> i32 {
        let drained = async { while let Ok(Some(_)) = self.lines.next_line().await {} };
        let ((), status) =
            timeout(PATIENCE, async { tokio::join!(drained, self.child.wait()) }).await.expect("it ends");
        status.expect("a status").code().unwrap_or(-1)
    }

    /// The body of a path of the admin server.
    pub async fn get(&self, path: &str) -> (u16, String) {
        octet_testbed::get(&self.admin, path).await.expect("the admin server answers")
    }
}

/// Writes connector files, and returns the arguments that name them.
pub fn connectors(directory: &Path, files: &[(&str, Value)]) -> Vec<String> {
    let mut arguments = vec!["--connectors".to_owned()];
    for (name, config) in files {
        let path = directory.join(format!("{name}.json"));
        std::fs::write(&path, json!({ "name": name, "config": config }).to_string()).expect("a file");
        arguments.push(path.display().to_string());
    }
    arguments
}

/// A JDBC source of the database `postgres`, with more keys.
pub fn source(server: &Postgres, keys: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
        "connection.url": format!("jdbc:postgresql://127.0.0.1:{}/postgres?sslmode=disable", server.port()),
        "connection.user": "postgres",
        "poll.interval.ms": "200",
    });
    extend(&mut config, keys);
    config
}

/// An S3 sink into the test's bucket, with more keys.
pub fn sink(keys: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "s3.bucket.name": "lake",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "rotate.schedule.interval.ms": "500",
    });
    extend(&mut config, keys);
    config
}

fn extend(config: &mut Value, keys: &Value) {
    let config = config.as_object_mut().expect("an object");
    config.extend(keys.as_object().expect("an object").clone());
}

/// Strings as arguments.
pub fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// The objects of a topic below `root`, by their names within it, in order.
pub fn objects(root: &Path, topic: &str) -> Vec<String> {
    let root = root.join("topics").join(topic);
    let (mut found, mut directories) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.push(path.strip_prefix(&root).expect("below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The rows of a topic below `root`, as a library reads them.
pub fn rows(library: &str, root: &Path, topic: &str, order: &str) -> Vec<Value> {
    let rows = lake_rows(library, &root.join("topics").join(topic), order);
    rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

/// The values of `column` of a topic in S3, in order, as both libraries read them.
pub fn downloaded(s3: &S3, prefix: &str, topic: &str, column: &str) -> Vec<i64> {
    let directory = tempfile::tempdir().expect("a directory");
    s3.download(&format!("{prefix}topics/{topic}/"), directory.path());
    let root = directory.path().join(prefix);
    if objects(&root, topic).is_empty() {
        return Vec::new();
    }
    let values = rows("pyarrow", &root, topic, column);
    values.iter().map(|row| row[column].as_i64().expect("a number")).collect()
}
