//! A report for people: two tables and a verdict.

use std::{collections::BTreeMap, fmt::Write as _};

use octet_backends::inspect::DeadLetter;

use super::report::{Answered, Queue, Report, Store, Verdict, rfc3339, sum};

impl Report {
    /// For people, without a line break at the end; the last line is the verdict.
    pub fn table(&self) -> String {
        let mut text = String::new();
        if !self.stores.is_empty() {
            let rows = self.stores.iter().map(store_row);
            text += &columns(2, &["service", "store", "documents"], &rows.collect::<Vec<_>>());
            text.push('\n');
        }
        if !self.queues.is_empty() {
            let rows = self.queues.iter().map(queue_row);
            let head = ["queue", "ready", "leased", "dead-lettered", "redeliveries absorbed"];
            text += &columns(1, &head, &rows.collect::<Vec<_>>());
            for queue in &self.queues {
                text += &dead_letters(queue);
            }
            text.push('\n');
        }
        text += &self.summary();
        text
    }

    /// The verdict in one line.
    fn summary(&self) -> String {
        let (gaps, so_far, rest) = match &self.answered {
            Some(answered) => self.of_answers(answered),
            None => self.of_queues(),
        };
        match self.verdict() {
            Verdict::Gap => format!("GAP: {}", gaps.join("; ")),
            Verdict::Complete | Verdict::Nothing => format!("{so_far}: {rest}"),
        }
    }

    fn of_answers(&self, answered: &Answered) -> (Vec<String>, &'static str, String) {
        let things = if self.queues.iter().all(|queue| queue.is_consumed) {
            ("document", "documents")
        } else {
            ("document or message", "documents and messages")
        };
        let checked = some(answered.checked, things);
        let on_their_way = sum(&answered.on_their_way);
        let mut gaps = Vec::new();
        for (counts, what) in [(&answered.missing, "missing"), (&answered.dead_lettered, "dead-lettered")] {
            if !counts.is_empty() {
                gaps.push(format!("{} of {checked} {what} ({})", number(sum(counts)), by_service(counts)));
            }
        }
        if on_their_way > 0 {
            let late = self
                .waited
                .map_or(String::new(), |waited| format!(" after {}", humantime::format_duration(waited)));
            gaps.push(format!(
                "{} still on the way{late} ({})",
                number(on_their_way),
                by_service(&answered.on_their_way)
            ));
        }
        if answered.wrong > 0 {
            let answers = some(answered.answers, ("answer", "answers"));
            gaps.push(format!("{} of {answers} wrong", number(answered.wrong)));
        }

        let claim = if answered.answers == 1 { "claims" } else { "claim" };
        let claimed = format!("{} {claim} {checked}", some(answered.answers, ("answer", "answers")));
        match (answered.checked, on_their_way) {
            (0, _) => (gaps, "nothing to check", some(answered.answers, ("answer", "answers"))),
            (_, 0) => (gaps, "complete", format!("{claimed}, all there")),
            _ => (
                gaps,
                "complete so far",
                format!("{claimed}, {} of them still on the way (--wait 30s waits)", number(on_their_way)),
            ),
        }
    }

    fn of_queues(&self) -> (Vec<String>, &'static str, String) {
        let count = |of: fn(&Queue) -> u64| -> BTreeMap<String, u64> {
            let counts = self.queues.iter().map(|queue| (queue.name.clone(), of(queue)));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let (dead_lettered, on_their_way) = (count(Queue::dead_lettered), count(Queue::on_their_way));
        let mut gaps = Vec::new();
        if !dead_lettered.is_empty() {
            let messages = some(sum(&dead_lettered), ("message", "messages"));
            gaps.push(format!("{messages} dead-lettered ({})", by_service(&dead_lettered)));
        }
        let messages = some(sum(&on_their_way), ("message", "messages"));
        if let (Some(waited), false) = (self.waited, on_their_way.is_empty()) {
            let waited = humantime::format_duration(waited);
            gaps.push(format!("{messages} still on the way after {waited} ({})", by_service(&on_their_way)));
        }
        if self.verdict() == Verdict::Nothing {
            return (gaps, "nothing to check", "no store and no queue exists here yet".to_owned());
        }
        let documents = self.stores.iter().filter_map(|store| store.documents.as_ref().ok()).sum();
        let documents = some(documents, ("document", "documents"));
        if on_their_way.is_empty() {
            (gaps, "complete", format!("{documents}, nothing on the way, nothing dead-lettered"))
        } else {
            (gaps, "complete so far", format!("{documents}, {messages} on the way (--wait 30s waits)"))
        }
    }
}

fn store_row(store: &Store) -> (Vec<String>, Option<String>) {
    let (documents, note) = match &store.documents {
        Ok(documents) => (number(*documents), None),
        Err(what) => ("-".to_owned(), Some(format!("nothing stored yet: there is no {what}"))),
    };
    (vec![store.service.clone(), store.store.to_string(), documents], note)
}

fn queue_row(queue: &Queue) -> (Vec<String>, Option<String>) {
    let mut cells = vec![queue.name.clone()];
    match &queue.depth {
        Ok(depth) => {
            let (leased, redelivered) = (queue.seen(depth.leased), queue.seen(depth.redelivered));
            let counts = [Some(depth.ready), leased, Some(depth.dead_lettered), redelivered];
            cells.extend(counts.map(|count| count.map_or("-".to_owned(), number)));
            let note = (!queue.is_consumed).then(|| "nobody consumes it".to_owned());
            (cells, note)
        }
        Err(what) => {
            cells.extend(["-"; 4].map(str::to_owned));
            (cells, Some(format!("nothing published yet: there is no {what}")))
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
        let _ = writeln!(text, "  {at}{}  after {deliveries}: {}", printable(id), printable(reason));
    }
    text
}

/// Rows under their heads: the first `names` columns to the left, numbers to the right, and then a note.
fn columns(names: usize, heads: &[&str], rows: &[(Vec<String>, Option<String>)]) -> String {
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

fn some(count: u64, (one, many): (&str, &str)) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number as people read it: 20,000.
fn number(number: u64) -> String {
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

/// Text of a message: what could move a terminal's cursor is shown as what it is, and the rest is cut.
fn printable(text: &str) -> String {
    const MOST: usize = 200;
    let escape = |character: char| {
        let escaped: String =
            if character.is_control() { character.escape_debug().collect() } else { character.into() };
        escaped
    };
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    text.chars().take(MOST).map(escape).chain([more.to_owned()]).collect()
}

#[cfg(test)]
mod tests;
