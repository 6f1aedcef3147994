//! The table of processes that `octet up` prints.

use std::{fmt::Write as _, fs, time::Duration};

use super::{data_directory::DataDirectory, plan::Plan};

/// The table of addresses, and the first commands to try.
pub(super) fn table(plan: &Plan, data: &DataDirectory, took: Duration) -> String {
    let width = plan.processes.iter().map(|process| process.name.len()).max().unwrap_or_default();
    let mut text = format!(
        "octet is up after {} ms; data and logs are in {}\n\n",
        took.as_millis(),
        data.path().display()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {:width$}  {:<22}  {:<22}  pid", "process", "address", "admin");
    let mut gateway = String::new();
    for process in &plan.processes {
        let id = fs::read_to_string(data.pid_file(&process.name)).unwrap_or_default();
        let (address, admin) = (process.address.to_string(), format!("http://{}", process.admin));
        let _ = writeln!(text, "  {:width$}  {address:<22}  {admin:<22}  {}", process.name, id.trim());
        if process.name == "gateway" {
            gateway = format!("{}://localhost:{}", plan.scheme, process.address.port());
        }
    }
    let _ = write!(
        text,
        "\n  open     {gateway}/\n  request  curl -s {gateway}/api/greeting\n  stop     Ctrl-C\n"
    );
    text
}
