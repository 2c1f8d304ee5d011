//! Which machine outside handed the message over (R4.29): the peer, or behind trusted relays whoever they say they took it
//! from.

use std::net::IpAddr;

use ipnet::IpNet;
use mail::message::Hop;
use mail::{Envelope, Message};

/// The true last hop.
pub(crate) struct LastHop<'m> {
    pub ip: Option<IpAddr>,
    pub helo_name: Option<&'m str>,
    pub relays_skipped: u32,
}

/// Goes from the peer back along `Received`, as long as the machine that wrote the field is one we trust. A loopback address
/// in such a field is the trusted machine itself, handing the message from one of its programs to another.
pub(crate) fn last_hop<'m>(
    envelope: &'m Envelope,
    message: &'m Message,
    trusted: &[IpNet],
) -> LastHop<'m> {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(&ip));
    let mut last = LastHop {
        ip: envelope.peer.ip.map(|ip| ip.to_canonical()),
        helo_name: envelope.helo_name.as_deref(),
        relays_skipped: 0,
    };
    let mut hops = message.received.iter();
    while last
        .ip
        .is_some_and(|ip| is_trusted(ip) || last.relays_skipped > 0 && ip.is_loopback())
    {
        let Some(Hop { ip, helo_name, .. }) = hops.next() else {
            // The trusted machine does not say where it has it from: it is its own.
            break;
        };
        last = LastHop {
            ip: ip.map(|ip| ip.to_canonical()),
            helo_name: helo_name.as_deref(),
            relays_skipped: last.relays_skipped + 1,
        };
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::Timestamp;

    fn check(peer: &str, received: &[&str], expected: Option<&str>, skipped: u32) {
        let mut envelope = Envelope::new(Timestamp::default(), "milter");
        envelope.peer.ip = peer.parse().ok();
        let header: String = received
            .iter()
            .map(|value| format!("Received: {value}\r\n"))
            .collect();
        let message = Message::read(format!("{header}\r\n").as_bytes(), &mail::Limits::default());
        let trusted = [
            "10.0.0.0/8".parse().expect("a network"),
            "2001:db8::/32".parse().expect("a network"),
        ];
        let last = last_hop(&envelope, &message, &trusted);
        assert_eq!(
            last.ip,
            expected.and_then(|ip| ip.parse().ok()),
            "{received:?}"
        );
        assert_eq!(last.relays_skipped, skipped, "{received:?}");
    }

    #[test]
    fn trusted_relays_are_skipped_and_nobody_else_is_believed() {
        let outside = "from out.example.net (out.example.net [192.0.2.9]) by relay.example.org; Mon, 1 Jan 2024 00:00:00 +0000";
        let inside = "from relay.example.org (relay [10.0.0.2]) by in.example.org; Mon, 1 Jan 2024 00:00:00 +0000";
        let itself = "from localhost (localhost [127.0.0.1]) by relay.example.org; Mon, 1 Jan 2024 00:00:00 +0000";
        let forged = "from bank.example (bank.example [203.0.113.1]) by out.example.net; Mon, 1 Jan 2024 00:00:00 +0000";
        check("198.51.100.1", &[outside], Some("198.51.100.1"), 0);
        check("10.0.0.1", &[outside, forged], Some("192.0.2.9"), 1);
        check("10.0.0.1", &[inside, outside, forged], Some("192.0.2.9"), 2);
        check("10.0.0.1", &[itself, outside], Some("192.0.2.9"), 2);
        check("2001:db8::1", &[outside], Some("192.0.2.9"), 1);
        check("::ffff:10.0.0.1", &[outside], Some("192.0.2.9"), 1);
        check("127.0.0.1", &[outside], Some("127.0.0.1"), 0);
        check("10.0.0.1", &[], Some("10.0.0.1"), 0);
        check(
            "10.0.0.1",
            &["by relay.example.org (Postfix, from userid 0)"],
            None,
            1,
        );
    }
}
