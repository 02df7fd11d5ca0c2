//! Who is let in: anybody on loopback while no password is set, else the role `millstream` with its
//! password, by SCRAM-SHA-256.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pgwire::api::auth::mechanism::{AuthMechanismFactory, AuthState};
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use pgwire::api::auth::{AuthSource, LoginInfo, Password};
use pgwire::api::{DefaultClient, METADATA_USER};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::Authentication as Request;
use pgwire::messages::{PgWireBackendMessage as Backend, PgWireFrontendMessage as Frontend};

use super::connection::Connection;
use super::failure::{Failure, protocol_violation};
use crate::error::{Error, Result, SqlState};

/// The one role that may log in with a password.
const ROLE: &str = "millstream";

/// How clients prove who they are.
#[derive(Clone)]
pub enum Authentication {
    /// Not at all; the listener is on loopback.
    Trust,
    /// With the role's password.
    Scram(Arc<ScramAuth>),
}

impl Authentication {
    /// SCRAM with this password for the role `millstream`.
    #[must_use]
    pub fn password(password: &str) -> Authentication {
        let salt = uuid::Uuid::new_v4().into_bytes().to_vec();
        let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        let verifier = Verifier { password: Password::new(Some(salt), salted) };
        Authentication::Scram(Arc::new(ScramAuth::new(Arc::new(verifier))))
    }

    /// Lets the user prove who they are.
    pub(super) async fn check(
        &self,
        connection: &mut Connection,
        peer: SocketAddr,
        user: &str,
    ) -> Result<(), Failure> {
        let Authentication::Scram(scram) = self else { return Ok(()) };
        let mut login = DefaultClient::<()>::new(peer, false);
        login.metadata.insert(METADATA_USER.to_owned(), user.to_owned());
        let refused = |error: PgWireError| -> Failure {
            match error {
                PgWireError::IoError(error) => error.into(),
                _ => wrong_password(user).into(),
            }
        };
        let mut mechanism = scram.create();
        let mut state = mechanism.begin(&login).await.map_err(refused)?;
        loop {
            match state {
                AuthState::InProgress(request) => {
                    connection.put(Backend::Authentication(request))?;
                    connection.flush().await?;
                }
                AuthState::Ok { final_message, .. } => {
                    if let Some(message) = final_message {
                        connection.put(Backend::Authentication(message))?;
                    }
                    return Ok(());
                }
                AuthState::Failed(error) => return Err(refused(error)),
            }
            let message = match connection.receive().await {
                Ok(Some(Frontend::PasswordMessageFamily(message))) => message,
                Ok(Some(_)) => {
                    let text = "expected a password message";
                    return Err(Error::new(SqlState::ProtocolViolation, text).into());
                }
                Ok(None) => {
                    return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
                }
                Err(PgWireError::IoError(error)) => return Err(error.into()),
                Err(error) => return Err(protocol_violation(&error).into()),
            };
            state = mechanism.next(&login, message).await.map_err(refused)?;
        }
    }
}

/// AuthenticationOk.
pub(super) fn accepted() -> Backend {
    Backend::Authentication(Request::Ok)
}

fn wrong_password(user: &str) -> Error {
    let message = format!("password authentication failed for user \"{user}\"");
    Error::new(SqlState::InvalidPassword, message)
}

/// What is kept of the password.
struct Verifier {
    password: Password,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

#[async_trait]
impl AuthSource for Verifier {
    #[expect(elided_lifetimes_in_paths, reason = "as the trait's signature has it")]
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        if login.user() == Some(ROLE) {
            return Ok(self.password.clone());
        }
        // An unknown role takes as long and fails as late as a wrong password.
        let random = uuid::Uuid::new_v4().into_bytes().to_vec();
        Ok(Password::new(self.password.salt().map(<[u8]>::to_vec), random))
    }
}
