//! Releasing held mail: once, to the original recipients, past the filter.
//!
//! The order of steps decides what a crash leaves behind:
//!
//! | step | after a crash here |
//! | --- | --- |
//! | the item goes from `held` to `releasing` | nothing was sent; the item is put back when its mark expires |
//! | a mark is made, the message handed to the server with it | the mark in the message passes us once; see below |
//! | the server says 250 | the item is `released` |
//!
//! A connection lost after the last byte and before the server's word leaves the question open whether the server has
//! it. The mark answers it: it is used exactly when the message came past us. A used mark counts as
//! released; an unused one puts the item back.

use std::pin::Pin;

use mail::{Address, RecordId};

/// Hands a message to a mail server. The program's is SMTP over TCP.
pub trait Courier: Send + Sync {
    /// Submits `raw` for `recipients`; `server` is the server's own name, as it asked us.
    fn submit<'a>(
        &'a self,
        server: &'a str,
        envelope_from: Option<&'a Address>,
        recipients: &'a [Address],
        raw: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Submitted> + Send + 'a>>;
}

/// What came of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// The server has it, for all recipients but those named.
    Taken {
        /// The server's last reply.
        reply: String,
        /// Recipients the server refused, each with its words.
        refused: Vec<String>,
    },
    /// The server does not have it.
    Refused {
        /// Why, in the server's words or ours.
        why: String,
    },
    /// The connection ended when the server may or may not have taken it.
    Unknown {
        /// Why.
        why: String,
    },
}

/// What came of a release, for the administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// The item.
    pub item: RecordId,
    /// Who gets it.
    pub recipients: Vec<Address>,
    /// The server's last reply.
    pub reply: String,
    /// Recipients the server refused, each with its words.
    pub refused: Vec<String>,
}
