//! What can go wrong while answering a client: its statement, or the connection itself.

use pgwire::error::PgWireError;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::engine::Notice;
use crate::error::{Error, SqlState};

/// Why an answer was not completed.
pub(super) enum Failure {
    /// The client is told, and the connection goes on.
    Statement(Error),
    /// There is nobody to tell any more.
    Connection(std::io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Statement(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Connection(error)
    }
}

/// A message that the codec does not understand (`08P01`).
pub(super) fn protocol_violation(error: &PgWireError) -> Error {
    Error::new(SqlState::ProtocolViolation, error.to_string())
}

/// An error as the client sees it.
pub(super) fn response(severity: &'static str, error: &Error) -> ErrorResponse {
    ErrorResponse::new(fields(severity, error))
}

/// A notice as the client sees it.
pub(super) fn notice(notice: &Notice) -> NoticeResponse {
    NoticeResponse::new(fields(notice.severity, &notice.content))
}

fn fields(severity: &'static str, error: &Error) -> Vec<(u8, String)> {
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.state().code().to_owned()),
        (b'M', without_zeros(error.message())),
    ];
    let optional = [
        (b'D', error.detail_text().map(without_zeros)),
        (b'H', error.hint_text().map(without_zeros)),
        (b'W', error.context_text().map(without_zeros)),
        (b'P', error.position().map(|position| position.to_string())),
    ];
    if let Some(subject) = error.subject() {
        fields.push((b's', without_zeros(&subject.schema)));
        fields.push((b't', without_zeros(&subject.table)));
        let optional = [(b'c', &subject.column), (b'n', &subject.constraint)];
        let given = optional.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        fields.extend(given.map(|(key, value)| (key, without_zeros(value))));
    }
    fields.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    fields
}

/// A zero byte would end the field, and with it the rest of the message.
fn without_zeros(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
