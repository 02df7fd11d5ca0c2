//! From an accepted socket to a session: SSL and cancel requests, authentication, database, settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pgwire::error::PgWireError;
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::startup::{BackendKeyData, NegotiateProtocolVersion, SecretKey, Startup};
use pgwire::messages::{
    PgWireBackendMessage as Backend, PgWireFrontendMessage as Frontend, SslNegotiationMetaMessage,
};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::auth::{Authentication, accepted};
use super::cancel::CancelRegistry;
use super::client::Client;
use super::connection::Connection;
use super::failure::{self, Failure, protocol_violation};
use crate::engine::{Engine, Session, SessionOptions};
use crate::error::{Error, Result, SqlState};

/// How long a client may take to log in.
const STARTUP_MAX: Duration = Duration::from_secs(60);
/// The one database.
const DATABASE: &str = "millstream";

/// What every connection needs to become a session.
pub struct Door {
    /// The engine.
    pub engine: Engine,
    /// How clients prove who they are.
    pub authentication: Authentication,
    /// The sessions that can be cancelled.
    pub cancels: Arc<CancelRegistry>,
    /// One permit per session that may still be opened.
    pub places: Arc<Semaphore>,
    /// Becomes true when the server closes.
    pub closing: watch::Receiver<bool>,
}

/// Talks to one client until it leaves.
pub async fn answer(door: Arc<Door>, stream: TcpStream, peer: SocketAddr) {
    // Answers are collected and sent at once; waiting for more would only delay them.
    let _best_effort = stream.set_nodelay(true);
    let mut connection = Connection::new(stream);
    let opened = tokio::time::timeout(STARTUP_MAX, open(&door, &mut connection, peer)).await;
    let (session, _place) = match opened {
        Ok(Ok(Some(opened))) => opened,
        Ok(Ok(None)) => return,
        Ok(Err(Failure::Connection(error))) => {
            return tracing::debug!(%peer, %error, "client left during start-up");
        }
        Ok(Err(Failure::Statement(error))) => {
            tracing::debug!(%peer, %error, "connection refused");
            return refuse(&mut connection, &error).await;
        }
        Err(_) => {
            let error = Error::new(SqlState::ProtocolViolation, "start-up took too long");
            return refuse(&mut connection, &error).await;
        }
    };
    let process = i32::try_from(session.id()).unwrap_or(i32::MAX);
    let (_registered, key) = door.cancels.enter(process, session.cancel_token());
    let key = BackendKeyData::new(process, SecretKey::I32(key));
    let mut client = Client::new(connection, session);
    let greeted = client.greet(key);
    let served = match greeted {
        Ok(()) => client.serve(door.closing.clone()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "client left");
    }
}

async fn refuse(connection: &mut Connection, error: &Error) {
    let response = failure::response("FATAL", error);
    // The client may have gone already; there is nobody else to tell.
    if connection.put(Backend::ErrorResponse(response)).is_ok() {
        let _gone = connection.flush().await;
    }
}

impl Client {
    /// AuthenticationOk, all reported settings, the key for cancelling.
    fn greet(&mut self, key: BackendKeyData) -> std::io::Result<()> {
        self.connection.put(accepted())?;
        self.news()?;
        self.connection.put(Backend::BackendKeyData(key))
    }
}

/// Opens a session, which keeps one of the places; `None` if the connection was only a cancel request.
async fn open(
    door: &Door,
    connection: &mut Connection,
    peer: SocketAddr,
) -> Result<Option<(Session, OwnedSemaphorePermit)>, Failure> {
    let Some(startup) = introduction(door, connection).await? else { return Ok(None) };
    let Ok(place) = Arc::clone(&door.places).try_acquire_owned() else {
        let message = "sorry, too many clients already";
        return Err(Error::new(SqlState::TooManyConnections, message).into());
    };
    negotiate(&startup, connection)?;
    let parameter = |name: &str| startup.parameters.get(name).map(String::as_str);
    let Some(user) = parameter("user").filter(|user| !user.is_empty()) else {
        let message = "no PostgreSQL user name specified in startup packet";
        return Err(Error::new(SqlState::InvalidAuthorization, message).into());
    };
    door.authentication.check(connection, peer, user).await?;
    let database = parameter("database").filter(|name| !name.is_empty()).unwrap_or(user);
    if database != DATABASE {
        let message = format!("database \"{database}\" does not exist");
        let hint =
            format!("Connect to the database \"{DATABASE}\", for example psql -d {DATABASE}.");
        return Err(Error::new(SqlState::InvalidCatalogName, message).hint(hint).into());
    }
    if parameter("replication").is_some_and(|value| !matches!(value, "false" | "off" | "no" | "0"))
    {
        return Err(Error::unsupported("a replication connection").into());
    }
    let options = SessionOptions {
        user: user.to_owned(),
        database: database.to_owned(),
        settings: settings(&startup)?,
    };
    Ok(Some((door.engine.session(options)?, place)))
}

/// Reads up to the start-up message; answers requests for encryption, and cancel requests.
async fn introduction(
    door: &Door,
    connection: &mut Connection,
) -> Result<Option<Startup>, Failure> {
    loop {
        let message = match connection.receive().await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            Err(PgWireError::IoError(error)) => return Err(error.into()),
            Err(error) => return Err(protocol_violation(&error).into()),
        };
        match message {
            Frontend::SslNegotiation(SslNegotiationMetaMessage::PostgresSsl(_)) => {
                connection.put(Backend::SslResponse(SslResponse::Refuse))?;
                connection.flush().await?;
            }
            Frontend::SslNegotiation(SslNegotiationMetaMessage::PostgresGss(_)) => {
                connection.put(Backend::GssEncResponse(GssEncResponse::Refuse))?;
                connection.flush().await?;
            }
            Frontend::SslNegotiation(SslNegotiationMetaMessage::None) => {
                connection.context().awaiting_frontend_ssl = false;
            }
            Frontend::CancelRequest(request) => {
                if let Some(key) = request.secret_key.as_i32() {
                    door.cancels.cancel(request.pid, key);
                }
                return Ok(None);
            }
            Frontend::Startup(startup) => {
                connection.context().awaiting_frontend_startup = false;
                return Ok(Some(startup));
            }
            _ => {
                let text = "expected a start-up message";
                return Err(Error::new(SqlState::ProtocolViolation, text).into());
            }
        }
    }
}

/// Offers protocol 3.0 to a client that asks for a later one.
fn negotiate(startup: &Startup, connection: &mut Connection) -> std::io::Result<()> {
    let names = startup.parameters.keys();
    let unknown: Vec<String> = names.filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if startup.protocol_number_minor == 0 && unknown.is_empty() {
        return Ok(());
    }
    let offer = NegotiateProtocolVersion::new(Startup::PROTOCOL_VERSION_3_0, unknown);
    connection.put(Backend::NegotiateProtocolVersion(offer))
}

/// The settings in a start-up message: by name, or as `-c name=value` in `options`.
fn settings(startup: &Startup) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => settings.extend(parse_options(value)?),
            _ if name.starts_with("_pq_.") => {}
            _ => settings.push((name.clone(), value.clone())),
        }
    }
    Ok(settings)
}

/// Words of `options`, separated by blanks that no backslash protects: `-c name=value` or
/// `--name=value`.
pub(super) fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        let word = words.last_mut().expect("there is always a word");
        match char {
            '\\' => word.extend(chars.next()),
            char if char.is_ascii_whitespace() => words.push(String::new()),
            char => word.push(char),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let parsed = setting.as_deref().and_then(|setting| setting.split_once('='));
        let Some((name, value)) = parsed else {
            let message = format!("invalid command-line argument for server process: {word}");
            return Err(Error::syntax(message).hint("Write -c name=value."));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}
