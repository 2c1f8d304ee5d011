//! Marks, stages and wishes as forms and programs write them: `none` takes back what was said.

use engine::DeskError;
use ipnet::IpNet;
use mail::Mark;
use mail::standing::{Handling, Stage};

/// What is written for "nothing is said".
pub(crate) const NONE: &str = "none";
/// Marks, as forms list them.
pub(crate) const MARKS: [Mark; 3] = [Mark::Own, Mark::Authorised, Mark::NotOurs];
/// Stages, as forms list them.
pub(crate) const STAGES: [Stage; 3] = [Stage::Observing, Stage::ReportOnly, Stage::Blocking];
/// Wishes, as forms list them.
pub(crate) const WISHES: [Handling; 3] = [Handling::Block, Handling::Redirect, Handling::Forward];

/// Reads a mark.
pub(crate) fn read_mark(word: &str) -> Result<Mark, DeskError> {
    if word == NONE {
        return Ok(Mark::Unmarked);
    }
    let known = MARKS.into_iter().find(|mark| mark.as_str() == word);
    known.ok_or_else(|| unfit(word, "own, authorised, not-ours or none"))
}

/// Reads a stage to pin a domain to.
pub(crate) fn read_stage(word: &str) -> Result<Option<Stage>, DeskError> {
    if word == NONE {
        return Ok(None);
    }
    let known = STAGES.into_iter().find(|stage| stage.as_str() == word);
    let right = "observing, report-only, blocking or none";
    known.map(Some).ok_or_else(|| unfit(word, right))
}

/// Reads the most that is done.
pub(crate) fn read_handling(word: &str) -> Result<Option<Handling>, DeskError> {
    if word == NONE {
        return Ok(None);
    }
    let known = WISHES.into_iter().find(|wish| wish.as_str() == word);
    let right = "block, redirect, forward or none";
    known.map(Some).ok_or_else(|| unfit(word, right))
}

/// Reads a network, or a machine as a network of one.
pub(crate) fn read_network(text: &str) -> Result<IpNet, DeskError> {
    let text = text.trim();
    let machine: Result<std::net::IpAddr, _> = text.parse();
    let net = machine.map_or_else(|_| text.parse().ok(), |ip| Some(IpNet::from(ip)));
    net.ok_or_else(|| unfit(text, "an address or a network such as 192.0.2.0/24"))
}

/// A network as people write it: a single machine by its address.
pub(crate) fn network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

fn unfit(given: &str, right: &str) -> DeskError {
    DeskError::Unfit(format!("{given:?} is not {right}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        assert_eq!(read_mark("not-ours").ok(), Some(Mark::NotOurs));
        assert_eq!(read_mark("none").ok(), Some(Mark::Unmarked));
        assert_eq!(
            read_stage("report-only").ok(),
            Some(Some(Stage::ReportOnly))
        );
        assert_eq!(read_stage("none").ok(), Some(None));
        assert_eq!(
            read_handling("redirect").ok(),
            Some(Some(Handling::Redirect))
        );
        for wrong in ["", "Own", "unmarked", "reject", "<b>"] {
            assert!(read_mark(wrong).is_err(), "{wrong}");
            assert!(read_stage(wrong).is_err(), "{wrong}");
            assert!(read_handling(wrong).is_err(), "{wrong}");
            assert!(read_network(wrong).is_err(), "{wrong}");
        }
        let shown = |text: &str| network(&read_network(text).expect("a network"));
        assert_eq!(shown(" 192.0.2.7 "), "192.0.2.7");
        assert_eq!(shown("2001:db8::/32"), "2001:db8::/32");
    }
}
