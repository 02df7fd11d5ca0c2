//! Running a message as the server does: each answer is read to its end before the next statement, so
//! that an error among the rows undoes the message's implicit transaction.

use crate::engine::{Response, Session};
use crate::error::Result;

/// Runs the statements of `text`, and lets `read` take each answer.
pub(super) async fn run(
    session: &mut Session,
    text: &str,
    mut read: impl AsyncFnMut(Response, &Session) -> Result<()>,
) -> Result<()> {
    let parsed = session.parse(text);
    let statements = parsed.inspect_err(|_| session.fail())?;
    let several = statements.len() > 1;
    if several {
        session.begin_message();
    }
    for parsed in &statements {
        let done = match session.run(parsed).await {
            Ok(response) => read(response, session).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            session.fail();
            if several {
                session.end_message().await?;
            }
            return Err(error);
        }
    }
    if several { session.end_message().await } else { Ok(()) }
}
