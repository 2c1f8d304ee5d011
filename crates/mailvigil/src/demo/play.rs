//! One message into the milter door, as a mail server hands it over.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mail::{Address, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::milter::{Answer, Client, Offer, Submission, Visit};

use super::day::{Letter, SERVER};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Played {
    /// Accepted, discarded, refused, put off.
    pub answer: Answer,
    /// From the last byte sent to the answer.
    pub took: Duration,
}

/// Plays one message over a connection of its own.
pub async fn play(door: SocketAddr, letter: &Letter) -> anyhow::Result<Played> {
    let mut visit = Visit::stranger(SERVER, &letter.peer_ip, &letter.helo_name);
    visit.ptr_name.clone_from(&letter.ptr_name);
    visit.account = letter
        .account
        .clone()
        .map(|account| ("PLAIN".to_owned(), account));
    let mut stream = TcpStream::connect(door)
        .await
        .context("the milter door does not answer")?;
    stream.set_nodelay(true)?;
    let mut client = Client::new(Offer::POSTFIX, visit, &Limits::default());
    let submission = Submission {
        queue_id: format!("4{:08X}{:02X}", letter.second, letter.raw.len() % 256),
        envelope_from: letter.envelope_from.as_deref().and_then(Address::new),
        mail_args: Vec::new(),
        recipients: letter
            .recipients
            .iter()
            .filter_map(|to| Address::new(to))
            .collect(),
        raw: letter.raw.clone(),
    };
    let mut early = client.submit(submission)?;
    let mut buffer = vec![0; 16 << 10];
    let mut last_written = Instant::now();
    let (reply, took) = loop {
        if let Some(reply) = early.take() {
            break (reply, last_written.elapsed());
        }
        let output = client.take_output();
        if !output.is_empty() {
            stream.write_all(&output).await?;
            last_written = Instant::now();
        }
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .context("the filter gives no answer")??;
        if read == 0 {
            bail!("the filter closed the connection");
        }
        early = client.feed(&buffer[..read])?;
    };
    client.quit();
    stream.write_all(&client.take_output()).await?;
    let answer = reply
        .refused
        .first()
        .map_or(reply.answer, |(_, answer)| answer.clone());
    Ok(Played { answer, took })
}
