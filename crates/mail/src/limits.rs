//! Every limit on what comes from outside, in one place.

use serde::{Deserialize, Serialize};

/// How much of anything is read, kept or waited for. What goes beyond is cut, refused or counted,
/// as each field says; nothing outside this struct bounds outside input.
///
/// The configuration's `[limits]` table sets any of them; unknown names there are errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    // The milter door.
    /// Longest milter frame accepted, bytes. Postfix sends at most 64 KiB of body a frame and one
    /// header field a frame; a longer declared length ends the connection unread.
    pub milter_frame_bytes_max: usize,
    /// Macros kept per connection; more end the connection.
    pub milter_macros_max: usize,
    /// Milter connections served at once; the next ones wait in the kernel's queue.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed, seconds. Postfix keeps an idle milter
    /// connection open between the messages of one SMTP session, at most 300 s.
    pub connection_idle_secs: u64,
    /// A started frame must be whole within, seconds.
    pub frame_secs: u64,

    // One message.
    /// Largest message judged, bytes. A larger one is answered by `on_failure`, counted and recorded.
    pub message_bytes_max: usize,
    /// Message bytes held in memory over all connections; beyond it `on_failure` answers.
    pub in_flight_bytes_max: usize,
    /// Recipients per message; more are answered 452 one by one.
    pub recipients_max: usize,
    /// Longest address or HELO name kept, bytes; the rest is cut and noted.
    pub address_bytes_max: usize,
    /// Header fields read; later ones are passed on but not looked at.
    pub headers_max: usize,
    /// Longest header field value looked at, bytes.
    pub header_bytes_max: usize,
    /// MIME parts looked at.
    pub parts_max: usize,
    /// `message/*` types read as nested messages; deeper ones stay opaque attachments.
    pub nested_messages_max: usize,
    /// Decoded text of one part that is searched, bytes.
    pub part_text_bytes_max: usize,
    /// Decoded text of the whole message that is searched, bytes.
    pub text_bytes_max: usize,
    /// `Received` fields read as hops.
    pub hops_max: usize,
    /// Links kept.
    pub links_max: usize,
    /// Telephone numbers and wallets kept.
    pub contacts_max: usize,
    /// Parts whose beginning is looked at when a message is learnt from.
    pub skim_parts_max: usize,
    /// Decoded bytes of one part that are looked at then.
    pub skim_text_bytes_max: usize,

    // Documents, archives and pictures, read in processes of their own.
    /// Parts of one message that are read so; later ones are not looked into.
    pub documents_max: usize,
    /// Largest part read so, bytes.
    pub document_bytes_max: usize,
    /// Archives in archives, messages in archives and so on, that are opened.
    pub document_depth_max: usize,
    /// Files looked at inside one part, at all depths together.
    pub document_entries_max: usize,
    /// Bytes unpacked of one part, at all depths together.
    pub document_unpacked_bytes_max: usize,
    /// Time for one part, milliseconds; then its reader is ended.
    pub document_ms: u64,
    /// Time for all parts of a message, milliseconds; what is not read by then is not looked into.
    pub documents_ms: u64,
    /// Memory of one reader, bytes.
    pub document_memory_bytes: u64,
    /// Readers at work at once; further parts wait.
    pub document_readers_max: usize,
    /// Pixels of a picture in which codes are looked for.
    pub picture_pixels_max: u64,
    /// Pictures of one message that are given to the site's program for text in pictures, the largest first.
    pub ocr_pictures_max: usize,
    /// Time that program has for one picture, milliseconds; all of them share `documents_ms` with the other parts.
    pub ocr_ms: u64,

    // Looking up who sent it.
    /// Time for all look-ups of one message, milliseconds; what is not known by then is unavailable.
    pub lookup_ms: u64,
    /// Questions asked of DNS for one concern of a message (SPF by either name, signatures, ARC, the alleged domain, the
    /// sending machine); further ones are unavailable.
    pub lookups_max: u32,
    /// Time for one question of DNS over all servers and retries, milliseconds.
    pub dns_question_ms: u64,
    /// Questions in a row that no DNS server answers in time, before it is asked whether DNS is away; while it is, nothing waits for it.
    pub dns_silences_max: u32,
    /// Questions waiting for DNS servers at once, over all messages; further ones are unavailable.
    pub dns_in_flight_max: usize,
    /// Largest answer used, bytes of its records; a larger one is unavailable.
    pub dns_answer_bytes_max: usize,
    /// Records of one answer used; the rest is passed over.
    pub dns_records_max: usize,
    /// Aliases (CNAME) followed for one question; more make it unavailable.
    pub dns_aliases_max: usize,
    /// Memory for answers of DNS, bytes; the least used leave first.
    pub dns_cache_bytes_max: usize,
    /// Longest that an answer is used again, seconds, whatever it says.
    pub dns_ttl_secs_max: u32,
    /// Longest that "there is none" is used again, seconds.
    pub dns_negative_ttl_secs_max: u32,
    /// SPF terms that need DNS; more are `permerror`. RFC 7208 §4.6.4 says 10.
    pub spf_lookups_max: u32,
    /// SPF terms answered by nothing; more are `permerror`. RFC 7208 §4.6.4 says 2.
    pub spf_void_lookups_max: u32,
    /// DKIM and DomainKeys signatures verified; further ones are counted.
    pub signatures_max: usize,
    /// Header fields one signature may name; more make it unreadable.
    pub signed_fields_max: usize,
    /// Ways (hash, form, length) in which the signatures of one message may want its body hashed; signatures that want more
    /// are not accepted.
    pub body_hashes_max: usize,
    /// Sets of an ARC chain. RFC 8617 §4.2.1 says 50; more are a chain that does not hold.
    pub arc_sets_max: u32,
    /// Longest field of an ARC chain, bytes; a longer one is a chain that does not hold. Every seal is over all fields
    /// before it, so their length counts twice over.
    pub arc_field_bytes_max: usize,
    /// Longest RSA key verified, bits.
    pub rsa_bits_max: u32,
    /// Longest text kept of a record or a result, bytes.
    pub authentication_text_bytes_max: usize,
    /// Addresses of one kind kept of a policy (`rua`, `ruf`), and results kept of one sealer.
    pub authentication_items_max: usize,

    // Judging.
    /// Positions kept per matched term (for `near` and for evidence).
    pub positions_per_hit_max: usize,
    /// Distinct hits kept per message.
    pub hits_max: usize,
    /// Longest evidence shown per reason, characters.
    pub evidence_chars_max: usize,
    /// Time for one message from its last byte to the answer, milliseconds; then `on_failure`.
    pub deadline_ms: u64,
    /// Largest policy document accepted, bytes.
    pub policy_bytes_max: usize,
    /// Memory for sliding windows, bytes; the least active keys leave first.
    pub windows_bytes_max: usize,
    /// Memory for domains' standing, bytes; domains with the least history leave first.
    pub standing_bytes_max: usize,

    // Watching what users do.
    /// Memory for what is known of sources, accounts and mailboxes, bytes; what tells least leaves first.
    pub watch_bytes_max: usize,
    /// Longest name of a session kept, bytes; the rest is cut.
    pub session_bytes_max: usize,
    /// Largest request of a server that tells or asks about an operation, bytes.
    pub told_bytes_max: usize,
    /// What the learner saw of messages, about 5 kB each, that waits to be written; beyond it what comes late teaches nothing.
    pub sights_queue_max: usize,
    /// Operations, detections and decisions that wait to be written; beyond it operations are counted and not kept.
    pub told_queue_max: usize,
    /// Logins that nginx has waiting for us at the same time because they are slowed; further ones get a temporary failure at once.
    pub waiting_logins_max: usize,
    /// Operations kept in a day; further ones are counted and not kept, so that a botnet's tries do not fill the disk.
    pub told_per_day_max: u64,
    /// Largest batch told to other nodes, bytes, but for its last tiding.
    pub hub_batch_bytes_max: usize,
    /// Tidings that wait for other nodes to be told; beyond it the oldest are given up.
    pub hub_queue_max: usize,
    /// Different operations of the last minute that are compared with what another door tells.
    pub twins_max: usize,

    // Reports about mail: DMARC, TLS, feedback.
    /// Largest report read, packed as it came, bytes.
    pub report_bytes_max: usize,
    /// Bytes a report may unpack to.
    pub report_unpacked_bytes_max: usize,
    /// Rows of a report; one with more is refused whole, because half of its numbers would be wrong numbers.
    pub report_records_max: usize,
    /// Longest value kept of a report, bytes.
    pub report_text_bytes_max: usize,
    /// Mailboxes a domain's reports are sent to; further ones it names get none.
    pub report_destinations_max: usize,
    /// Largest report of others kept, bytes as kept; a larger one is left in the mailbox.
    pub report_kept_bytes_max: usize,
    /// Machines told apart when reports are added up; those of older reports are left out.
    pub report_sources_max: usize,
    /// Reports of others kept in a day; further ones are left in the mailbox.
    pub reports_per_day_max: u64,
    /// Domains one day's reports are made for; further ones get none.
    pub reports_domains_max: usize,
    /// Servers of one domain told apart in a day's TLS report.
    pub report_servers_max: usize,
    /// Failure reports about one domain's mail sent in an hour, each about messages that failed alike.
    pub failure_reports_max: usize,
    /// Mails with reports of one kind sent in a day, of failure reports a twenty-fourth in an hour; further ones are not sent.
    pub report_letters_max: usize,
    /// Largest mail with a report that is sent, bytes.
    pub report_letter_bytes_max: usize,

    // Giving released mail back to a server.
    /// Longest line of an SMTP reply, bytes; a longer one ends the delivery.
    pub smtp_reply_line_bytes_max: usize,
    /// Most lines of an SMTP reply; more end the delivery.
    pub smtp_reply_lines_max: usize,

    // Reading mailboxes by IMAP.
    /// Longest response of a server but for the messages in it, bytes; a longer one ends the connection.
    pub imap_line_bytes_max: usize,
    /// Folders of one mailbox that are looked through; an account with more is refused.
    pub imap_folders_max: usize,

    // Keeping.
    /// Records that wait to be written; beyond it ordinary records are dropped and counted.
    pub record_queue_max: usize,
    /// Bytes of facts kept beside one record; larger facts are kept without part details.
    pub facts_bytes_max: usize,
    /// Bytes the quarantine may hold; beyond it quarantining fails and `on_failure` answers.
    pub quarantine_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            milter_frame_bytes_max: 1 << 20,
            milter_macros_max: 256,
            connections_max: 4096,
            connection_idle_secs: 600,
            frame_secs: 60,
            message_bytes_max: 64 << 20,
            in_flight_bytes_max: 512 << 20,
            recipients_max: 1000,
            address_bytes_max: 1024,
            headers_max: 2000,
            header_bytes_max: 64 << 10,
            parts_max: 1000,
            nested_messages_max: 32,
            part_text_bytes_max: 1 << 20,
            text_bytes_max: 4 << 20,
            hops_max: 100,
            links_max: 500,
            contacts_max: 50,
            skim_parts_max: 20,
            skim_text_bytes_max: 8 << 10,
            documents_max: 50,
            document_bytes_max: 32 << 20,
            document_depth_max: 6,
            document_entries_max: 1000,
            document_unpacked_bytes_max: 64 << 20,
            document_ms: 3000,
            documents_ms: 6000,
            document_memory_bytes: 512 << 20,
            document_readers_max: 4,
            picture_pixels_max: 12_000_000,
            ocr_pictures_max: 3,
            ocr_ms: 4000,
            lookup_ms: 5_000,
            lookups_max: 64,
            dns_question_ms: 2_500,
            dns_silences_max: 20,
            dns_in_flight_max: 2_000,
            dns_answer_bytes_max: 16 << 10,
            dns_records_max: 100,
            dns_aliases_max: 8,
            dns_cache_bytes_max: 32 << 20,
            dns_ttl_secs_max: 86_400,
            dns_negative_ttl_secs_max: 900,
            spf_lookups_max: 10,
            spf_void_lookups_max: 2,
            signatures_max: 10,
            signed_fields_max: 200,
            body_hashes_max: 8,
            arc_sets_max: 50,
            arc_field_bytes_max: 16 << 10,
            rsa_bits_max: 4096,
            authentication_text_bytes_max: 1024,
            authentication_items_max: 20,
            positions_per_hit_max: 32,
            hits_max: 1000,
            evidence_chars_max: 200,
            deadline_ms: 10_000,
            policy_bytes_max: 8 << 20,
            windows_bytes_max: 16 << 20,
            standing_bytes_max: 64 << 20,
            watch_bytes_max: 512 << 20,
            session_bytes_max: 128,
            told_bytes_max: 256 << 10,
            sights_queue_max: 5_000,
            told_queue_max: 100_000,
            waiting_logins_max: 1000,
            told_per_day_max: 5_000_000,
            hub_batch_bytes_max: 256 << 10,
            hub_queue_max: 50_000,
            twins_max: 100_000,
            report_bytes_max: 16 << 20,
            report_unpacked_bytes_max: 64 << 20,
            report_records_max: 100_000,
            report_text_bytes_max: 2000,
            report_destinations_max: 5,
            report_kept_bytes_max: 4 << 20,
            report_sources_max: 100_000,
            reports_per_day_max: 2_000,
            reports_domains_max: 10_000,
            report_servers_max: 50,
            failure_reports_max: 4,
            report_letters_max: 5_000,
            report_letter_bytes_max: 10 << 20,
            smtp_reply_line_bytes_max: 4096,
            smtp_reply_lines_max: 100,
            imap_line_bytes_max: 1 << 20,
            imap_folders_max: 2000,
            record_queue_max: 20_000,
            facts_bytes_max: 64 << 10,
            quarantine_bytes_max: 10 << 30,
        }
    }
}
