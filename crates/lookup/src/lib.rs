//! Who really sent it: DNS, SPF, DKIM, DomainKeys, ARC and DMARC, within one message's deadline.
//!
//! [`Verifier::verify`] is the way in for messages that come; it never fails: what DNS could not tell is a word of
//! [`mail::Authentication`]. [`sign`] is for messages that go: keys, DKIM signatures and ARC seals. [`results`] writes
//! what was found into the header, and finds those who pretend we wrote it.
//!
//! Nothing here decides about a message, nothing but [`dns::Upstreams`] opens a socket, and nothing but [`places`] a file.

// Asking.
pub mod dns;

// Each method, alone.
mod arc;
pub mod dmarc;
mod signature;
pub mod spf;

// What is known of the sending machine and the sender's domain.
mod host;
mod outbound;

// All of it for one message, and writing it down.
pub mod results;
mod verifier;

// For our own mail.
pub mod sign;

// Where a user is.
pub mod places;

// Which passwords are known to thieves.
pub mod breached;

// Of no message: for reports, and for people.
mod asking;
mod remedies;

pub use asking::{Published, PublishedKey};
pub use remedies::Remedy;
pub use verifier::{Acceptance, Settings, Verifier};

/// At most `bytes_max` bytes of a text, without control characters: texts of strangers that are kept.
fn cut(text: &str, bytes_max: usize) -> String {
    let end = mail::address::floor_char_boundary(text, bytes_max);
    text[..end].chars().filter(|c| !c.is_control()).collect()
}
