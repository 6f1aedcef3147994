//! The report for people: two tables and a verdict.

use std::{collections::BTreeMap, fmt::Write as _};

use octet_backends::inspect::DeadLetter;

use super::printable::printable;
use super::report::{Answered, Queue, Report, Store, Verdict, rfc3339, sum};

/// How much is shown of a text in a dead letter.
const MAX_CHARS: usize = 200;

impl Report {
    /// The report as text without a line break at the end. The last line is the verdict.
    pub fn table(&self) -> String {
        let mut text = String::new();
        if !self.stores.is_empty() {
            let rows = self.stores.iter().map(store_row);
            text += &columns(2, &["service", "store", "documents"], &rows.collect::<Vec<_>>());
            text.push('\n');
        }
        if !self.queues.is_empty() {
            let rows = self.queues.iter().map(queue_row);
            let head = ["queue", "ready", "leased", "dead-lettered", "redelivered"];
            text += &columns(1, &head, &rows.collect::<Vec<_>>());
            for queue in &self.queues {
                text += &dead_letters(queue);
            }
            text.push('\n');
        }
        for (service, documents) in self.surplus() {
            let documents = some(documents, ("document", "documents"));
            text.push_str(&format_surplus(service, &documents));
        }
        text += &self.summary();
        text
    }

    /// The verdict as one line.
    fn summary(&self) -> String {
        let (gaps, verdict, rest) = match &self.answered {
            Some(answered) => self.of_answers(answered),
            None => self.of_queues(),
        };
        match self.verdict() {
            Verdict::Gap => format!("GAP: {}", gaps.join("; ")),
            Verdict::Complete | Verdict::Nothing => format!("{verdict}: {rest}"),
        }
    }

    fn of_answers(&self, answered: &Answered) -> (Vec<String>, &'static str, String) {
        let things = if self.queues.iter().all(|queue| queue.is_consumed) {
            ("document", "documents")
        } else {
            ("document or message", "documents and messages")
        };
        let checked = some(answered.checked, things);
        let queued = sum(&answered.queued);
        let mut gaps = Vec::new();
        for (counts, what) in [
            (&answered.missing, "missing"),
            (&answered.dead_lettered, "dead-lettered"),
            (&answered.altered, "altered"),
        ] {
            if !counts.is_empty() {
                gaps.push(format!("{} of {checked} {what} ({})", number(sum(counts)), by_service(counts)));
            }
        }
        if queued > 0 {
            let late = self
                .waited
                .map_or(String::new(), |waited| format!(" after {}", humantime::format_duration(waited)));
            gaps.push(format!("{} still queued{late} ({})", number(queued), by_service(&answered.queued)));
        }
        if answered.duplicates > 0 {
            gaps.push(format!("{} in more than one answer", some(answered.duplicates, ("id", "ids"))));
        }
        if answered.invalid > 0 {
            let answers = some(answered.answers, ("answer", "answers"));
            gaps.push(format!("{} of {answers} invalid", number(answered.invalid)));
        }

        let claim = if answered.answers == 1 { "claims" } else { "claim" };
        let claimed = format!("{} {claim} {checked}", some(answered.answers, ("answer", "answers")));
        match (answered.checked, queued) {
            (0, _) => (gaps, "nothing to check", some(answered.answers, ("answer", "answers"))),
            (_, 0) => (gaps, "complete", format!("{claimed}, all found")),
            _ => (
                gaps,
                "complete so far",
                format!("{claimed}, {} still queued (use --wait 30s to wait for them)", number(queued)),
            ),
        }
    }

    fn of_queues(&self) -> (Vec<String>, &'static str, String) {
        let count = |of: fn(&Queue) -> u64| -> BTreeMap<String, u64> {
            let counts = self.queues.iter().map(|queue| (queue.name.clone(), of(queue)));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let (dead_lettered, queued) = (count(Queue::dead_lettered), count(Queue::queued));
        let mut gaps = Vec::new();
        if !dead_lettered.is_empty() {
            let messages = some(sum(&dead_lettered), ("message", "messages"));
            gaps.push(format!("{messages} dead-lettered ({})", by_service(&dead_lettered)));
        }
        let messages = some(sum(&queued), ("message", "messages"));
        if let (Some(waited), false) = (self.waited, queued.is_empty()) {
            let waited = humantime::format_duration(waited);
            gaps.push(format!("{messages} still queued after {waited} ({})", by_service(&queued)));
        }
        if self.verdict() == Verdict::Nothing {
            return (gaps, "nothing to check", "no store and no queue exists yet".to_owned());
        }
        let documents = self.stores.iter().filter_map(|store| store.documents.as_ref().ok()).sum();
        let documents = some(documents, ("document", "documents"));
        if queued.is_empty() {
            (gaps, "complete", format!("{documents}, no messages queued or dead-lettered"))
        } else {
            (
                gaps,
                "complete so far",
                format!("{documents}, {messages} still queued (use --wait 30s to wait for them)"),
            )
        }
    }
}

fn format_surplus(service: &str, documents: &str) -> String {
    format!("surplus: {service} has {documents} that no answer claims\n")
}

fn store_row(store: &Store) -> (Vec<String>, Option<String>) {
    let (documents, note) = match &store.documents {
        Ok(documents) => (number(*documents), None),
        Err(what) => ("-".to_owned(), Some(format!("empty: {what} does not exist yet"))),
    };
    (vec![store.service.clone(), store.store.to_string(), documents], note)
}

fn queue_row(queue: &Queue) -> (Vec<String>, Option<String>) {
    let mut cells = vec![queue.name.clone()];
    match &queue.depth {
        Ok(depth) => {
            let (leased, redelivered) = (queue.known(depth.leased), queue.known(depth.redelivered));
            let counts = [Some(depth.ready), leased, Some(depth.dead_lettered), redelivered];
            cells.extend(counts.map(|count| count.map_or("-".to_owned(), number)));
            let note = (!queue.is_consumed).then(|| "no consumer".to_owned());
            (cells, note)
        }
        Err(what) => {
            cells.extend(["-"; 4].map(str::to_owned));
            (cells, Some(format!("empty: {what} does not exist yet")))
        }
    }
}

fn dead_letters(queue: &Queue) -> String {
    if queue.newest_dead_letters.is_empty() {
        return String::new();
    }
    let mut text = format!("\nnewest dead letters of {}\n", queue.name);
    for DeadLetter { id, reason, attempts, at } in &queue.newest_dead_letters {
        let at = at.map_or(String::new(), |at| format!("{}  ", rfc3339(at)));
        let deliveries = some(u64::from(*attempts), ("delivery", "deliveries"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {at}{}  after {deliveries}: {}",
            printable(id, MAX_CHARS),
            printable(reason, MAX_CHARS)
        );
    }
    text
}

/// A table: the first `names` columns are left-aligned, the others right-aligned; a note may follow each row.
pub(super) fn columns(names: usize, heads: &[&str], rows: &[(Vec<String>, Option<String>)]) -> String {
    let width = |column: usize, head: &str| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(column)).map(String::len);
        cells.chain([head.len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = heads.iter().enumerate().map(|(column, head)| width(column, head)).collect();
    let line = |cells: &[String], note: Option<&str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padded =
                if column < names { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
            line += &padded;
        }
        let note = note.map_or(String::new(), |note| format!("  {note}"));
        format!("{}\n", (line + &note).trim_end())
    };
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rows = rows.iter().map(|(cells, note)| line(cells, note.as_deref()));
    std::iter::once(line(&heads, None)).chain(rows).collect()
}

fn by_service(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {}", number(*count))).collect();
    counts.join(", ")
}

pub(super) fn some(count: u64, (one, many): (&str, &str)) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// The number with thousands separators, as in 20,000.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
