//! Signals: what can be seen about a message without any rule of the site.
//!
//! Each is one named finding with a weight (which the policy may change, 0 is off), a sentence for people, and a
//! function that returns the evidence when it sees something. Weights are small: a signal alone never makes a
//! message suspicious under the shipped policy, several together do. Those that weigh nothing are there for rules to ask.

use mail::{Facts, Site};

mod attachment;
mod authenticity;
mod brand;
mod content;
mod header;
mod leads;
mod look;
mod mailer;
mod path;
mod sender;
#[cfg(test)]
mod tests;

/// One named finding.
pub struct Signal {
    /// As written in policies, records and pages.
    pub id: &'static str,
    /// What it adds under the shipped policy.
    pub weight: f64,
    /// What it means, in plain words.
    pub text: &'static str,
    /// The evidence, when it is seen.
    pub sees: fn(&Facts, &Site) -> Option<String>,
}

/// Every signal, by topic.
pub const SIGNALS: [Signal; 96] = [
    // Who says who sends.
    Signal {
        id: "reply-to-other-domain",
        weight: 1.0,
        text: "Replies would go to another domain than the visible sender's",
        sees: sender::reply_to_other_domain,
    },
    Signal {
        id: "reply-to-free-mailbox",
        weight: 1.8,
        text: "Replies would go to a free mailbox, though the visible sender is elsewhere",
        sees: sender::reply_to_free_mailbox,
    },
    Signal {
        id: "name-shows-other-address",
        weight: 2.0,
        text: "The display name shows another address than the real one",
        sees: sender::name_shows_other_address,
    },
    Signal {
        id: "own-domain-from-outside",
        weight: 3.0,
        text: "The visible sender is of this site, but the mail comes from outside",
        sees: sender::own_domain_from_outside,
    },
    Signal {
        id: "envelope-from-other-domain",
        weight: 0.2,
        text: "Envelope and header name different sender domains",
        sees: sender::envelope_from_other_domain,
    },
    Signal {
        id: "no-visible-sender",
        weight: 1.5,
        text: "There is no readable From address",
        sees: sender::no_visible_sender,
    },
    // The header.
    Signal {
        id: "no-date",
        weight: 2.3,
        text: "There is no readable Date",
        sees: header::no_date,
    },
    Signal {
        id: "date-far-off",
        weight: 1.2,
        text: "The Date is days away from the time of arrival",
        sees: header::date_far_off,
    },
    Signal {
        id: "no-message-id",
        weight: 0.6,
        text: "There is no Message-ID",
        sees: header::no_message_id,
    },
    Signal {
        id: "malformed-message-id",
        weight: 1.5,
        text: "The Message-ID names no place",
        sees: header::malformed_message_id,
    },
    Signal {
        id: "repeated-field",
        weight: 1.2,
        text: "A header field that may stand once stands more often",
        sees: header::repeated_field,
    },
    Signal {
        id: "eight-bit-header",
        weight: 1.0,
        text: "Raw 8-bit text in the header",
        sees: header::eight_bit_header,
    },
    Signal {
        id: "subject-shouts",
        weight: 1.8,
        text: "The subject is written in capitals",
        sees: header::subject_shouts,
    },
    Signal {
        id: "subject-exclaims",
        weight: 1.2,
        text: "The subject is full of exclamation or money signs",
        sees: header::subject_exclaims,
    },
    Signal {
        id: "subject-gap-code",
        weight: 1.5,
        text: "The subject ends in a code after a wide gap, as mass mailers add it",
        sees: header::subject_gap_code,
    },
    Signal {
        id: "recipient-not-named",
        weight: 0.5,
        text: "No recipient is named in To or Cc",
        sees: header::recipient_not_named,
    },
    Signal {
        id: "broken-structure",
        weight: 1.5,
        text: "The message is broken in a way that mail programs do not produce",
        sees: header::broken_structure,
    },
    // What it carries.
    Signal {
        id: "executable-attachment",
        weight: 4.5,
        text: "An attachment runs as a program when opened",
        sees: attachment::executable,
    },
    Signal {
        id: "double-extension",
        weight: 4.0,
        text: "A file name hides its real ending behind a harmless one",
        sees: attachment::double_extension,
    },
    Signal {
        id: "macro-document",
        weight: 2.5,
        text: "An attached document carries macros",
        sees: attachment::macro_document,
    },
    Signal {
        id: "html-attachment",
        weight: 1.5,
        text: "A web page as attachment",
        sees: attachment::html,
    },
    Signal {
        id: "disk-image-attachment",
        weight: 3.0,
        text: "A disk image or shortcut as attachment, made to get past marks of origin",
        sees: attachment::disk_image,
    },
    Signal {
        id: "disguised-attachment",
        weight: 2.0,
        text: "An attachment is of another kind than it says",
        sees: attachment::disguised,
    },
    Signal {
        id: "macro-runs-itself",
        weight: 2.5,
        text: "A macro in an attachment runs as soon as it is opened",
        sees: attachment::macro_runs_itself,
    },
    Signal {
        id: "attachment-fetches-remote",
        weight: 2.0,
        text: "An attachment fetches a template or object from elsewhere when it is opened",
        sees: attachment::fetches_remote,
    },
    Signal {
        id: "encrypted-attachment",
        weight: 1.0,
        text: "An attachment is encrypted, so that nobody on the way can look inside",
        sees: attachment::encrypted,
    },
    Signal {
        id: "attachment-bomb",
        weight: 3.0,
        text: "An attachment is built to overload whoever opens it",
        sees: attachment::bomb,
    },
    Signal {
        id: "qr-code",
        weight: 1.0,
        text: "A picture holds a code that leads to a link",
        sees: attachment::qr_code,
    },
    Signal {
        id: "asks-password",
        weight: 2.5,
        text: "A form in the message asks for a password",
        sees: attachment::asks_password,
    },
    Signal {
        id: "script",
        weight: 1.0,
        text: "The message or an attachment carries a script",
        sees: attachment::script,
    },
    // What is written.
    Signal {
        id: "link-shows-other-domain",
        weight: 1.0,
        text: "The text of a link names another domain than it leads to",
        sees: content::link_shows_other_domain,
    },
    Signal {
        id: "link-to-address",
        weight: 1.5,
        text: "A link leads to a bare address instead of a name",
        sees: content::link_to_address,
    },
    Signal {
        id: "link-lookalike",
        weight: 2.5,
        text: "A link leads to a name in letters that look like others",
        sees: content::link_lookalike,
    },
    Signal {
        id: "link-user-info",
        weight: 2.0,
        text: "A link hides its host behind an @",
        sees: content::link_user_info,
    },
    Signal {
        id: "link-odd-port",
        weight: 0.8,
        text: "A link leads to an unusual port",
        sees: content::link_odd_port,
    },
    Signal {
        id: "link-holds-page",
        weight: 1.5,
        text: "A link carries its whole page or a script",
        sees: content::link_holds_page,
    },
    Signal {
        id: "link-shortener",
        weight: 0.3,
        text: "A link leads through a shortener",
        sees: content::link_shortener,
    },
    Signal {
        id: "form-in-mail",
        weight: 0.3,
        text: "The message carries a form to be filled in",
        sees: content::form_in_mail,
    },
    Signal {
        id: "words-disguised",
        weight: 2.0,
        text: "Words are written with foreign letters, invisible characters or spaced out",
        sees: content::words_disguised,
    },
    Signal {
        id: "hidden-text",
        weight: 0.8,
        text: "Much text that is there and not seen",
        sees: content::hidden_text,
    },
    Signal {
        id: "wallet",
        weight: 0.5,
        text: "Names a wallet to pay to",
        sees: content::wallet,
    },
    // The way it came.
    Signal {
        id: "helo-is-not-a-name",
        weight: 0.8,
        text: "The machine introduces itself with something that is no host name",
        sees: path::helo_is_not_a_name,
    },
    Signal {
        id: "helo-is-ours",
        weight: 2.5,
        text: "A stranger's machine introduces itself by our own name",
        sees: path::helo_is_ours,
    },
    Signal {
        id: "no-ptr-name",
        weight: 0.6,
        text: "The machine has no verified name",
        sees: path::no_ptr_name,
    },
    Signal {
        id: "brand-from-elsewhere",
        weight: 3.0,
        text: "The sender calls itself by a well-known name and writes from another domain",
        sees: brand::brand_from_elsewhere,
    },
    Signal {
        id: "html-only",
        weight: 1.2,
        text: "Only a web page, without the plain text that mail programs write along",
        sees: look::html_only,
    },
    Signal {
        id: "few-words-and-a-link",
        weight: 1.8,
        text: "Few words and a link",
        sees: look::few_words_and_a_link,
    },
    Signal {
        id: "picture-for-text",
        weight: 2.0,
        text: "A picture from elsewhere stands for the text",
        sees: look::picture_for_text,
    },
    Signal {
        id: "answer-to-nothing",
        weight: 0.4,
        text: "Looks like an answer and answers no message",
        sees: look::answer_to_nothing,
    },
    Signal {
        id: "sent-to-itself",
        weight: 2.0,
        text: "The stranger names itself as recipient",
        sees: look::sent_to_itself,
    },
    Signal {
        id: "needless-encoding",
        weight: 0.5,
        text: "Subject or sender are encoded without need, as those do who hide words",
        sees: look::needless_encoding,
    },
    Signal {
        id: "subject-names-recipient",
        weight: 1.5,
        text: "The recipient's address stands in the subject",
        sees: look::subject_names_recipient,
    },
    Signal {
        id: "link-names-recipient",
        weight: 0.2,
        text: "A link carries the recipient's address",
        sees: look::link_names_recipient,
    },
    Signal {
        id: "link-open-hosting",
        weight: 0.7,
        text: "A link leads to a place where anybody may publish",
        sees: look::link_open_hosting,
    },
    Signal {
        id: "subject-with-pictures",
        weight: 0.6,
        text: "Pictures in the subject",
        sees: look::subject_with_pictures,
    },
    Signal {
        id: "sender-with-number",
        weight: 0.3,
        text: "A long number in the sender's address",
        sees: look::sender_with_number,
    },
    // Who really sent it.
    Signal {
        id: "spf-fail",
        weight: 1.5,
        text: "The envelope sender's domain says that this machine may not send for it",
        sees: authenticity::spf_fail,
    },
    Signal {
        id: "spf-softfail",
        weight: 0.5,
        text: "The envelope sender's domain says that this machine probably may not send for it",
        sees: authenticity::spf_soft_fail,
    },
    Signal {
        id: "dmarc-asks-reject",
        weight: 4.5,
        text: "Not authentic, and the visible sender's domain asks to refuse such mail",
        sees: authenticity::dmarc_asks_reject,
    },
    Signal {
        id: "dmarc-asks-quarantine",
        weight: 3.0,
        text: "Not authentic, and the visible sender's domain asks to suspect such mail",
        sees: authenticity::dmarc_asks_quarantine,
    },
    Signal {
        id: "dmarc-fail",
        weight: 0.5,
        text: "Not authentic, though the visible sender's domain publishes who may send",
        sees: authenticity::dmarc_asks_nothing,
    },
    Signal {
        id: "signature-broken",
        weight: 1.0,
        text: "Signed in the visible sender's name, and the signature does not hold",
        sees: authenticity::signature_broken,
    },
    Signal {
        id: "sender-domain-missing",
        weight: 3.5,
        text: "The sender's domain does not exist",
        sees: authenticity::sender_domain_missing,
    },
    Signal {
        id: "sender-takes-no-mail",
        weight: 1.5,
        text: "Nobody can be answered at the sender's domain",
        sees: authenticity::sender_takes_no_mail,
    },
    Signal {
        id: "ptr-generic",
        weight: 1.0,
        text: "The machine has a name as access networks give their customers",
        sees: authenticity::ptr_generic,
    },
    Signal {
        id: "ptr-unconfirmed",
        weight: 0.4,
        text: "The machine's name does not point back to it",
        sees: authenticity::ptr_unconfirmed,
    },
    Signal {
        id: "helo-unresolved",
        weight: 0.5,
        text: "The name the machine calls itself has no address, or it is not its own",
        sees: authenticity::helo_unresolved,
    },
    Signal {
        id: "reply-to-second-mailbox",
        weight: 1.5,
        text: "The sender has one free mailbox and wants answers at another",
        sees: sender::reply_to_second_mailbox,
    },
    Signal {
        id: "from-free-mailbox",
        weight: 0.3,
        text: "The sender writes from a mailbox anybody can have",
        sees: sender::from_free_mailbox,
    },
    Signal {
        id: "domain-by-chance",
        weight: 1.2,
        text: "The sender's domain is made of letters by chance",
        sees: sender::domain_by_chance,
    },
    Signal {
        id: "several-authors",
        weight: 3.0,
        text: "The visible sender is several mailboxes or names at once",
        sees: sender::several_authors,
    },
    Signal {
        id: "recipients-undisclosed",
        weight: 1.5,
        text: "To names nobody: written to many who shall not know of each other",
        sees: header::recipients_undisclosed,
    },
    Signal {
        id: "recipients-in-a-row",
        weight: 2.0,
        text: "The recipients stand in the order of the alphabet, a piece of a list",
        sees: header::recipients_in_a_row,
    },
    Signal {
        id: "subject-ends-by-chance",
        weight: 1.2,
        text: "The subject ends in letters by chance, which make each copy another message",
        sees: header::subject_ends_by_chance,
    },
    Signal {
        id: "half-a-mailer",
        weight: 2.7,
        text: "The header imitates a mail program, and only half of it",
        sees: mailer::half_a_mailer,
    },
    Signal {
        id: "priority-of-nobody",
        weight: 1.6,
        text: "A priority is set by a program that does not say what it is",
        sees: mailer::priority_of_nobody,
    },
    Signal {
        id: "odd-time-zone",
        weight: 2.5,
        text: "The Date has a time zone that does not exist",
        sees: mailer::odd_zone,
    },
    Signal {
        id: "brand-in-subject",
        weight: 1.2,
        text: "The subject is about a well-known name, the page comes from elsewhere",
        sees: brand::brand_in_subject,
    },
    Signal {
        id: "name-misspelt",
        weight: 2.5,
        text: "A well-known name or word is written with letters and digits that look like others",
        sees: brand::name_misspelt,
    },
    Signal {
        id: "document-for-text",
        weight: 0.8,
        text: "Next to no words, and a document that says it",
        sees: look::document_for_text,
    },
    Signal {
        id: "document-leads-on",
        weight: 2.0,
        text: "A document leads to a shortener, or to a place where anybody may publish",
        sees: look::document_leads_on,
    },
    Signal {
        id: "picture-for-letter",
        weight: 1.0,
        text: "Next to no words, and a picture that came along",
        sees: look::picture_for_letter,
    },
    Signal {
        id: "leads-elsewhere",
        weight: 1.5,
        text: "A web page that leads to one place, and not to where it says to come from",
        sees: leads::leads_elsewhere,
    },
    Signal {
        id: "hosts-by-the-dozen",
        weight: 2.5,
        text: "Each link has a host of its own below one domain",
        sees: leads::hosts_by_the_dozen,
    },
    Signal {
        id: "writes-to-free-mailbox",
        weight: 2.0,
        text: "A button writes a letter to a free mailbox that is not the sender's",
        sees: leads::writes_to_free_mailbox,
    },
    Signal {
        id: "way-out-is-offer",
        weight: 2.0,
        text: "The link that promises to unsubscribe leads to the offer",
        sees: leads::way_out_is_offer,
    },
    Signal {
        id: "hidden-goal-only",
        weight: 1.5,
        text: "Nothing to follow but a shortener or a bare address",
        sees: leads::leads_through_shortener_only,
    },
    Signal {
        id: "name-with-number",
        weight: 2.0,
        text: "A long number in the sender's name",
        sees: sender::name_with_number,
    },
    Signal {
        id: "mailbox-by-chance",
        weight: 0.3,
        text: "The sender's mailbox has a name by chance",
        sees: sender::mailbox_by_chance,
    },
    Signal {
        id: "alternatives-differ",
        weight: 1.5,
        text: "The plain text says something else than the page beside it",
        sees: header::alternatives_differ,
    },
    Signal {
        id: "longer-letter",
        weight: 0.0,
        text: "A letter of more words than most, some of which are found by chance",
        sees: look::longer_letter,
    },
    Signal {
        id: "subject-names-mailbox",
        weight: 0.8,
        text: "The subject greets the mailbox by its name",
        sees: look::subject_names_mailbox,
    },
    Signal {
        id: "cheap-ending",
        weight: 0.8,
        text: "Sender or link stand below an ending that is sold for next to nothing",
        sees: leads::cheap_ending,
    },
    Signal {
        id: "long-read",
        weight: 0.0,
        text: "A long text, in which words of all kinds are found by chance",
        sees: look::long_read,
    },
    Signal {
        id: "whole-book",
        weight: 0.0,
        text: "As long as a book, in which every word can be found",
        sees: look::whole_book,
    },
    Signal {
        id: "forged-release-mark",
        weight: 12.0,
        text: "The message claims to be released from our quarantine, and is not",
        sees: path::forged_release_mark,
    },
];
