//! The mail that carries reports: recognised, opened, built.
//!
//! [`recognise`] tells from a message that was read anyway whether it probably carries a report; [`open`] takes the report out. [`aggregate`],
//! [`tls`] and [`feedback`] build the mail to send, whole and ready to be signed; [`usage`] and [`notice`] are for people.

mod build;
mod mime;
mod open;
mod plain;

pub use build::{Letter, NotBuilt, Sender, aggregate, feedback, tls};
pub use open::{Kind, Report, open, read_any, read_file, recognise};
pub use plain::{notice, usage};

#[cfg(test)]
mod tests;
