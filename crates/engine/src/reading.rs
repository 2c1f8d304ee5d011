//! Reading a message whole: what we read ourselves, and what readers of documents find in its attachments.

use documents::Pool;
use mail::{Limits, Message};

/// Reads a message and looks into its documents, archives and pictures. Never fails: what is not read is a finding.
pub async fn read(raw: &[u8], limits: &Limits, readers: &Pool) -> Message {
    let (mut message, files) = Message::read_with_files(raw, limits);
    if !files.is_empty() {
        readers.read_into(&mut message, files).await;
    }
    message
}
