//! LISTEN and NOTIFY: messages between sessions, sent when the transaction that says so commits.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::activity::Activity;
use super::response::Response;
use super::session::Session;
use crate::error::{Error, Result};
use crate::sql::Statement;

/// Messages that wait for one session; one that leaves more unread is ended.
const MAILBOX: usize = 10_000;
/// Bytes of a message, as in PostgreSQL.
const PAYLOAD_MAX: usize = 7999;

/// A message of a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// The session that has sent it.
    pub session: u32,
    /// The channel.
    pub channel: String,
    /// What it says; may be empty.
    pub payload: String,
}

/// What a transaction does to channels when it commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// `LISTEN channel`
    Listen(String),
    /// `UNLISTEN channel`; `None` for all.
    Unlisten(Option<String>),
    /// `NOTIFY channel, payload`
    Notify(String, String),
}

/// Who listens to what.
#[derive(Debug, Default)]
pub struct Channels {
    listeners: Mutex<BTreeMap<u32, Listener>>,
}

#[derive(Debug)]
struct Listener {
    channels: BTreeSet<String>,
    mailbox: mpsc::Sender<Notification>,
}

/// A session's end of the channels.
#[derive(Debug)]
pub(super) struct Mailbox {
    sender: mpsc::Sender<Notification>,
    receiver: mpsc::Receiver<Notification>,
}

impl Default for Mailbox {
    fn default() -> Mailbox {
        let (sender, receiver) = mpsc::channel(MAILBOX);
        Mailbox { sender, receiver }
    }
}

impl Channels {
    /// Does what a committed transaction said, each message once.
    fn apply(&self, session: u32, mailbox: &Mailbox, actions: Vec<Action>, activity: &Activity) {
        let mut listeners = self.listeners.lock();
        let mut sent = BTreeSet::new();
        for action in actions {
            match action {
                Action::Listen(channel) => {
                    let listener = listeners.entry(session).or_insert_with(|| Listener {
                        channels: BTreeSet::new(),
                        mailbox: mailbox.sender.clone(),
                    });
                    listener.channels.insert(channel);
                }
                Action::Unlisten(None) => drop(listeners.remove(&session)),
                Action::Unlisten(Some(channel)) => {
                    if let Some(listener) = listeners.get_mut(&session) {
                        listener.channels.remove(&channel);
                    }
                }
                Action::Notify(channel, payload) => {
                    if !sent.insert((channel.clone(), payload.clone())) {
                        continue;
                    }
                    let message = Notification { session, channel, payload };
                    for (id, listener) in &*listeners {
                        if listener.channels.contains(&message.channel)
                            && listener.mailbox.try_send(message.clone()).is_err()
                        {
                            // It does not read: better gone than silently without a message.
                            activity.terminate(*id);
                        }
                    }
                }
            }
        }
    }

    /// The session is over.
    pub(super) fn leave(&self, session: u32) {
        self.listeners.lock().remove(&session);
    }
}

impl Action {
    /// A message.
    ///
    /// # Errors
    /// `22023` for a name or a payload that cannot be.
    pub(super) fn notify(channel: &str, payload: &str) -> Result<Action> {
        if channel.is_empty() {
            return Err(Error::invalid_parameter("channel name cannot be empty"));
        }
        if channel.len() > 63 {
            return Err(Error::invalid_parameter("channel name too long"));
        }
        if payload.len() > PAYLOAD_MAX {
            return Err(Error::invalid_parameter("payload string too long"));
        }
        Ok(Action::Notify(channel.to_owned(), payload.to_owned()))
    }
}

impl Session {
    /// LISTEN, UNLISTEN and NOTIFY.
    pub(super) fn channel(&mut self, statement: &Statement) -> Result<Response> {
        let (action, tag) = match statement {
            Statement::Listen(channel) => (Action::Listen(channel.clone()), "LISTEN"),
            Statement::Unlisten(channel) => (Action::Unlisten(channel.clone()), "UNLISTEN"),
            Statement::Notify { channel, payload } => (Action::notify(channel, payload)?, "NOTIFY"),
            other => return Err(Error::internal(format!("{other:?} is not about channels"))),
        };
        self.announce(vec![action]);
        Ok(Response::done(tag))
    }

    /// Does `actions` when the transaction commits: at the end of the block, or now.
    pub(super) fn announce(&mut self, actions: Vec<Action>) {
        match &mut self.block {
            Some(block) => block.announcements.extend(actions),
            None => {
                let shared = &self.shared;
                shared.channels.apply(self.id(), &self.mailbox, actions, &shared.activity);
            }
        }
    }

    /// The messages that have come, in order.
    pub fn take_notifications(&mut self) -> Vec<Notification> {
        std::iter::from_fn(|| self.mailbox.receiver.try_recv().ok()).collect()
    }

    /// The next message, when one comes.
    pub async fn notified(&mut self) -> Notification {
        match self.mailbox.receiver.recv().await {
            Some(notification) => notification,
            None => std::future::pending().await,
        }
    }
}
