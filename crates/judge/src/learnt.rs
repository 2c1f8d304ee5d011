//! What the site's own learner thought of a message, as a reason of its verdict.

use mail::learnt::{Moved, OBSERVED_MIN};
use mail::verdict::Evidence;
use mail::{Learnt, Place, Reason};

use crate::policy::Learning;

/// From this probability on a message is likely unwanted, and up to its opposite likely wanted.
const LIKELY: f64 = 0.95;

/// The reason, where there is anything to say: what lies between likely and unlikely says nothing.
pub(crate) fn reason(learnt: &Learnt, learning: &Learning) -> Option<Reason> {
    if !learning.enabled {
        return None;
    }
    let proven = learnt
        .ham_above
        .is_some_and(|share| share <= learning.ham_share);
    let (name, score, text) = if proven && !learnt.observes() {
        (
            "learnt-unwanted",
            learning.certain,
            "Like the unwanted mail of this site, beyond what wanted mail is proven to be like",
        )
    } else if learnt.probability >= LIKELY {
        (
            "learnt-likely-unwanted",
            learning.likely,
            "Like the unwanted mail that was shown to the learner",
        )
    } else if learnt.probability <= 1.0 - LIKELY {
        (
            "learnt-wanted",
            learning.wanted,
            "Like the wanted mail that was shown to the learner",
        )
    } else {
        return None;
    };
    Some(Reason {
        name: name.to_owned(),
        score: if learnt.observes() { 0.0 } else { score },
        text: text.to_owned(),
        evidence: evidence(learnt, proven),
        demands: None,
    })
}

fn evidence(learnt: &Learnt, proven: bool) -> Vec<Evidence> {
    let [wanted, unwanted] = learnt.labels;
    let mut evidence = vec![Evidence::of(format!(
        "{} likely to be unwanted, by {wanted} labels of wanted and {unwanted} of unwanted mail",
        percent(learnt.probability)
    ))];
    if learnt.observes() {
        evidence.push(Evidence::of(format!(
            "it only observes until there are {OBSERVED_MIN} of each, and adds nothing"
        )));
    } else if let Some(share) = learnt.ham_above.filter(|_| proven) {
        evidence.push(Evidence::of(format!(
            "at most {} of wanted mail scores so high, which is proven",
            percent(share)
        )));
    }
    let sides = [("header", learnt.header), ("body", learnt.body)];
    for (side, probability) in sides {
        evidence.extend(probability.map(|probability| {
            Evidence::of(format!("by the {side} alone {}", percent(probability)))
        }));
    }
    evidence.extend(learnt.words.iter().map(moved));
    evidence
}

fn moved(moved: &Moved) -> Evidence {
    let place = match &moved.field {
        Some(field) => Place::Header(field.clone()),
        None => Place::Body,
    };
    Evidence {
        place: Some(place),
        quote: Some(moved.word.clone()),
        ..Evidence::of(format!("{:+.2}", moved.by))
    }
}

/// A share as people read it: no digits that mean nothing, and never 100 % of what is not certain.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let near = percent.min(100.0 - percent);
    if near >= 1.0 {
        format!("{percent:.0} %")
    } else if near >= 0.1 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(probability: f64, labels: u32, ham_above: Option<f64>) -> Learnt {
        Learnt {
            probability,
            score: 1.0,
            labels: [labels; 2],
            ham_above,
            header: Some(0.99),
            body: None,
            words: Vec::new(),
        }
    }

    fn told(learnt: &Learnt) -> Option<(String, f64)> {
        let reason = reason(learnt, &Learning::default());
        reason.map(|reason| (reason.name, reason.score))
    }

    #[test]
    fn what_is_known_decides_what_it_is_worth() {
        let cases = [
            (
                learnt(0.99, 10, None),
                Some(("learnt-likely-unwanted", 0.0)),
            ),
            (
                learnt(0.99, 10, Some(0.001)),
                Some(("learnt-likely-unwanted", 0.0)),
            ),
            (
                learnt(0.99, 500, None),
                Some(("learnt-likely-unwanted", 2.5)),
            ),
            (
                learnt(0.99, 500, Some(0.01)),
                Some(("learnt-likely-unwanted", 2.5)),
            ),
            (
                learnt(0.99, 500, Some(0.001)),
                Some(("learnt-unwanted", 6.0)),
            ),
            (learnt(0.5, 500, None), None),
            (learnt(0.01, 500, None), Some(("learnt-wanted", -1.0))),
        ];
        for (learnt, want) in cases {
            let want = want.map(|(name, score)| (name.to_owned(), score));
            assert_eq!(told(&learnt), want, "{learnt:?}");
        }
        let off = Learning {
            enabled: false,
            ..Learning::default()
        };
        assert_eq!(reason(&learnt(0.99, 500, None), &off), None);
    }

    #[test]
    fn it_says_what_it_rests_on() {
        let mut learnt = learnt(0.9995, 500, Some(0.001));
        learnt.words.push(Moved {
            word: "casino".into(),
            field: None,
            by: 1.234,
        });
        let reason = reason(&learnt, &Learning::default()).expect("a reason");
        let texts: Vec<&str> = reason
            .evidence
            .iter()
            .map(|one| one.text.as_str())
            .collect();
        assert_eq!(
            texts,
            [
                "99.95 % likely to be unwanted, by 500 labels of wanted and 500 of unwanted mail",
                "at most 0.1 % of wanted mail scores so high, which is proven",
                "by the header alone 99 %",
                "+1.23",
            ]
        );
        assert_eq!(reason.evidence[3].quote.as_deref(), Some("casino"));
    }
}
