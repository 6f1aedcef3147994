//! Shows and changes the faults of another process, by its admin server.

use std::fmt;

use http::{HeaderValue, Method, Request, StatusCode, header};
use octet_fault::Fault;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::timeout;

use super::report::{AdminClient, UnreadableAdmin, reason};

/// What is asked of a process.
#[derive(Debug, Clone)]
pub enum FaultChange {
    /// Nothing: it only shows its faults.
    None,
    /// These faults in the place of those that its admin server set before.
    Set {
        /// One fault a line, in the grammar of `octet_fault`.
        text: String,
        /// `for=DURATION`, or empty for the default.
        query: String,
    },
    /// These faults beside those that its admin server set before; as for `Set`.
    Add {
        /// One fault a line.
        text: String,
        /// `for=DURATION`, or empty.
        query: String,
    },
    /// An end of what its admin server set.
    Clear,
    /// An end of one of these, this one.
    ClearOne(Fault),
}

/// A fault of a process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FaultReport {
    /// The fault in its grammar.
    pub fault: String,
    /// How it came into the process.
    pub source: String,
    /// When it ends, as RFC 3339 has it.
    pub until: Option<String>,
    /// How often it acted.
    pub acted: u64,
}

#[derive(Deserialize)]
struct Answer {
    faults: Vec<FaultReport>,
}

impl AdminClient {
    /// Changes the faults at `admin`, `host:port`, and returns those that it has then. `authorization` is for a process with
    /// an `ADMIN_TOKEN`.
    ///
    /// # Errors
    /// [`UnreadableAdmin`], also if the process refuses: then with its reason.
    pub async fn faults(
        &self,
        admin: impl fmt::Display,
        change: &FaultChange,
        authorization: Option<&HeaderValue>,
    ) -> Result<Vec<FaultReport>, UnreadableAdmin> {
        let one;
        let (method, query, text) = match change {
            FaultChange::None => (Method::GET, "", ""),
            FaultChange::Set { text, query } => (Method::PUT, query.as_str(), text.as_str()),
            FaultChange::Add { text, query } => (Method::PATCH, query.as_str(), text.as_str()),
            FaultChange::Clear => (Method::DELETE, "", ""),
            FaultChange::ClearOne(fault) => {
                one = format!("fault={}", utf8_percent_encode(&fault.to_string(), NON_ALPHANUMERIC));
                (Method::DELETE, one.as_str(), "")
            }
        };
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request =
            Request::builder().method(method).uri(format!("http://{admin}/faults{mark}{query}"));
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let exchange = self.send(request.body(text.to_owned().into()));
        let exchanged = timeout(self.limit, exchange).await;
        match exchanged.unwrap_or(Err(UnreadableAdmin::Timeout(self.limit)))? {
            (StatusCode::OK, body) => serde_json::from_str::<Answer>(&body)
                .map(|answer| answer.faults)
                .map_err(|error| UnreadableAdmin::Failed(format!("/faults returned {error}"))),
            (status, body) => {
                Err(UnreadableAdmin::Failed(format!("HTTP {}: {}", status.as_u16(), reason(&body))))
            }
        }
    }
}
