//! The doors: sockets on one side, the engine on the other, a protocol machine of `wire` in between.

pub mod http;
pub mod listener;
pub mod milter;
pub mod smtp;
