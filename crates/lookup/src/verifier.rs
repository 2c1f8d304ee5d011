//! Everything about one message, side by side under its deadline.

use std::time::Duration;

use futures_util::future::join_all;
use ipnet::IpNet;
use mail::authentication::{
    Alignment, Alleged, Authentication, Dmarc, DmarcPolicy, DnsUse, HeloFlaw, Outbound, OwnName,
    Reachable, Scheme, Signature, Signed as Summary, Spf,
};
use mail::message::Mailbox;
use mail::{Address, Direction, Domain, Envelope, Known, Limits, Message, Timestamp};
use tokio::time::Instant;

use crate::dmarc::{self, NoPolicy, Organisation};
use crate::dns::{Questions, Resolver};
use crate::outbound::{LastHop, last_hop};
use crate::signature::{self, Circumstances, Signed};
use crate::{arc, host, spf};

/// What a site says about itself and whom it believes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What we call ourselves: in `Authentication-Results`, and where SPF asks for the receiver.
    pub authserv_id: String,
    /// Domains whose mailboxes live here.
    pub ours: Vec<Domain>,
    /// Machines that hand us mail of others: their `Received` fields are believed.
    pub trusted_relays: Vec<IpNet>,
    /// Forwarders whose ARC claims are worth recording; their subdomains too.
    pub trusted_sealers: Vec<Domain>,
    /// Which signatures count that not everybody counts.
    pub acceptance: Acceptance,
}

/// Signatures that hold but are weaker than signatures should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// DKIM with rsa-sha1, which RFC 8301 §3.1 says not to accept.
    pub dkim_sha1: bool,
    /// DomainKeys, which knows nothing else; it never counts for DMARC.
    pub domain_keys: bool,
    /// A body longer than what is signed (`l=`): anybody may have added the rest (RFC 6376 §8.2).
    pub partial_body: bool,
}

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            dkim_sha1: false,
            domain_keys: true,
            partial_body: false,
        }
    }
}

/// Finds out who sent messages.
pub struct Verifier {
    resolver: std::sync::Arc<Resolver>,
    settings: Settings,
}

impl Verifier {
    /// Over a resolver, which the whole service shares for its cache.
    pub const fn new(resolver: std::sync::Arc<Resolver>, settings: Settings) -> Self {
        Self { resolver, settings }
    }

    /// Whom it asks.
    pub const fn resolver(&self) -> &std::sync::Arc<Resolver> {
        &self.resolver
    }

    /// What a site says about itself.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Finds out who sent a message, by `deadline` or within `Limits::lookup_ms`, whichever is sooner. `raw` are its
    /// bytes as they came, `message` the same bytes read.
    pub async fn verify(
        &self,
        envelope: &Envelope,
        raw: &[u8],
        message: &Message,
        deadline: Instant,
    ) -> Authentication {
        let limits = self.resolver.limits();
        let deadline = deadline.min(Instant::now() + Duration::from_millis(limits.lookup_ms));
        let asking = Asking::new(&self.resolver, deadline);
        let case = Case {
            settings: &self.settings,
            asking: &asking,
            last_hop: last_hop(envelope, message, &self.settings.trusted_relays),
            alleged: alleged(message),
            envelope,
            message,
            signed: Signed::read(raw, limits),
        };
        case.verify().await
    }
}

/// Who the message says it comes from; its organisation is for DNS to tell.
fn alleged(message: &Message) -> Alleged {
    let mut domains: Vec<Domain> = message.header_from.iter().filter_map(domain).collect();
    domains.sort_unstable();
    domains.dedup();
    let count = domains.len() as u32;
    Alleged {
        domain: if count == 1 { domains.pop() } else { None },
        organisation: None,
        domains: count,
    }
}

fn domain(mailbox: &Mailbox) -> Option<Domain> {
    mailbox.address.as_ref()?.domain()
}

/// The questions of one message, each concern with a budget of its own: whoever writes an SPF record that asks for ever, or
/// puts up names that do not answer, must not keep us from finding the policy of the domain he abuses.
struct Asking<'r> {
    alleged: Questions<'r>,
    spf: Questions<'r>,
    helo: Questions<'r>,
    signatures: Questions<'r>,
    arc: Questions<'r>,
    machine: Questions<'r>,
}

impl<'r> Asking<'r> {
    const fn new(resolver: &'r Resolver, deadline: Instant) -> Self {
        Self {
            alleged: Questions::new(resolver, deadline),
            spf: Questions::new(resolver, deadline),
            helo: Questions::new(resolver, deadline),
            signatures: Questions::new(resolver, deadline),
            arc: Questions::new(resolver, deadline),
            machine: Questions::new(resolver, deadline),
        }
    }

    fn used(&self) -> DnsUse {
        let concerns = [
            &self.alleged,
            &self.spf,
            &self.helo,
            &self.signatures,
            &self.arc,
            &self.machine,
        ];
        concerns
            .iter()
            .map(|questions| questions.used())
            .fold(DnsUse::default(), |sum, one| DnsUse {
                questions: sum.questions + one.questions,
                sent: sum.sent + one.sent,
                failed: sum.failed + one.failed,
            })
    }
}

async fn reachable(questions: &Questions<'_>, domain: Option<Domain>) -> Known<Reachable> {
    match domain {
        Some(domain) => host::reachable(questions, &domain).await,
        None => Known::NotAsked,
    }
}

/// One message under verification.
struct Case<'c> {
    settings: &'c Settings,
    asking: &'c Asking<'c>,
    envelope: &'c Envelope,
    message: &'c Message,
    last_hop: LastHop<'c>,
    alleged: Alleged,
    signed: Signed<'c>,
}

impl Case<'_> {
    async fn verify(self) -> Authentication {
        let (
            organisation,
            spf,
            spf_helo,
            mut signatures,
            arc,
            outbound,
            envelope_domain,
            alleged_domain,
        ) = tokio::join!(
            self.organisation(),
            self.spf_mail_from(),
            self.spf_helo(),
            self.signatures(),
            arc::verify(&self.asking.arc, &self.signed, |sealer| self
                .believes(sealer)),
            self.outbound(),
            reachable(&self.asking.machine, self.envelope_domain()),
            reachable(&self.asking.alleged, self.alleged.domain.clone()),
        );
        let (organisation, policy) = organisation.unzip();
        let spf_alignment = self
            .align(organisation.as_ref(), spf.as_ref(), &mut signatures)
            .await;
        let dmarc = policy.map_or_else(Dmarc::default, |policy| {
            dmarc::evaluate(
                policy,
                spf.as_ref().map(|spf| (spf, spf_alignment)),
                &signatures,
            )
        });
        let alleged = Alleged {
            organisation: organisation.map(|one| one.domain),
            ..self.alleged.clone()
        };
        let verified = signatures.len();
        Authentication {
            signed: Summary::by(&signatures, &alleged),
            claims_to_be_ours: self.claims_to_be_ours(&outbound),
            alleged,
            outbound,
            spf,
            spf_helo,
            signatures,
            signatures_passed_over: (self.signature_places().len() - verified) as u32,
            arc,
            dmarc,
            envelope_domain,
            alleged_domain,
            dns: self.asking.used(),
        }
    }

    fn limits(&self) -> &Limits {
        self.asking.alleged.limits()
    }

    const fn now(&self) -> Timestamp {
        self.envelope.received_at
    }

    fn is_ours(&self, domain: &Domain) -> bool {
        self.settings.ours.contains(domain)
    }

    fn believes(&self, sealer: &Domain) -> bool {
        self.settings
            .trusted_sealers
            .iter()
            .any(|trusted| sealer.is_within(trusted))
    }

    /// Whose domain it says it comes from, and the policy for it.
    async fn organisation(&self) -> Option<(Organisation, Result<DmarcPolicy, NoPolicy>)> {
        let questions = &self.asking.alleged;
        let organisation = Organisation::of(questions, self.alleged.domain.clone()?).await;
        let policy = dmarc::discover(questions, &organisation).await;
        Some((organisation, policy))
    }

    /// The domain a bounce would go to.
    fn envelope_domain(&self) -> Option<Domain> {
        self.envelope.envelope_from.as_ref()?.domain()
    }

    /// RFC 7208 §2.4: the null sender is `postmaster` at the HELO name.
    async fn spf_mail_from(&self) -> Option<Spf> {
        let helo_name = self.last_hop.helo_name.unwrap_or_default();
        match &self.envelope.envelope_from {
            None => self.spf(&self.asking.spf, "postmaster", helo_name).await,
            Some(from) => {
                let domain = from
                    .as_str()
                    .rsplit_once('@')
                    .map_or("", |(_, domain)| domain);
                let ascii = if domain.is_ascii() {
                    domain.to_owned()
                } else {
                    from.domain()?.into()
                };
                let local = Some(from.local())
                    .filter(|local| !local.is_empty())
                    .unwrap_or("postmaster");
                self.spf(&self.asking.spf, local, &ascii).await
            }
        }
    }

    async fn spf_helo(&self) -> Option<Spf> {
        let helo_name = self.last_hop.helo_name?;
        Domain::parse(helo_name).ok()?;
        self.spf(&self.asking.helo, "postmaster", helo_name).await
    }

    async fn spf(&self, questions: &Questions<'_>, local: &str, domain: &str) -> Option<Spf> {
        let sending = spf::Sending {
            ip: self.last_hop.ip?,
            helo_name: self.last_hop.helo_name.unwrap_or_default(),
            local,
            domain,
            receiver: &self.settings.authserv_id,
            now: self.now(),
        };
        Some(spf::check(questions, &sending).await)
    }

    /// Places of all signatures, top first.
    fn signature_places(&self) -> Vec<(usize, Scheme)> {
        let of = |name, scheme| {
            self.signed
                .places(name)
                .iter()
                .map(move |place| (*place, scheme))
        };
        let mut places: Vec<_> = of("dkim-signature", Scheme::Dkim)
            .chain(of("domainkey-signature", Scheme::DomainKeys))
            .collect();
        places.sort_unstable_by_key(|(place, _)| *place);
        places
    }

    async fn signatures(&self) -> Vec<Signature> {
        let circumstances = Circumstances {
            now: self.now(),
            sender: self.sender(),
            acceptance: self.settings.acceptance,
        };
        let places = self.signature_places();
        let looked_at = places.into_iter().take(self.limits().signatures_max);
        let verified = looked_at.map(|place| {
            signature::verify(&self.asking.signatures, &self.signed, place, &circumstances)
        });
        join_all(verified).await
    }

    /// Whom DomainKeys is about: `Sender`, else `From`.
    fn sender(&self) -> Option<&Address> {
        let first = |mailboxes: &'_ [Mailbox]| {
            mailboxes
                .iter()
                .position(|mailbox| mailbox.address.is_some())
        };
        let (from, sender) = (&self.message.header_from, &self.message.header_sender);
        let place = first(sender)
            .map(|place| &sender[place])
            .or_else(|| first(from).map(|place| &from[place]))?;
        place.address.as_ref()
    }

    async fn outbound(&self) -> Outbound {
        let ip = self.last_hop.ip;
        let ptr = async {
            match ip {
                Some(ip) => host::ptr(&self.asking.machine, ip).await,
                None => Known::NotAsked,
            }
        };
        let outside = self.envelope.direction == Direction::Inbound;
        let flaws = async {
            if !outside || ip.is_none() {
                return Vec::new();
            }
            let is_ours = |domain: &Domain| {
                self.is_ours(domain) || domain.as_str() == self.settings.authserv_id
            };
            host::helo_flaws(&self.asking.machine, self.last_hop.helo_name, ip, is_ours).await
        };
        let (ptr, helo_flaws) = tokio::join!(ptr, flaws);
        Outbound {
            ip,
            helo_name: self.last_hop.helo_name.map(str::to_owned),
            relays_skipped: self.last_hop.relays_skipped,
            ptr,
            helo_flaws,
        }
    }

    /// Finds each authenticated domain's relation to the alleged one; yields that of SPF's.
    async fn align(
        &self,
        organisation: Option<&Organisation>,
        spf: Option<&Spf>,
        signatures: &mut [Signature],
    ) -> Alignment {
        let Some(organisation) = organisation else {
            return Alignment::None;
        };
        let align = async |domain: Option<Domain>| match domain {
            Some(domain) => organisation.alignment(&self.asking.alleged, &domain).await,
            None => Alignment::None,
        };
        let of_signatures = join_all(
            signatures
                .iter()
                .map(|signature| align(signature.domain.clone())),
        );
        let of_spf = align(spf.and_then(|spf| spf.domain.clone()));
        let (of_signatures, of_spf) = tokio::join!(of_signatures, of_spf);
        for (signature, alignment) in signatures.iter_mut().zip(of_signatures) {
            signature.alignment = alignment;
        }
        of_spf
    }

    /// Names of ours in a message from outside.
    fn claims_to_be_ours(&self, outbound: &Outbound) -> Vec<OwnName> {
        if self.envelope.direction != Direction::Inbound {
            return Vec::new();
        }
        let ours = |domain: Option<Domain>| domain.is_some_and(|domain| self.is_ours(&domain));
        let any_ours =
            |mailboxes: &[Mailbox]| mailboxes.iter().any(|mailbox| ours(domain(mailbox)));
        let claims = [
            (OwnName::Helo, outbound.helo_flaws.contains(&HeloFlaw::Ours)),
            (OwnName::EnvelopeFrom, ours(self.envelope_domain())),
            (OwnName::HeaderFrom, any_ours(&self.message.header_from)),
            (OwnName::HeaderSender, any_ours(&self.message.header_sender)),
        ];
        claims
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(name, _)| name)
            .collect()
    }
}
