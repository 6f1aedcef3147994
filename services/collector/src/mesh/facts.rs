//! What counting needs to know of a span.

use octet_zipkin::{Kind, outcome::Outcome, packed::Summary};

use super::{
    codes::{CodeId, Codes},
    names::{NameId, Names},
};

/// Which half of a call or message a span is. Both halves can have one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Not reported yet, but named by others.
    Absent,
    /// Clients, producers, and spans within one service.
    Starter,
    /// Servers and consumers.
    Receiver,
}

/// How a span's own call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ok,
    Cancelled,
    Failed,
}

/// One span, or the pieces of it that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) parent: u64,
    /// Microseconds since 1970; zero for unknown.
    pub(super) start: u64,
    /// Microseconds; zero for unknown.
    pub(super) duration: u32,
    pub(super) service: NameId,
    pub(super) remote: NameId,
    pub(super) code: CodeId,
    pub(super) kind: Option<Kind>,
    pub(super) side: Side,
    pub(super) ended: Ended,
    pub(super) is_database: bool,
    pub(super) is_shared: bool,
}

impl Facts {
    pub(super) const ABSENT: Self = Self {
        parent: 0,
        start: 0,
        duration: 0,
        service: NameId::NONE,
        remote: NameId::NONE,
        code: CodeId::NONE,
        kind: None,
        side: Side::Absent,
        ended: Ended::Ok,
        is_database: false,
        is_shared: false,
    };

    pub(super) fn of(span: &Summary<'_>, names: &mut Names, codes: &mut Codes) -> Self {
        let Summary { reading, is_shared, .. } = *span;
        let (ended, code) = match reading.outcome {
            Outcome::Ok => (Ended::Ok, CodeId::NONE),
            Outcome::Cancelled => (Ended::Cancelled, CodeId::NONE),
            Outcome::Failed(code) => (Ended::Failed, codes.id(code)),
        };
        let side = match span.kind {
            Some(Kind::Server | Kind::Consumer) => Side::Receiver,
            None if is_shared => Side::Receiver,
            _ => Side::Starter,
        };
        Self {
            parent: span.parent_id.map(octet_zipkin::SpanId::number).unwrap_or_default(),
            start: span.timestamp,
            duration: u32::try_from(span.duration).unwrap_or(u32::MAX),
            service: names.id(span.service.as_deref()),
            remote: names.id(span.remote_service.as_deref()),
            code,
            kind: span.kind,
            side,
            ended,
            is_database: reading.is_database,
            is_shared,
        }
    }

    /// Adds a further piece of the span; what came first takes precedence.
    pub(super) fn absorb(&mut self, piece: &Self) {
        if self.parent == 0 {
            self.parent = piece.parent;
        }
        if self.start == 0 {
            self.start = piece.start;
        }
        self.duration = self.duration.max(piece.duration);
        self.remote = self.remote.or(piece.remote);
        self.kind = self.kind.or(piece.kind);
        if self.kind == piece.kind {
            // A piece without a kind has no side of its own.
            self.side = piece.side;
        }
        if self.ended == Ended::Ok {
            self.ended = piece.ended;
        }
        if self.ended == Ended::Failed && self.code == CodeId::NONE {
            self.code = piece.code;
        }
        self.is_database |= piece.is_database;
        self.is_shared |= piece.is_shared;
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind == Some(kind)
    }

    /// When the span ended; zero for unknown.
    pub(super) fn end(&self) -> u64 {
        if self.start == 0 { 0 } else { self.start.saturating_add(u64::from(self.duration)) }
    }
}
