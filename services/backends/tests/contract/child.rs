//! A second process: this test executable, started again for one job.

use std::{
    env,
    ffi::OsStr,
    io::{Read, Write},
    path::Path,
    process::Stdio,
    sync::Arc,
};

use octet_backends::{
    queue::{Consumer, Publisher},
    rabbitmq::{RabbitConsumer, RabbitSettings},
    sqlite::{SqliteConsumer, SqlitePublisher, SqliteQueueSettings, SqliteStore, SqliteStoreSettings},
    store::{DocumentStore, StoreError},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    runtime::Builder,
    task::JoinSet,
};

use crate::factories::{document, message, soon};

const JOB: &str = "OCTET_TEST_JOB";
const PLACE: &str = "OCTET_TEST_PLACE";

/// Marks the child's lines among those of the test harness.
const MARK: &str = "says> ";

/// A running child. It is killed when this is dropped, and ends when the parent dies.
pub(crate) struct Child {
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts `job` with `place`, which is a directory for SQLite's jobs.
    pub(crate) fn start(job: &str, place: &(impl AsRef<OsStr> + ?Sized)) -> Self {
        Self::spawn(Command::new(env::current_exe().unwrap()), job, place.as_ref())
    }

    /// A child that cannot make a file longer than `kibibytes`: to it, the disk is then full.
    pub(crate) fn start_with_file_limit(kibibytes: u32, job: &str, directory: &Path) -> Self {
        let mut shell = Command::new("bash");
        // Without the trap the kernel would kill it at the limit instead of failing the write.
        let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" \"$@\"");
        shell.arg("-c").arg(script).arg(env::current_exe().unwrap());
        Self::spawn(shell, job, directory.as_os_str())
    }

    fn spawn(mut command: Command, job: &str, place: &OsStr) -> Self {
        let mut process = command
            .args(["child::job", "--exact", "--ignored", "--nocapture"])
            .env(JOB, job)
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Its next line; `None` once it has ended.
    pub(crate) async fn says(&mut self) -> Option<String> {
        loop {
            let line = soon(self.lines.next_line()).await.unwrap()?;
            // The harness may have written the start of the line.
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Its lines from now on, until it ends.
    pub(crate) async fn says_to_the_end(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(line) = self.says().await {
            said.push(line);
        }
        said
    }

    /// `kill -9`, and waits until it is dead.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
}

#[test]
#[ignore = "the job of a child process, which other tests start"]
fn job() {
    let (Some(job), Some(place)) = (env::var_os(JOB), env::var_os(PLACE)) else { return };
    let directory = Path::new(&place);
    std::thread::spawn(|| {
        // The parent's death closes this pipe.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match job.to_str().unwrap() {
            "insert" => insert(directory).await,
            "publish" => publish(directory).await,
            "take" => take(directory).await,
            "fill" => fill(directory).await,
            "ping" => ping(directory).await,
            "reconnect to RabbitMQ" => crate::rabbitmq_threads::reconnect(place.to_str().unwrap()).await,
            "take from RabbitMQ" => take_from_rabbitmq(place.to_str().unwrap()).await,
            unknown => panic!("no job is called {unknown}"),
        }
    });
}

pub(crate) fn say(what: &str) {
    writeln!(std::io::stdout().lock(), "{MARK}{what}").unwrap();
}

fn store_in(directory: &Path) -> SqliteStoreSettings {
    SqliteStoreSettings::new(directory, "service-f", "messages")
}

/// Inserts 1,000 documents from 25 tasks, and prints the id of each confirmed insert.
async fn insert(directory: &Path) {
    let store = Arc::new(SqliteStore::open(store_in(directory)).await.unwrap());
    let mut tasks = JoinSet::new();
    for task in 0..25 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in 0..40 {
                let id = format!("{}-{task}-{number}", std::process::id());
                store.insert(&document(&id)).await.unwrap();
                say(&id);
            }
        });
    }
    tasks.join_all().await;
}

/// As [`insert`], with messages.
async fn publish(directory: &Path) {
    let settings = SqliteQueueSettings::new(directory, "greeting");
    let publisher = Arc::new(SqlitePublisher::open(settings).await.unwrap());
    let mut tasks = JoinSet::new();
    for task in 0..25 {
        let publisher = Arc::clone(&publisher);
        tasks.spawn(async move {
            for number in 0..40 {
                let id = format!("{}-{task}-{number}", std::process::id());
                publisher.publish(message(&id)).await.unwrap();
                say(&id);
            }
        });
    }
    tasks.join_all().await;
}

/// Takes a message, and holds it.
async fn take(directory: &Path) {
    let settings = SqliteQueueSettings {
        prefetch: 1,
        lease: std::time::Duration::from_millis(900),
        renew_every: std::time::Duration::from_millis(100),
        ..SqliteQueueSettings::new(directory, "greeting")
    };
    let consumer = SqliteConsumer::open(settings).await.unwrap();
    let delivery = consumer.next().await.unwrap();
    say(&delivery.message().id);
    std::future::pending::<()>().await;
}

/// As [`take`]; `place` is a queue's name and a broker's URL.
async fn take_from_rabbitmq(place: &str) {
    let (queue, url) = place.split_once(' ').unwrap();
    let settings = RabbitSettings { prefetch: 1, ..RabbitSettings::new(url.parse().unwrap(), queue) };
    let consumer = RabbitConsumer::open(settings).await.unwrap();
    let delivery = consumer.next().await.unwrap();
    say(&delivery.message().id);
    std::future::pending::<()>().await;
}

/// Pings the store and the queue, and prints every change of the results.
async fn ping(directory: &Path) {
    let store = SqliteStore::open(store_in(directory)).await.unwrap();
    let consumer = SqliteConsumer::open(SqliteQueueSettings::new(directory, "greeting")).await.unwrap();
    let mut last = String::new();
    loop {
        let results = format!("{:?} {:?}", store.ping().await, consumer.ping().await);
        if results != last {
            say(&results);
            last = results;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Inserts large documents until ten inserts have failed. A lost file is checkpointed when it is opened again, which can
/// make room, so inserts may succeed between two failures.
async fn fill(directory: &Path) {
    let store = SqliteStore::open(store_in(directory)).await.unwrap();
    let mut failures = 0;
    for number in 0.. {
        let mut large = document(&format!("large-{number}"));
        large.message = "x".repeat(20_000);
        match store.insert(&large).await {
            Ok(_) => say(&large.id),
            Err(StoreError::Unavailable(reason)) if failures < 10 => {
                failures += 1;
                say(&format!("unavailable: {reason}"));
            }
            Err(StoreError::Unavailable(_)) => return say("alive"),
            Err(rejected) => panic!("{rejected}"),
        }
    }
}
