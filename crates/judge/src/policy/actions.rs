//! Which level leads to which action, for whom, and in which words the sending side hears of it.

use std::collections::HashMap;

use mail::{Action, Address, Direction, Envelope, Level};
use written::Section;

use crate::wildcard::Wildcard;

/// The actions of a policy.
pub(crate) struct Actions {
    usual: [Action; 3],
    exceptions: Vec<Exception>,
    reject: ReplyText,
    defer: ReplyText,
}

/// A reply to the sending side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyText {
    /// `451`, `550`
    pub code: u16,
    /// `5.7.1`
    pub enhanced: String,
    /// One line.
    pub text: String,
}

/// Other actions for some mail; the first that fits a recipient counts.
struct Exception {
    direction: Option<Direction>,
    recipients: Vec<Wildcard>,
    accounts: Vec<Wildcard>,
    levels: [Option<Action>; 3],
}

impl Actions {
    /// What is usually done at a level.
    pub(crate) const fn usual(&self, level: Level) -> &Action {
        &self.usual[level as usize]
    }

    pub(crate) const fn exceptions(&self) -> usize {
        self.exceptions.len()
    }

    /// What is done for this recipient at this level.
    pub(crate) fn action(&self, envelope: &Envelope, recipient: &Address, level: Level) -> &Action {
        let exception = self
            .exceptions
            .iter()
            .find(|exception| exception.fits(envelope, recipient));
        exception
            .and_then(|exception| exception.levels[level as usize].as_ref())
            .unwrap_or_else(|| self.usual(level))
    }

    /// The words for [`Action::Defer`], and for everything else those of [`Action::Reject`].
    pub(crate) const fn reply(&self, action: &Action) -> &ReplyText {
        match action {
            Action::Defer => &self.defer,
            Action::Accept
            | Action::Tag
            | Action::Redirect(_)
            | Action::Quarantine
            | Action::Reject
            | Action::Discard => &self.reject,
        }
    }

    /// Reads `[actions]` and `[replies]`.
    pub(crate) fn read(root: &Section<'_, '_>, groups: &HashMap<String, Vec<String>>) -> Self {
        let section = root.section("actions");
        let [ordinary, suspicious, dangerous] = levels(&section);
        let exceptions = section
            .sections("for")
            .into_iter()
            .map(|section| exception(section, groups))
            .collect();
        section.finish();
        let replies = root.section("replies");
        let read = |key, usual| {
            replies
                .text(key, "\"550 5.7.1 Text\", one line", reply)
                .unwrap_or(usual)
        };
        let plain = |code, enhanced: &str, text: &str| ReplyText {
            code,
            enhanced: enhanced.to_owned(),
            text: text.to_owned(),
        };
        let reject = read(
            "reject",
            plain(
                550,
                "5.7.1",
                "Message refused by the recipient's mail policy",
            ),
        );
        let defer = read(
            "defer",
            plain(
                451,
                "4.7.1",
                "Message put off by the recipient's mail policy, please try again later",
            ),
        );
        if reject.code < 500 {
            replies.complain("reject", "is not a refusal", "a code from 500 to 599");
        }
        if defer.code >= 500 {
            replies.complain("defer", "is a refusal for good", "a code from 400 to 499");
        }
        replies.finish();
        Self {
            usual: [
                ordinary.unwrap_or(Action::Accept),
                suspicious.unwrap_or(Action::Quarantine),
                dangerous.unwrap_or(Action::Discard),
            ],
            exceptions,
            reject,
            defer,
        }
    }
}

impl Exception {
    fn fits(&self, envelope: &Envelope, recipient: &Address) -> bool {
        let key = recipient.key();
        let account = envelope.account.as_deref().unwrap_or_default();
        self.direction
            .is_none_or(|direction| direction == envelope.direction)
            && (self.recipients.is_empty()
                || self.recipients.iter().any(|wildcard| wildcard.fits(&key)))
            && (self.accounts.is_empty()
                || self.accounts.iter().any(|wildcard| wildcard.fits(account)))
    }
}

const ACTIONS: &str = "accept, tag, defer, quarantine, discard, reject or redirect:ADDRESS";

fn levels(section: &Section<'_, '_>) -> [Option<Action>; 3] {
    ["ordinary", "suspicious", "dangerous"].map(|level| section.text(level, ACTIONS, action))
}

fn exception(section: Section<'_, '_>, groups: &HashMap<String, Vec<String>>) -> Exception {
    let any = |text: &str| Ok::<_, String>(text.to_owned());
    let direction = section.text(
        "direction",
        "\"inbound\", \"outbound\" or \"internal\"",
        |text| match text {
            "inbound" => Ok(Direction::Inbound),
            "outbound" => Ok(Direction::Outbound),
            "internal" => Ok(Direction::Internal),
            _ => Err("is no direction"),
        },
    );
    let mut recipients = section
        .texts("recipients", "addresses, * and ? allowed", any)
        .unwrap_or_default();
    let domains = section
        .texts("domains", "domain names", mail::Domain::parse)
        .unwrap_or_default();
    recipients.extend(domains.iter().map(|domain| format!("*@{domain}")));
    if let Some(group) = section.string("group") {
        match groups.get(&group) {
            Some(members) => recipients.extend(members.iter().cloned()),
            None => section.complain(
                "group",
                &format!("{group:?} does not exist"),
                "a name in [groups]",
            ),
        }
    }
    let accounts = section
        .texts("accounts", "accounts, * and ? allowed", any)
        .unwrap_or_default();
    let levels = levels(&section);
    if levels.iter().all(Option::is_none) {
        section.complain(
            "",
            "changes no level",
            "ordinary, suspicious or dangerous = …",
        );
    }
    if direction.is_none() && recipients.is_empty() && accounts.is_empty() {
        section.complain(
            "",
            "fits all mail",
            "direction, recipients, domains, group or accounts; or set [actions] itself",
        );
    }
    section.finish();
    let wildcards = |texts: Vec<String>| texts.iter().map(|text| Wildcard::new(text)).collect();
    Exception {
        direction,
        recipients: wildcards(recipients),
        accounts: wildcards(accounts),
        levels,
    }
}

/// Reads an action.
pub(crate) fn action(text: &str) -> Result<Action, &'static str> {
    match text {
        "accept" => Ok(Action::Accept),
        "tag" => Ok(Action::Tag),
        "defer" => Ok(Action::Defer),
        "quarantine" => Ok(Action::Quarantine),
        "discard" => Ok(Action::Discard),
        "reject" => Ok(Action::Reject),
        _ => {
            let target = text.strip_prefix("redirect:").ok_or("is no action")?;
            let target = Address::new(target)
                .filter(|target| target.domain().is_some() && !target.local().is_empty());
            target
                .map(Action::Redirect)
                .ok_or("redirects to something that is no address")
        }
    }
}

/// Reads `550 5.7.1 Text`.
fn reply(text: &str) -> Result<ReplyText, &'static str> {
    let mut words = text.splitn(3, ' ');
    let code = words
        .next()
        .and_then(|code| code.parse::<u16>().ok())
        .filter(|code| (400..600).contains(code))
        .ok_or("has no code from 400 to 599")?;
    let enhanced = words.next().ok_or("has no enhanced code")?;
    let mut numbers = enhanced.split('.');
    let class = numbers.next() == Some(if code < 500 { "4" } else { "5" });
    let rest: Vec<&str> = numbers.collect();
    let digits = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !class || rest.len() != 2 || !rest.iter().all(digits) {
        return Err("has no enhanced code of the same class, such as 5.7.1");
    }
    let words = words.next().unwrap_or_default().trim();
    if words.is_empty()
        || words.len() > 400
        || !words
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    {
        return Err("needs a text of at most 400 plain ASCII characters");
    }
    Ok(ReplyText {
        code,
        enhanced: enhanced.to_owned(),
        text: words.to_owned(),
    })
}
