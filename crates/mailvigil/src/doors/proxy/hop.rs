//! The next hop: commands there, replies back.

use std::time::Duration;

use mail::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::smtp::{Reply, ReplyReader, dot_stuffed};

use crate::config::{Protocol, ProxyConfig};

/// How long it may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may be silent (RFC 5321 §4.5.3.2 has minutes; the client waits as long).
const PATIENCE: Duration = Duration::from_mins(5);

/// A connection to the server that takes the mail.
pub struct Hop {
    stream: TcpStream,
    replies: ReplyReader,
    /// What its greeting to EHLO offers, in capitals.
    offers: Vec<String>,
    protocol: Protocol,
}

/// It is gone, or makes no sense. Nothing was accepted.
#[derive(Debug, thiserror::Error)]
#[error("the next hop {0}")]
pub struct Lost(String);

impl Hop {
    /// Connects and reads the greeting.
    pub async fn reach(config: &ProxyConfig, limits: &Limits) -> Result<(Self, Reply), Lost> {
        let connecting = TcpStream::connect(&config.next_hop);
        let stream = match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(Lost(format!("{} is not reached: {error}", config.next_hop)));
            }
            Err(_) => return Err(Lost(format!("{} is not reached", config.next_hop))),
        };
        // Only speed depends on it.
        let _ = stream.set_nodelay(true);
        let mut hop = Self {
            stream,
            replies: ReplyReader::new(limits),
            offers: Vec::new(),
            protocol: config.next_protocol,
        };
        let greeting = hop.reply().await?;
        Ok((hop, greeting))
    }

    /// Says hello in our client's name, and notes what is offered.
    pub async fn hello(&mut self, name: &str) -> Result<Reply, Lost> {
        let verb = match self.protocol {
            Protocol::Smtp => "EHLO",
            Protocol::Lmtp => "LHLO",
        };
        let reply = self.say(&format!("{verb} {name}")).await?;
        self.offers.clear();
        if reply.is_positive() {
            let offers = reply.lines.iter().skip(1);
            self.offers
                .extend(offers.map(|line| line.trim().to_ascii_uppercase()));
        }
        Ok(reply)
    }

    /// The line that offers an extension: `SIZE 10240000`.
    pub fn offer(&self, extension: &str) -> Option<&str> {
        let offers = self.offers.iter().map(String::as_str);
        offers
            .into_iter()
            .find(|offer| offer.split(' ').next() == Some(extension))
    }

    /// One command, one reply.
    pub async fn say(&mut self, command: &str) -> Result<Reply, Lost> {
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// The message after DATA was taken: one reply, or by LMTP one for each of so many recipients.
    pub async fn message(&mut self, message: &[u8], recipients: usize) -> Result<Vec<Reply>, Lost> {
        self.write(&dot_stuffed(message)).await?;
        let count = match self.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            replies.push(self.reply().await?);
        }
        if self.protocol == Protocol::Smtp {
            replies = vec![replies.remove(0); recipients];
        }
        Ok(replies)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        match tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost(format!("is lost: {error}"))),
            Err(_) => Err(Lost("takes nothing".to_owned())),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Lost> {
        let mut buffer = [0; 4096];
        loop {
            match self.replies.next_reply() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(error) => return Err(Lost(format!("makes no sense: {error}"))),
            }
            match tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await {
                Ok(Ok(0)) => return Err(Lost("closed the connection".to_owned())),
                Ok(Ok(length)) => self.replies.push(&buffer[..length]),
                Ok(Err(error)) => return Err(Lost(format!("is lost: {error}"))),
                Err(_) => return Err(Lost(format!("said nothing for {} s", PATIENCE.as_secs()))),
            }
        }
    }
}
