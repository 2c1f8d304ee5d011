//! Judging a message that a person gives, as it would have been judged when it came.

use std::net::IpAddr;

use judge::Policy;
use mail::{
    Address, Authentication, Direction, Envelope, Facts, Known, Limits, Message, Site, Verdict,
};

use crate::clock::now;

/// Judges a message that was read. What only the service knows (counts of the last hours) is not there.
pub fn judge_by_hand(
    message: Message,
    raw: &[u8],
    ip: Option<IpAddr>,
    site: &Site,
    policy: &Policy,
    version: i64,
    authentication: Known<Authentication>,
) -> (Facts, Verdict) {
    let envelope = envelope(&message, ip, site);
    // A file's recipients are what its header says, and headers name people elsewhere all the time.
    let relayed_recipients = if ip.is_none() || site.is_ours(&envelope) {
        Vec::new()
    } else {
        envelope
            .recipients
            .iter()
            .filter(|to| site.is_foreign(to))
            .cloned()
            .collect()
    };
    let mut hits = policy.scan(&message);
    hits.extend(policy.scan_imported(&message, raw, &envelope));
    let facts = Facts {
        relayed_recipients,
        hits,
        authentication,
        ..Facts::new(envelope, message)
    };
    let verdict = judge::judge(&facts, site, policy, version);
    (facts, verdict)
}

/// The envelope of a message in a file, as far as its header tells. `ip` is the machine that handed it over, when it is known better.
pub fn envelope_of_file(message: &Message, ip: Option<IpAddr>, site: &Site) -> Envelope {
    envelope(message, ip, site)
}

/// The envelope of a message that just came, as far as its header tells: for clients that ask without saying it.
pub fn envelope_by_header(raw: &[u8], site: &Site, limits: &Limits) -> Envelope {
    let message = Message::read(raw, limits);
    let mut envelope = envelope(&message, None, site);
    envelope.received_at = now();
    envelope.peer.untold = envelope.peer.ip.is_none();
    envelope
}

/// Who handed it over to whom, as far as the message itself tells.
fn envelope(message: &Message, ip: Option<IpAddr>, site: &Site) -> Envelope {
    let address = |name: &str| message.header(name).and_then(Address::new);
    // Mail that has long arrived is not late: it is judged as of its date.
    let at = message
        .received
        .first()
        .and_then(|hop| hop.at)
        .or(message.date)
        .unwrap_or_else(now);
    let mut envelope = Envelope::new(at, "scan");
    let hop = message.received.first();
    envelope.peer.ip = ip.or_else(|| hop.and_then(|hop| hop.ip));
    envelope.peer.ptr_name = hop.and_then(|hop| hop.ptr_name.clone());
    envelope.helo_name = hop.and_then(|hop| hop.helo_name.clone());
    envelope.envelope_from = address("return-path").or_else(|| {
        message
            .header_from
            .first()
            .and_then(|from| from.address.clone())
    });
    envelope.recipients = match address("delivered-to").or_else(|| address("x-original-to")) {
        Some(to) => vec![to],
        None => message
            .header_to
            .iter()
            .chain(&message.cc)
            .filter_map(|to| to.address.clone())
            .take(100)
            .collect(),
    };
    // A file without a machine came from outside all the same.
    envelope.direction = if envelope.peer.ip.is_none() {
        Direction::Inbound
    } else {
        site.direction(&envelope)
    };
    envelope
}
