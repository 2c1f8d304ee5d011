//! What the nodes of one installation tell one another while it happens.
//!
//! A [`Mouth`] hands batches of bytes to all other nodes, an [`Ear`] brings what they told, each batch once and those of one node
//! in order. Between them stands a [`Board`] within one process, or a Valkey or Redis server ([`Address`]); what is told to the one
//! is told to the other (`tests/both.rs`). Nobody is kept waiting: a server that is away is an error at once ([`Away`]), what
//! could not be handed over stays in the mouth, and an ear that comes back goes on where it stopped, as long as that is kept.
//!
//! Batches are sealed under the installation's secret (`seal.rs`): whoever runs the server can neither read them, nor make one, nor
//! have one heard twice. Two installations on one server do not hear each other.

use std::sync::Arc;
use std::time::Duration;

use mail::Secret;

mod board;
mod seal;
mod valkey;

pub use board::Board;
pub use valkey::Address;

use seal::{Opened, Opener, Sealer};

/// How long what was told can be heard by a node that was away.
const KEPT: Duration = Duration::from_mins(1);

/// Over what nodes hear each other.
#[derive(Clone, Debug)]
pub enum Place {
    /// Within this process.
    Board(Arc<Board>),
    /// Valkey 7.2 and newer, Redis 6.2 and newer.
    Valkey(Address),
}

/// The server that nodes hear each other over does not do its part.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Away(String);

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Batches of other nodes.
    pub batches: Vec<Vec<u8>>,
    /// Batches that were told and are gone: this node was away for too long, or the server was.
    pub missed: u64,
    /// Batches that were not sealed by this installation, or stand there again.
    pub refused: u64,
}

/// Tells the other nodes.
pub struct Mouth {
    sealer: Sealer,
    /// Sealed, and not handed over yet.
    waiting: Option<Vec<u8>>,
    way: MouthAt,
}

enum MouthAt {
    Board(Arc<Board>),
    Valkey(Box<valkey::Mouth>),
}

/// Hears the other nodes.
pub struct Ear {
    opener: Opener,
    way: EarAt,
}

enum EarAt {
    Board { board: Arc<Board>, next: u64 },
    Valkey(Box<valkey::Ear>),
}

/// Makes a node's mouth and ear. The ear hears what is told from its first question on; nothing is asked here.
pub fn open(place: &Place, secret: &Secret<[u8; 32]>) -> Result<(Mouth, Ear), Away> {
    let sealer = Sealer::new(secret)?;
    let opener = Opener::new(secret, sealer.voice());
    let (mouth, ear) = match place {
        Place::Board(board) => (
            MouthAt::Board(board.clone()),
            EarAt::Board {
                next: board.end(),
                board: board.clone(),
            },
        ),
        Place::Valkey(address) => {
            let stream = format!("mailvigil:told:{}", seal::name(secret));
            (
                MouthAt::Valkey(Box::new(valkey::Mouth::new(
                    address.clone(),
                    stream.clone(),
                ))),
                EarAt::Valkey(Box::new(valkey::Ear::new(address.clone(), stream))),
            )
        }
    };
    let mouth = Mouth {
        sealer,
        waiting: None,
        way: mouth,
    };
    Ok((mouth, Ear { opener, way: ear }))
}

impl Mouth {
    /// Is there something that could not be handed over yet?
    pub const fn is_full(&self) -> bool {
        self.waiting.is_some()
    }

    /// Takes a batch to be handed over by [`Mouth::tell`]. One batch waits at a time: what waits already goes first, and `false` says
    /// that this one was not taken.
    pub fn take(&mut self, batch: &[u8]) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        self.waiting = Some(self.sealer.seal(batch));
        true
    }

    /// Hands over what waits. It may be called again after an error, and be dropped at any time: what was handed over twice is
    /// heard once.
    pub async fn tell(&mut self) -> Result<(), Away> {
        let Some(sealed) = &self.waiting else {
            return Ok(());
        };
        match &mut self.way {
            MouthAt::Board(board) => board.put(sealed.clone()),
            MouthAt::Valkey(mouth) => mouth.tell(sealed).await?,
        }
        self.waiting = None;
        Ok(())
    }
}

impl Ear {
    /// From now on everything is heard. Without it the first [`Ear::hear`] begins.
    pub async fn begin(&mut self) -> Result<(), Away> {
        match &mut self.way {
            EarAt::Board { .. } => Ok(()),
            EarAt::Valkey(ear) => ear.begin().await,
        }
    }

    /// What was told since the last time; waits about a second for it. May be dropped at any time.
    pub async fn hear(&mut self) -> Result<Heard, Away> {
        let sealed = match &mut self.way {
            EarAt::Board { board, next } => board.after(next).await,
            EarAt::Valkey(ear) => ear.hear().await?,
        };
        let mut heard = Heard::default();
        for sealed in sealed {
            match self.opener.open(&sealed) {
                Opened::Own => {}
                Opened::Refused => heard.refused += 1,
                Opened::Batch { batch, missed } => {
                    heard.missed += missed;
                    heard.batches.push(batch);
                }
            }
        }
        Ok(heard)
    }
}
