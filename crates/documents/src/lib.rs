//! What documents, archives and pictures hold: their text, the files inside them, and what is dangerous about them.
//!
//! Readers of such formats panic, overflow their stack or ask for all memory when a stranger wants them to, and no fence
//! inside a process stops that. So [`read()`] runs in child processes ([`worker`]) that may open no file and no socket, start nothing, and
//! take no more than their share of memory and time. [`Pool`] keeps a few of them ready. A child that dies is a fact about the
//! message ([`mail::message::Finding::ReaderDied`]), never an error.
//!
//! This crate must not decide anything, and nothing but [`Pool`] of it may be called in the service's own process.

// One file, and what is inside it.
mod walk;

// Containers.
mod archive;
mod ole;
mod rar;
mod zipped;

// Documents.
mod macros;
mod office;
mod pdf;
mod picture;
mod rtf;
mod xml;

// Where the reading happens.
mod frame;
mod ocr;
mod pool;
mod sandbox;
pub mod worker;

pub use ocr::Ocr;
pub use pool::Pool;
pub use walk::read;

#[cfg(test)]
mod tests;
