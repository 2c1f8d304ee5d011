//! From the engine's answer to what the next hop gets and the client hears.

use engine::{Answer, Changes, Reply, Text};
use mail::Address;

use super::hop::Lost;
use super::session::{Mail, Session, as_given};

impl Session {
    /// Carries the answer out. Replies are one, or by LMTP one for each recipient, in order.
    pub(super) async fn carry_out(
        &mut self,
        answer: Answer,
        raw: Vec<u8>,
    ) -> Result<Vec<String>, Lost> {
        let Some(mail) = self.mail.take() else {
            return Ok(vec!["503 5.5.1 MAIL first".to_owned()]);
        };
        let kept = format!("250 2.0.0 Ok: {}", answer.record);
        match answer.reply {
            Reply::Deliver(changes) => self.deliver(mail, &changes, raw, &kept).await,
            Reply::Refuse(text) | Reply::Later(text) => {
                self.reset().await?;
                Ok(self.for_all(&line(&text), mail.recipients.len()))
            }
            Reply::Drop | Reply::Hold(_) => {
                // What the answer promises is durable; whether the next hop forgets too changes nothing of that.
                let _ = self.reset().await;
                Ok(self.for_all(&kept, mail.recipients.len()))
            }
        }
    }

    async fn deliver(
        &mut self,
        mail: Mail,
        changes: &Changes,
        raw: Vec<u8>,
        kept: &str,
    ) -> Result<Vec<String>, Lost> {
        let gets = |to: &Address| !changes.delete_recipients.contains(to);
        let staying: Vec<&String> = mail
            .recipients
            .iter()
            .filter(|(to, _)| gets(to))
            .map(|(_, line)| line)
            .collect();
        let mut lines: Vec<String> = staying.into_iter().cloned().collect();
        let stay = lines.len();
        lines.extend(
            changes
                .add_recipients
                .iter()
                .map(|to| format!("RCPT TO:<{to}>")),
        );
        let outcomes = if lines.is_empty() {
            // What is held or refused is settled without it; it need not agree.
            let _ = self.reset().await;
            Vec::new()
        } else {
            let message = changes.apply(&raw);
            drop(raw);
            let again = stay != mail.recipients.len() || lines.len() != stay;
            self.hand_over(&mail, &lines, again, &message).await?
        };
        // Whoever was added stands for those who were taken off: when it was not taken, the client keeps the message.
        let failed = outcomes
            .iter()
            .skip(stay)
            .find(|reply| !reply.starts_with('2'));
        let mut own = outcomes.iter().take(stay);
        let mut replies = Vec::with_capacity(mail.recipients.len());
        for (to, _) in &mail.recipients {
            let refused = changes.refused.iter().find(|(one, _)| one == to);
            replies.push(match refused {
                _ if gets(to) => own.next().map_or(kept, String::as_str).to_owned(),
                Some((_, text)) => line(text),
                None => failed.map_or(kept, String::as_str).to_owned(),
            });
        }
        Ok(self.joined(replies))
    }

    /// By SMTP all recipients share a reply: what the next hop said, if it was asked.
    fn joined(&self, replies: Vec<String>) -> Vec<String> {
        if self.config.protocol == crate::config::Protocol::Lmtp {
            return replies;
        }
        let worst = replies.iter().find(|reply| !reply.starts_with('2'));
        let one = worst.or_else(|| replies.first()).cloned();
        one.into_iter().collect()
    }

    /// Gives the message to the next hop; one reply for each line of `recipients`.
    async fn hand_over(
        &mut self,
        mail: &Mail,
        recipients: &[String],
        again: bool,
        message: &[u8],
    ) -> Result<Vec<String>, Lost> {
        let for_all = |reply: String| Ok(vec![reply; recipients.len()]);
        if again {
            self.reset().await?;
            for command in std::iter::once(&mail.command).chain(recipients) {
                let reply = self.hop.say(command).await?;
                if !reply.is_positive() {
                    self.reset().await?;
                    return for_all(as_given(&reply));
                }
            }
        }
        let ready = self.hop.say("DATA").await?;
        if ready.code != 354 {
            self.reset().await?;
            // A server that answers DATA by 2xx has misunderstood; nothing was taken.
            return for_all(if ready.code < 400 {
                "451 4.3.0 The next server did not take the message".to_owned()
            } else {
                as_given(&ready)
            });
        }
        let replies = self.hop.message(message, recipients.len()).await?;
        Ok(replies.iter().map(as_given).collect())
    }
}

fn line(text: &Text) -> String {
    format!("{} {} {}", text.code, text.enhanced, text.text)
}
