//! Why an event is tried again, held or refused: closed words for metrics, logs and documents.

/// Why an event is tried again. Closed: a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryCause {
    /// 429 and its like.
    RateLimited,
    /// 5xx and its like.
    ServerError,
    /// No answer in time.
    Timeout,
    /// No connection, or it broke.
    Connect,
    /// TLS could not be set up.
    Tls,
    /// The destination blocks writes for now.
    Blocked,
    /// No confirmation in time.
    AckTimeout,
    /// The answer could not be understood.
    BadAnswer,
    /// The local disk refused (file destination).
    Storage,
}

/// Why a destination waits for a person. Closed: a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldCause {
    /// Credentials or permissions.
    Auth,
    /// The URL or what stands behind it.
    Url,
    /// The index, data stream or partition.
    Index,
    /// The request's form: a version or setting that does not fit.
    Request,
    /// An answer that nobody has classified.
    Unexpected,
    /// The dead-letter log is full or cannot be written.
    DeadLetters,
    /// The journal is damaged here.
    Damage,
    /// One event after the other is refused.
    Rejections,
}

/// Why an event is refused for ever. Closed: a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectCause {
    /// The destination says so.
    Rejected,
    /// Its fields would be more than the index may have.
    FieldLimit,
    /// Larger than the destination ever takes.
    TooLarge,
    /// It could not be rendered.
    RenderFailed,
    /// The destination fails each time it is sent, and takes others.
    Poison,
    /// No attempt succeeded before it was too old.
    Expired,
}

impl RetryCause {
    /// Every cause, in the order of the metric's reasons.
    pub const ALL: [Self; 9] = [
        Self::RateLimited,
        Self::ServerError,
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::Blocked,
        Self::AckTimeout,
        Self::BadAnswer,
        Self::Storage,
    ];

    /// The word in logs, metrics and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Blocked => "blocked",
            Self::AckTimeout => "ack_timeout",
            Self::BadAnswer => "bad_answer",
            Self::Storage => "storage",
        }
    }
}

impl HoldCause {
    /// The word in logs, status and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Url => "url",
            Self::Index => "index",
            Self::Request => "request",
            Self::Unexpected => "unexpected",
            Self::DeadLetters => "dead_letters",
            Self::Damage => "damage",
            Self::Rejections => "rejections",
        }
    }
}

impl RejectCause {
    /// Whether it can be said of every event alike, and then is not the events' fault.
    pub fn may_be_everyones(self) -> bool {
        matches!(self, Self::Rejected | Self::FieldLimit)
    }

    /// Every cause, in the order of the metric's reasons.
    pub const ALL: [Self; 6] = [
        Self::Rejected,
        Self::FieldLimit,
        Self::TooLarge,
        Self::RenderFailed,
        Self::Poison,
        Self::Expired,
    ];

    /// The word in logs, metrics and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::FieldLimit => "field_limit",
            Self::TooLarge => "too_large",
            Self::RenderFailed => "render_failed",
            Self::Poison => "poison",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RejectCause, RetryCause};
    use crate::telemetry::metrics::{DEAD_LETTER_REASONS, RETRY_REASONS};

    #[test]
    fn causes_are_the_labels_that_the_metrics_declare() {
        assert_eq!(RetryCause::ALL.map(RetryCause::as_str), RETRY_REASONS);
        assert_eq!(
            RejectCause::ALL.map(RejectCause::as_str),
            DEAD_LETTER_REASONS
        );
    }
}
