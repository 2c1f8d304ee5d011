//! Decisions carried out beyond our own doors: commands such as `doveadm kick`, and whoever wants to be told by a webhook.
//!
//! Nothing waits for it: what fails is tried again a few times, said in the log, and does not hold up what comes after.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use data_encoding::BASE64;
use engine::News;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mail::Secret;
use sha2::Sha256;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc};
use watch::{Decision, Scope};

use crate::config::{CommandConfig, WatchConfig};
use crate::show;

/// How long a command or a webhook may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Commands that run at the same time.
const AT_ONCE: usize = 8;
/// Tries of a webhook, each twice as long after the last.
const TRIES: u32 = 4;
/// What waits for one webhook; what is beyond it is not told, and that is said.
const WAITING_MAX: usize = 10_000;

/// Carries out what is configured.
pub struct Hands {
    commands: Arc<Vec<CommandConfig>>,
    places: Arc<Semaphore>,
    webhooks: Vec<mpsc::Sender<Arc<Letter>>>,
}

/// What a webhook is told.
struct Letter {
    event: &'static str,
    id: String,
    body: Vec<u8>,
}

impl Hands {
    /// As the configuration says; `None` when nothing is to be done.
    pub fn new(config: &WatchConfig) -> anyhow::Result<Option<Self>> {
        if config.commands.is_empty() && config.webhooks.is_empty() {
            return Ok(None);
        }
        let mut webhooks = Vec::new();
        for webhook in &config.webhooks {
            let secret = secret(&webhook.secret_file)?;
            let (sender, letters) = mpsc::channel(WAITING_MAX);
            tokio::spawn(tell(webhook.url.clone(), secret, letters));
            webhooks.push(sender);
        }
        Ok(Some(Self {
            commands: Arc::new(config.commands.clone()),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            webhooks,
        }))
    }

    /// Follows what is decided until the task is dropped.
    pub async fn follow(self, mut news: Receiver<News>) {
        loop {
            match news.recv().await {
                Ok(News::Decided(decision)) if !decision.simulated => {
                    self.carry_out(&decision, false);
                }
                Ok(News::Ended(decision)) if !decision.simulated => {
                    self.carry_out(&decision, true);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => tracing::error!(
                    "{missed} decisions came faster than they could be carried out; `mailvigil decisions list` has them"
                ),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn carry_out(&self, decision: &Arc<Decision>, ended: bool) {
        for command in self.commands.iter() {
            if command.step == decision.step && command.at_end == ended {
                let (places, command, decision) =
                    (self.places.clone(), command.clone(), decision.clone());
                tokio::spawn(async move {
                    let Ok(_place) = places.acquire().await else {
                        return;
                    };
                    run(&command.run, &decision).await;
                });
            }
        }
        let event = if ended { "ended" } else { "decided" };
        let body = serde_json::json!({ "event": event, "decision": &**decision });
        let letter = Arc::new(Letter {
            event,
            id: decision.id.to_string(),
            body: body.to_string().into_bytes(),
        });
        for webhook in &self.webhooks {
            if webhook.try_send(letter.clone()).is_err() {
                tracing::error!(
                    "a webhook is not told of decision {}: too much waits for it",
                    letter.id
                );
            }
        }
    }
}

fn secret(file: &PathBuf) -> anyhow::Result<Secret<String>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} (watch.webhooks) cannot be read", file.display()))?;
    anyhow::ensure!(
        text.trim().len() >= 16,
        "{} (watch.webhooks) holds less than 16 characters; `openssl rand -hex 16` makes a good secret",
        file.display()
    );
    Ok(Secret::new(text.trim().to_owned()))
}

/// Runs a program, without a shell: what a stranger calls itself is an argument and nothing else. An argument whose name is not known
/// for this decision keeps the command from running.
async fn run(words: &[String], decision: &Decision) {
    let Some(filled) = filled(words, decision) else {
        tracing::debug!(
            "the command for {} needs what decision {} does not name",
            decision.step.name(),
            decision.id
        );
        return;
    };
    let Some((program, arguments)) = filled.split_first() else {
        return;
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        // Nothing of our own surroundings: they may hold passwords.
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PATIENCE, child).await {
        Ok(Ok(output)) if output.status.success() => {
            tracing::info!(
                "{program} carried out decision {} ({})",
                decision.id,
                decision.step.name()
            );
        }
        Ok(Ok(output)) => tracing::error!(
            "{program} did not carry out decision {}: {}: {}",
            decision.id,
            output.status,
            show::safe(&String::from_utf8_lossy(&output.stderr))
        ),
        Ok(Err(error)) => tracing::error!("{program} cannot be run: {error}"),
        Err(_) => tracing::error!(
            "{program} was ended: it took longer than {} s",
            PATIENCE.as_secs()
        ),
    }
}

/// Arguments with what the decision says in them.
fn filled(words: &[String], decision: &Decision) -> Option<Vec<String>> {
    let (ip, account) = match &decision.scope {
        Scope::Source(ip) => (Some(ip.to_string()), None),
        Scope::Pair(ip, account) => (Some(ip.to_string()), Some(account.to_string())),
        Scope::Account(account) => (None, Some(account.to_string())),
        Scope::Mailbox(address) => (None, Some(address.key())),
    };
    let values = [
        ("{account}", account),
        ("{ip}", ip),
        ("{step}", Some(decision.step.name().to_owned())),
        ("{reason}", Some(decision.reason.clone())),
        ("{expires}", Some(decision.expires.secs().to_string())),
        ("{id}", Some(decision.id.to_string())),
    ];
    let fill = |word: &String| {
        let mut word = word.clone();
        for (name, value) in &values {
            if word.contains(name) {
                // An option must not come out of a name.
                let value = value.as_deref()?.trim_start_matches('-');
                word = word.replace(name, value);
            }
        }
        Some(word)
    };
    words.iter().map(fill).collect()
}

/// Posts letters to one place, in order.
async fn tell(url: String, secret: Secret<String>, mut letters: mpsc::Receiver<Arc<Letter>>) {
    while let Some(letter) = letters.recv().await {
        let mut wait = Duration::from_secs(1);
        for attempt in 1..=TRIES {
            let signed = signature(&secret, &letter.body);
            let (to, what) = (url.clone(), letter.clone());
            let posted = tokio::task::spawn_blocking(move || post(&to, &what, &signed)).await;
            match posted {
                Ok(Ok(())) => break,
                Ok(Err(error)) if attempt == TRIES => {
                    tracing::error!("{url} was not told of decision {}: {error}", letter.id);
                }
                Ok(Err(_)) | Err(_) => tokio::time::sleep(wait).await,
            }
            wait *= 2;
        }
    }
}

fn post(url: &str, letter: &Letter, signed: &str) -> Result<(), ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .new_agent();
    agent
        .post(url)
        .header("Content-Type", "application/json")
        .header("X-Mailvigil-Event", letter.event)
        .header("X-Mailvigil-Delivery", &letter.id)
        .header("X-Mailvigil-Signature", signed)
        .send(letter.body.as_slice())
        .map(drop)
}

/// Base 64 of HMAC-SHA256 over the body.
fn signature(secret: &Secret<String>, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    BASE64.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use mail::{Account, RecordId, Timestamp};
    use watch::{Author, Step};

    use super::*;

    fn decision(scope: Scope) -> Decision {
        let at = Timestamp::from_secs(1_800_000_000);
        Decision {
            id: RecordId::first_at(at),
            scope,
            step: Step::EndSessions,
            author: Author::Detector("auth.hit".into()),
            reason: "auth.hit".into(),
            evidence: Vec::new(),
            created: at,
            expires: at.plus_secs(60),
            simulated: false,
            held_back: None,
            strangers_only: false,
            good_users: 0,
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_filled_in_and_never_become_options() {
        let account = Account::new("ann;rm -rf /", 100).expect("a name");
        let of_account = decision(Scope::Account(account));
        assert_eq!(
            filled(&words("/bin/x kick {account}"), &of_account),
            Some(vec!["/bin/x".into(), "kick".into(), "ann;rm -rf /".into()])
        );
        let sly = Account::new("--help", 100).expect("a name");
        let sly = filled(&words("/bin/x {account}"), &decision(Scope::Account(sly)));
        assert_eq!(sly, Some(vec!["/bin/x".into(), "help".into()]));
        assert_eq!(filled(&words("/bin/x {ip}"), &of_account), None);
    }

    #[test]
    fn letters_are_signed() {
        // RFC 4231, test case 2.
        let signed = signature(
            &Secret::new("Jefe".to_owned()),
            b"what do ya want for nothing?",
        );
        assert_eq!(signed, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}
