//! The canary: a message that only this installation can have made, sent through a mail server to see whether it comes
//! past us. The engine discards it, so nobody gets it, and records that it came.

use mail::{Address, Record, RecordId};
use store::Query;

use crate::clock::now;
use crate::mark::{CANARY_HEADER, Marker};
use crate::{Desk, DeskError};

/// How long a canary is one, seconds: an old copy must not be a way to be discarded unseen.
pub(crate) const FRESH_SECS: i64 = 600;

/// A canary on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Its Message-ID, by which its record is found.
    pub message_id: String,
    /// The message.
    pub raw: Vec<u8>,
}

impl Desk {
    /// Makes a canary for this recipient.
    pub async fn canary(&self, to: &Address) -> Result<Canary, DeskError> {
        let id = RecordId::random(now());
        let marker = Marker::for_canaries(self.store().secret("canary-mark").await?);
        let message_id = format!("canary-{id}@mailvigil.invalid");
        let raw = format!(
            "{CANARY_HEADER}: {}\r\nFrom: Mailvigil canary <postmaster@mailvigil.invalid>\r\nTo: <{to}>\r\nSubject: Mailvigil canary\r\n\
             Message-ID: <{message_id}>\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n\r\n\
             This message only proves that mail comes past Mailvigil, which discards it.\r\n\
             If you read it, your mail server does not ask Mailvigil: see `mailvigil connect postfix`.\r\n",
            marker.value(id)
        );
        Ok(Canary {
            message_id,
            raw: raw.into_bytes(),
        })
    }

    /// Its record, once it came.
    pub async fn canary_record(&self, canary: &Canary) -> Result<Option<Record>, DeskError> {
        let query = Query {
            message_id: Some(canary.message_id.clone()),
            limit: 1,
            ..Query::default()
        };
        Ok(self.store().find(&query).await?.into_iter().next())
    }
}
