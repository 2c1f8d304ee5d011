//! The protocol of SpamAssassin's spamd, both sides' framing (`PROTOCOL` of its source, versions 1.0 to 1.5), and the older one of Rspamd
//! (`RSPAMC/1.3`) that Exim speaks, which has the same shape and tells the envelope too.
//!
//! One connection carries one request: a line with verb and version, header lines, an empty line, and the message, as long as `Content-length`
//! says or until the client closes its side.

mod request;
mod response;

pub use request::{Class, Dialect, Misfit, Request, RequestReader, Verb};
pub use response::{Report, answer_check, answer_misfit, answer_ping, answer_tell, answer_trouble};
