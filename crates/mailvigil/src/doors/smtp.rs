//! The way out: one message handed to a mail server over SMTP, for releases and the canary.

use std::pin::Pin;
use std::time::Duration;

use engine::{Courier, Submitted};
use mail::{Address, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::smtp::{Attempt, Delivery, Outcome, RecipientOutcome, Submission};

/// How long the server may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

/// Delivers over plain SMTP to the configured mail servers.
pub struct SmtpCourier {
    default: String,
    servers: Vec<(String, String)>,
}

impl SmtpCourier {
    /// Always to this `HOST:PORT`.
    pub fn to(address: &str) -> Self {
        Self {
            default: address.to_owned(),
            servers: Vec::new(),
        }
    }

    /// As the configuration says.
    pub fn new(config: &crate::config::Config) -> Self {
        Self {
            default: config.submit_to.clone(),
            servers: config.submit_servers.clone(),
        }
    }

    fn address(&self, server: &str) -> &str {
        let named = self
            .servers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(server));
        named.map_or(&self.default, |(_, address)| address)
    }
}

impl Courier for SmtpCourier {
    fn submit<'a>(
        &'a self,
        server: &'a str,
        envelope_from: Option<&'a Address>,
        recipients: &'a [Address],
        raw: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Submitted> + Send + 'a>> {
        let address = self.address(server);
        Box::pin(async move {
            let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
            match connected {
                Ok(Ok(stream)) => converse(stream, address, envelope_from, recipients, raw).await,
                Ok(Err(error)) => Submitted::Refused {
                    why: format!("{address} cannot be reached: {error}"),
                },
                Err(_) => Submitted::Refused {
                    why: format!("{address} cannot be reached"),
                },
            }
        })
    }
}

async fn converse(
    mut stream: TcpStream,
    address: &str,
    envelope_from: Option<&Address>,
    recipients: &[Address],
    raw: &[u8],
) -> Submitted {
    let submission = Submission {
        helo_name: "localhost",
        envelope_from,
        recipients,
        raw,
    };
    let mut delivery = match Delivery::new(submission, &Limits::default()) {
        Ok(delivery) => delivery,
        Err(error) => {
            return Submitted::Refused {
                why: error.to_string(),
            };
        }
    };
    let lost = exchange(&mut stream, &mut delivery).await;
    let outcome = delivery
        .outcome()
        .unwrap_or_else(|| delivery.outcome_if_lost());
    judge(&outcome, address, lost.err())
}

/// Reads and writes until the outcome is certain or the connection ends.
async fn exchange(stream: &mut TcpStream, delivery: &mut Delivery<'_>) -> Result<(), String> {
    let mut buffer = vec![0; 16 << 10];
    while !delivery.is_done() {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        let length = match read {
            Ok(Ok(0)) => return Err("the server closed the connection".to_owned()),
            Ok(Ok(length)) => length,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => {
                return Err(format!(
                    "the server said nothing for {} s",
                    PATIENCE.as_secs()
                ));
            }
        };
        delivery
            .feed(&buffer[..length])
            .map_err(|error| error.to_string())?;
        loop {
            let output = delivery.take_output();
            if output.is_empty() {
                break;
            }
            stream
                .write_all(&output)
                .await
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

fn judge(outcome: &Outcome, address: &str, lost: Option<String>) -> Submitted {
    let last = outcome
        .last_reply
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let why = || lost.clone().unwrap_or_else(|| last.clone());
    if outcome
        .recipients
        .iter()
        .any(|one| one.attempt == Attempt::Unknown)
    {
        return Submitted::Unknown {
            why: format!("{address}: {}", why()),
        };
    }
    let refused: Vec<String> = outcome.recipients.iter().filter_map(refusal).collect();
    if outcome
        .recipients
        .iter()
        .any(|one| one.attempt == Attempt::Taken)
    {
        return Submitted::Taken {
            reply: last,
            refused,
        };
    }
    let why = refused.into_iter().next().unwrap_or_else(why);
    Submitted::Refused {
        why: format!("{address}: {why}"),
    }
}

fn refusal(one: &RecipientOutcome) -> Option<String> {
    match &one.attempt {
        Attempt::Refused(reply) => Some(format!("{}: {reply}", one.address)),
        Attempt::NotPossible => Some(format!("{}: the server offers no SMTPUTF8", one.address)),
        Attempt::Taken | Attempt::NotSent | Attempt::Unknown => None,
    }
}
