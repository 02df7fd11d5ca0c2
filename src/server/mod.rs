//! The process's doors: Postgres clients ([`pgwire`]) and HTTP for health and metrics ([`http`]), and
//! how they are closed in order ([`shutdown`]).
//!
//! Guarantees: nobody is let in without a password from another machine; a client that is slow, gone
//! or hostile costs its own session only; after [`Server::run`] the engine is closed.

pub mod http;
pub mod pgwire;
pub mod shutdown;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::engine::Engine;
use crate::error::{Error, Result, SqlState};
use pgwire::{Authentication, CancelRegistry, Door};

/// Where and to whom the server opens.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Address for Postgres clients.
    pub listen: SocketAddr,
    /// Address for health and metrics; `None` for none.
    pub http: Option<SocketAddr>,
    /// Password of the role `millstream`. Without one anybody is let in, on loopback only.
    pub password: Option<String>,
    /// Most sessions open at once; each costs memory.
    pub connections_max: usize,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 6875)),
            http: Some(SocketAddr::from(([127, 0, 0, 1], 6876))),
            password: None,
            connections_max: 1000,
        }
    }
}

/// Passwords do not go to logs.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("listen", &self.listen)
            .field("http", &self.http)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("connections_max", &self.connections_max)
            .finish()
    }
}

/// A server that has taken its ports.
pub struct Server {
    engine: Engine,
    postgres: TcpListener,
    http: Option<TcpListener>,
    authentication: Authentication,
    connections_max: usize,
}

impl Server {
    /// Takes the ports; nobody is answered before [`Server::run`].
    ///
    /// # Errors
    /// `28000` for an address beyond loopback without a password, `55006` for a port in use.
    pub async fn bind(engine: Engine, config: &ServerConfig) -> Result<Server> {
        let authentication = match &config.password {
            Some(password) => Authentication::password(password),
            None if config.listen.ip().is_loopback() => Authentication::Trust,
            None => {
                return Err(Error::new(
                    SqlState::InvalidAuthorization,
                    format!("a password is needed to listen on {}", config.listen),
                )
                .hint("Set a password for the role millstream, or listen on 127.0.0.1."));
            }
        };
        let http = match config.http {
            Some(address) => Some(listen(address, "HTTP").await?),
            None => None,
        };
        let postgres = listen(config.listen, "Postgres").await?;
        let connections_max = config.connections_max.min(Semaphore::MAX_PERMITS);
        Ok(Server { engine, postgres, http, authentication, connections_max })
    }

    /// The address that Postgres clients connect to.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.postgres.local_addr()?)
    }

    /// The address of health and metrics.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Answers clients until `stop` is done; then closes the sessions and the engine.
    ///
    /// # Errors
    /// What closing the engine reports.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let (close, closing) = watch::channel(false);
        let cancels = Arc::new(CancelRegistry::default());
        let door = Arc::new(Door {
            engine: self.engine.clone(),
            authentication: self.authentication,
            cancels: Arc::clone(&cancels),
            places: Arc::new(Semaphore::new(self.connections_max)),
            closing,
        });
        if let Some(listener) = self.http {
            tokio::spawn(http::serve(listener, self.engine.clone(), door.closing.clone()));
        }
        let mut sessions = tokio::task::JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_ended) = sessions.join_next() => {}
                accepted = self.postgres.accept() => match accepted {
                    Ok((stream, peer)) => {
                        sessions.spawn(pgwire::answer(Arc::clone(&door), stream, peer));
                    }
                    // Out of descriptors, most likely: those at work will give theirs back.
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(self.postgres);
        close.send_replace(true);
        shutdown::drain(&mut sessions, &cancels).await;
        self.engine.shutdown().await
    }
}

async fn listen(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("cannot listen on {address} for {what}: {error}");
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::new(
                SqlState::ObjectInUse,
                format!("port {} is in use: cannot listen on {address} for {what}", address.port()),
            )
            .hint("Stop the other server, or choose another port."),
            std::io::ErrorKind::PermissionDenied => {
                Error::new(SqlState::InsufficientPrivilege, message)
            }
            _ => Error::new(SqlState::IoError, message),
        }
    })
}

/// Serves `engine` until Ctrl-C or SIGTERM; a second signal ends the process at once.
///
/// # Errors
/// As [`Server::bind`] and [`Server::run`].
pub async fn serve(engine: Engine, config: &ServerConfig) -> Result<()> {
    let server = Server::bind(engine, config).await?;
    server.run(shutdown::signalled()).await
}
