//! What is known of messages with about the same text, as a reason of the verdict.

use mail::Reason;
use mail::learnt::Campaign;
use mail::verdict::Evidence;

use crate::policy::Learning;

/// The reason, where there is one. A word of a trusted person for the text silences everything against it: texts can be alike by accident.
pub(crate) fn reason(campaign: &Campaign, learning: &Learning) -> Option<Reason> {
    let [wanted, unwanted] = campaign.labels;
    if !learning.enabled || wanted > 0 {
        return None;
    }
    let (name, score, text) = if unwanted > 0 && campaign.same {
        (
            "campaign-known",
            learning.known,
            "The text of mail that was called unwanted here",
        )
    } else if campaign.sources >= learning.sources {
        (
            "campaign-spreading",
            learning.spreading,
            "About the same text comes from many sources at once",
        )
    } else {
        return None;
    };
    Some(Reason {
        name: name.to_owned(),
        score,
        text: text.to_owned(),
        evidence: vec![Evidence::of(said(campaign))],
        demands: None,
    })
}

fn said(campaign: &Campaign) -> String {
    let Campaign {
        name,
        messages,
        sources,
        span_secs,
        labels: [_, unwanted],
        ..
    } = campaign;
    let minutes = span_secs / 60;
    let span = if minutes < 120 {
        format!("{minutes} minutes")
    } else {
        format!("{} hours", minutes / 60)
    };
    let labels = match unwanted {
        0 => String::new(),
        labels => format!(", called unwanted {labels} times"),
    };
    if *messages == 0 {
        return format!("there was none of it for a day{labels}");
    }
    format!(
        "{messages} messages from about {sources} sources within {span}{labels}; the first is {name}"
    )
}

#[cfg(test)]
mod tests {
    use mail::{RecordId, Timestamp};

    use super::*;

    fn campaign(sources: u32, same: bool, labels: [u32; 2]) -> Campaign {
        Campaign {
            name: RecordId::first_at(Timestamp::from_secs(1_790_000_000)),
            messages: 40,
            sources,
            span_secs: 3 * 3600,
            same,
            labels,
        }
    }

    #[test]
    fn what_was_said_and_how_it_spreads_decide() {
        let learning = Learning::default();
        let told = |campaign: Campaign| reason(&campaign, &learning).map(|reason| reason.name);
        let known = Some("campaign-known".to_owned());
        let spreading = Some("campaign-spreading".to_owned());
        assert_eq!(told(campaign(1, true, [0, 1])), known);
        assert_eq!(
            told(campaign(1, false, [0, 1])),
            None,
            "only nearly the same"
        );
        assert_eq!(told(campaign(8, false, [0, 0])), spreading);
        assert_eq!(told(campaign(7, true, [0, 0])), None);
        assert_eq!(told(campaign(40, true, [1, 5])), None, "somebody wanted it");
    }

    #[test]
    fn what_comes_again_after_a_day_says_so() {
        let again = Campaign {
            messages: 0,
            ..campaign(0, true, [0, 1])
        };
        let reason = reason(&again, &Learning::default()).expect("a reason");
        assert_eq!(
            reason.evidence[0].text,
            "there was none of it for a day, called unwanted 1 times"
        );
    }

    #[test]
    fn it_says_how_much_of_it_there_is() {
        let reason = reason(&campaign(12, true, [0, 2]), &Learning::default());
        let said = reason.expect("a reason").evidence[0].text.clone();
        assert!(
            said.starts_with("40 messages from about 12 sources within 3 hours, called unwanted 2 times; the first is 01"),
            "{said}"
        );
    }
}
