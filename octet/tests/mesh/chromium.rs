//! Chromium, driven over the pipe of its `DevTools` protocol.

use std::process::Stdio;

use octet_testbed::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::platform::PATIENCE;

/// A browser with one page.
pub struct Chromium {
    _child: Child,
    _profile: TempDir,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: String,
    sent: u64,
    /// The URL of every request.
    pub requested: Vec<String>,
}

/// Without a display, a sandbox, or any requests except those of the pages.
const QUIET: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

impl Chromium {
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        // The protocol uses file descriptors 3 and 4.
        let mut child = Command::new("bash")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "chromium"])
            .args(QUIET)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("bash starts");
        let commands = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut browser = Self {
            _child: child,
            _profile: profile,
            commands,
            answers,
            session: String::new(),
            sent: 0,
            requested: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        browser.call("Network.enable", json!({})).await;
        browser
    }

    /// Sends a command and waits for its result.
    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.sent += 1;
        let mut command = json!({ "id": self.sent, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).await.expect("chromium is missing or ended: run `make tools`");
        loop {
            let mut message = Vec::new();
            let read = self.answers.read_until(0, &mut message);
            let read = timeout(PATIENCE, read).await.expect("an answer in time").expect("readable");
            assert!(read > 0, "chromium is missing or ended: run `make tools`, which installs it");
            message.pop();
            let message: Value = serde_json::from_slice(&message).expect("JSON");
            if message["method"] == "Network.requestWillBeSent" {
                let url = message["params"]["request"]["url"].as_str().expect("a URL");
                self.requested.push(url.to_owned());
            }
            if message["id"] == self.sent {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    pub async fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
    }

    /// The value of a script; promises are awaited.
    pub async fn evaluate(&mut self, script: &str) -> Value {
        let parameters = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters).await;
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until the value of a script is true.
    pub async fn until(&mut self, script: &str) {
        eventually(&format!("true in the page: {script}"), async || {
            if self.evaluate(script).await == json!(true) {
                return Ok(());
            }
            Err(format!("the page shows: {}", self.evaluate("document.body?.innerText").await))
        })
        .await;
    }
}
