//! The hub over Valkey or Redis: one stream, to which every node adds and which every node reads.
//!
//! A mouth and an ear have a connection each, for an ear's question waits. Whatever goes wrong ends the connection; the next call makes a new one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mail::Secret;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo as _, Value};

use crate::{Away, KEPT};

/// How long a connection may take, and an answer that is not waited for on purpose.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an ear's question waits on the server.
const LISTENS_MS: u64 = 1000;
/// Batches taken at a time.
const BATCHES: usize = 100;
/// A stream nobody adds to goes away after so long, seconds.
const FORGOTTEN_SECS: u64 = 3600;
/// The field a batch is in.
const FIELD: &str = "b";

/// Where the server is, and how to get in.
#[derive(Clone)]
pub struct Address {
    info: Box<ConnectionInfo>,
    shown: String,
}

impl Address {
    /// Reads `valkey://`, `valkeys://` (TLS), `redis://`, `rediss://` with `[USER[:PASSWORD]@]HOST[:PORT][/DB]`, or `unix://PATH`.
    /// A password that is given apart takes the place of one in the text.
    pub fn parse(text: &str, password: Option<&Secret<String>>) -> Result<Self, String> {
        let info = text
            .into_connection_info()
            .map_err(|_| "is no address of a Valkey or Redis server".to_owned())?;
        let info = match password {
            Some(password) => {
                let settings = info.redis_settings().clone();
                info.set_redis_settings(settings.set_password(password.reveal()))
            }
            None => info,
        };
        let shown = info.addr().to_string();
        Ok(Self {
            info: Box::new(info),
            shown,
        })
    }

    async fn connect(&self, patience: Duration) -> Result<MultiplexedConnection, Away> {
        let client = Client::open((*self.info).clone()).map_err(|error| self.away(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(patience));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| self.away(&error))
    }

    fn away(&self, error: &redis::RedisError) -> Away {
        // A part of it is what the server said.
        Away(format!(
            "{}: {}",
            self.shown,
            error.to_string().escape_debug()
        ))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

pub struct Mouth {
    address: Address,
    stream: String,
    connection: Option<MultiplexedConnection>,
    /// The server's time of what was added last, milliseconds.
    last_ms: Option<u64>,
}

impl Mouth {
    pub const fn new(address: Address, stream: String) -> Self {
        Self {
            address,
            stream,
            connection: None,
            last_ms: None,
        }
    }

    pub async fn tell(&mut self, sealed: &[u8]) -> Result<(), Away> {
        // Taken, so that a call that is dropped half way leaves no connection with an answer in it.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.address.connect(PATIENCE).await?,
        };
        let mut add = redis::cmd("XADD");
        add.arg(&self.stream);
        // By the server's clock, whatever ours says.
        let oldest = self
            .last_ms
            .map(|last| last.saturating_sub(KEPT.as_millis() as u64));
        if let Some(oldest) = oldest {
            add.arg("MINID").arg("~").arg(oldest);
        }
        add.arg("*").arg(FIELD).arg(sealed);
        let mut both = redis::pipe();
        both.add_command(add);
        both.cmd("EXPIRE")
            .arg(&self.stream)
            .arg(FORGOTTEN_SECS)
            .ignore();
        let (id,): (String,) = both
            .query_async(&mut connection)
            .await
            .map_err(|error| self.address.away(&error))?;
        self.last_ms = milliseconds(&id).or(self.last_ms);
        self.connection = Some(connection);
        Ok(())
    }
}

pub struct Ear {
    address: Address,
    stream: String,
    connection: Option<MultiplexedConnection>,
    /// The last entry that was read.
    last: Option<String>,
}

impl Ear {
    pub const fn new(address: Address, stream: String) -> Self {
        Self {
            address,
            stream,
            connection: None,
            last: None,
        }
    }

    /// From what is added from now on.
    pub async fn begin(&mut self) -> Result<(), Away> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let patience = PATIENCE + Duration::from_millis(LISTENS_MS);
                self.address.connect(patience).await?
            }
        };
        if self.last.is_none() {
            let newest: Vec<(String, Value)> = redis::cmd("XREVRANGE")
                .arg(&self.stream)
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(1)
                .query_async(&mut connection)
                .await
                .map_err(|error| self.address.away(&error))?;
            let newest = newest.into_iter().next().map(|(id, _)| id);
            self.last = Some(newest.unwrap_or_else(|| "0-0".to_owned()));
        }
        self.connection = Some(connection);
        Ok(())
    }

    pub async fn hear(&mut self) -> Result<Vec<Arc<[u8]>>, Away> {
        self.begin().await?;
        let (Some(mut connection), Some(last)) = (self.connection.take(), &self.last) else {
            return Ok(Vec::new());
        };
        let read: Option<StreamReadReply> = redis::cmd("XREAD")
            .arg("COUNT")
            .arg(BATCHES)
            .arg("BLOCK")
            .arg(LISTENS_MS)
            .arg("STREAMS")
            .arg(&self.stream)
            .arg(last)
            .query_async(&mut connection)
            .await
            .map_err(|error| self.address.away(&error))?;
        self.connection = Some(connection);
        let mut there = Vec::new();
        let streams = read.map(|read| read.keys).unwrap_or_default();
        for entry in streams.into_iter().flat_map(|stream| stream.ids) {
            if let Some(Value::BulkString(sealed)) = entry.map.get(FIELD) {
                there.push(sealed.as_slice().into());
            }
            self.last = Some(entry.id);
        }
        Ok(there)
    }
}

/// The time in an entry's name, `MILLISECONDS-NUMBER`.
fn milliseconds(id: &str) -> Option<u64> {
    id.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_their_passwords_never_shown() {
        for good in [
            "valkey://127.0.0.1",
            "redis://h.example:7000/3",
            "rediss://user:hidden@h.example",
            "valkeys://h.example",
            "unix:///run/valkey/valkey.sock",
        ] {
            let address = Address::parse(good, None).unwrap_or_else(|why| panic!("{good}: {why}"));
            assert!(!format!("{address:?}").contains("hidden"), "{address:?}");
        }
        for wrong in ["", "127.0.0.1:6379", "http://h.example", "valkey:/"] {
            assert!(Address::parse(wrong, None).is_err(), "{wrong}");
        }
        let secret = Secret::new("hidden".to_owned());
        let address = Address::parse("valkey://h.example", Some(&secret)).expect("an address");
        assert_eq!(address.info.redis_settings().password(), Some("hidden"));
        assert_eq!(milliseconds("1526919030474-55"), Some(1_526_919_030_474));
    }
}
