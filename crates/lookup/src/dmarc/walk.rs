//! Whose domain it is: the walk up the tree of names (RFC 9989 §4.10), and what is found on the way.

use futures_util::future::join_all;
use mail::Domain;
use mail::authentication::{Alignment, Psd};

use super::record::{self, Fault, Record};
use crate::cut;
use crate::dns::{Name, Questions, Unanswered};

/// Names asked for in one walk at most (RFC 9989 §4.10).
const STEPS_MAX: usize = 8;

/// One name of a walk, and what stands there.
struct Step {
    domain: Domain,
    published: Result<Published, Unanswered>,
}

/// What stands at `_dmarc` of a domain.
#[derive(Default)]
pub(super) struct Published {
    record: Option<Result<Record, Fault>>,
    pub text: String,
    pub dnssec: bool,
}

/// The names from a domain up to its top-level domain that have records.
pub(crate) struct Walk(Vec<Step>);

/// Walks from a domain up (RFC 9989 §4.10): the domain itself, then its last seven labels, six, and so on. All are asked for
/// at once, and read in order.
pub(crate) async fn walk(questions: &Questions<'_>, domain: &Domain) -> Walk {
    let above = std::iter::successors(domain.parent(), Domain::parent)
        .filter(|parent| parent.labels().count() < STEPS_MAX);
    let names = std::iter::once(domain.clone()).chain(above).take(STEPS_MAX);
    let step = async |domain: Domain| Step {
        published: published(questions, &domain).await,
        domain,
    };
    Walk(join_all(names.map(step)).await)
}

async fn published(questions: &Questions<'_>, domain: &Domain) -> Result<Published, Unanswered> {
    let Some(name) = Name::below("_dmarc", domain.as_str()) else {
        return Ok(Published::default());
    };
    let answer = questions.txt(&name).await?;
    let mut texts = answer.texts().filter(|text| record::is_dmarc(text));
    let (first, second) = (texts.next(), texts.next());
    // RFC 9989 §4.10: several records are none.
    let (Some(text), None) = (first, second) else {
        return Ok(Published::default());
    };
    let text = String::from_utf8_lossy(text);
    Ok(Published {
        record: Some(Record::read(&text)),
        text: cut(&text, questions.limits().authentication_text_bytes_max),
        dnssec: answer.dnssec,
    })
}

impl Walk {
    /// Records in the order of the walk, up to the first that says what it is (`psd=`).
    fn records(&self) -> Result<Vec<(&Step, &Published, &Record)>, Unanswered> {
        let mut records = Vec::new();
        for step in &self.0 {
            let published = step.published.as_ref().map_err(Clone::clone)?;
            if let Some(Ok(record)) = &published.record {
                records.push((step, published, record));
                if record.psd != Psd::Unsaid {
                    break;
                }
            }
        }
        Ok(records)
    }

    /// The organisational domain (RFC 9989 §4.10.2); `None` when nobody on the way published anything.
    pub(crate) fn organisation(&self) -> Result<Option<Domain>, Unanswered> {
        let records = self.records()?;
        let Some((last, _, record)) = records.last() else {
            return Ok(None);
        };
        let start = self.0.first().map(|step| &step.domain);
        Ok(match record.psd {
            Psd::Yes if Some(&last.domain) != start => self.one_below(&last.domain),
            Psd::Yes | Psd::No | Psd::Unsaid => Some(last.domain.clone()),
        })
    }

    /// The name on the way from the start that is one label longer than `parent`.
    fn one_below(&self, parent: &Domain) -> Option<Domain> {
        let start = self.0.first()?.domain.clone();
        std::iter::successors(Some(start), Domain::parent)
            .find(|name| name.parent().as_ref() == Some(parent))
    }

    /// The policy for the domain the walk started at (RFC 9989 §4.10.1): its own, else its organisation's, else that of the
    /// public suffix above.
    pub(super) fn policy(&self) -> Result<Option<Governing<'_>>, Unanswered> {
        let Some(start) = self.0.first() else {
            return Ok(None);
        };
        let own = start.published.as_ref().map_err(Clone::clone)?;
        if let Some(record) = &own.record {
            return Ok(Some(Governing {
                domain: &start.domain,
                published: own,
                record: record.as_ref(),
            }));
        }
        let organisation = self.organisation()?;
        let records = self.records()?;
        let of_organisation = records
            .iter()
            .find(|(step, _, _)| Some(&step.domain) == organisation.as_ref());
        let of_suffix = || records.iter().find(|(_, _, record)| record.psd == Psd::Yes);
        Ok(of_organisation
            .or_else(of_suffix)
            .map(|(step, published, record)| Governing {
                domain: &step.domain,
                published,
                record: Ok(record),
            }))
    }
}

/// The record a message is governed by.
pub(super) struct Governing<'w> {
    pub domain: &'w Domain,
    pub published: &'w Published,
    pub record: Result<&'w Record, &'w Fault>,
}

/// Whose domain a message says it comes from, and how other domains stand to it.
pub(crate) struct Organisation {
    pub alleged: Domain,
    pub walk: Walk,
    /// By the walk, or by the list where there is nothing to find or DNS could not tell.
    pub domain: Domain,
    published: bool,
}

impl Organisation {
    /// Finds out for the alleged domain.
    pub(crate) async fn of(questions: &Questions<'_>, alleged: Domain) -> Self {
        let walk = walk(questions, &alleged).await;
        let found = walk.organisation().ok().flatten();
        let published = found.is_some();
        Self {
            domain: found.unwrap_or_else(|| alleged.registered()),
            alleged,
            walk,
            published,
        }
    }

    /// How a domain stands to the alleged one (RFC 9989 §4.4). One that is not within the organisation cannot be of it,
    /// so nothing needs to be asked about it.
    pub(crate) async fn alignment(&self, questions: &Questions<'_>, domain: &Domain) -> Alignment {
        if *domain == self.alleged {
            return Alignment::Strict;
        }
        if !domain.is_within(&self.domain) {
            return Alignment::None;
        }
        let organisation = if self.published {
            walk(questions, domain).await.organisation().ok().flatten()
        } else {
            Some(domain.registered())
        };
        if organisation.is_none_or(|one| one == self.domain) {
            Alignment::Relaxed
        } else {
            Alignment::None
        }
    }
}
