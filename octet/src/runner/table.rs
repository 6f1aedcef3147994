//! The table of processes that `octet up` prints.

use std::{fmt::Write as _, fs, time::Duration};

use super::{Place, data_directory::DataDirectory, plan::Plan};
use crate::command::data_option;

/// The table of addresses, and the first commands to try.
pub(super) fn table(plan: &Plan, data: &DataDirectory, place: Place, took: Duration) -> String {
    let width = plan.processes.iter().map(|process| process.name.len()).max().unwrap_or_default();
    let mut text = format!(
        "octet is up after {} ms; data and logs are in {}\n\n",
        took.as_millis(),
        data.path().display()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {:width$}  {:<22}  {:<22}  pid", "process", "address", "admin");
    for process in &plan.processes {
        let id = fs::read_to_string(data.pid_file(&process.name)).unwrap_or_default();
        let (address, admin) = (process.address.to_string(), format!("http://{}", process.admin));
        let _ = writeln!(text, "  {:width$}  {address:<22}  {admin:<22}  {}", process.name, id.trim());
    }
    let gateway = plan.gateway_url();
    let stop = match place {
        Place::Foreground => "Ctrl-C".to_owned(),
        Place::Background => format!("octet stop{}", data_option(data.path())),
    };
    let _ = write!(
        text,
        "\n  open     {gateway}/\n  request  curl -s {gateway}/api/greeting\n  status   octet status{}\n  \
         stop     {stop}\n",
        data_option(data.path())
    );
    text
}
