//! The model as a file, and back.

use super::counts::Counts;
use super::rehearsal::Kept;
use super::table::{HEADS, Table};
use super::{Content, State, VIEWS};
use crate::Key;
use crate::snapshot::{Kind, Reader, Refused, open, seal};
use crate::view::BITS;

const FEATURES: usize = 1 << BITS;

impl Content {
    /// Everything it knows. The same model always gives the same bytes.
    pub fn to_bytes(&self, key: &Key) -> Vec<u8> {
        // Small, and easier to look into than to lay out: the numbers of the heads as JSON.
        let state = serde_json::to_vec(&self.state).unwrap_or_default();
        let mut bytes = Vec::with_capacity(state.len() + FEATURES * (VIEWS * 10 + 4) + 32);
        bytes.extend_from_slice(&(state.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&state);
        for cell in self.tables.iter().flat_map(|table| &table.cells) {
            for weight in cell.weights {
                bytes.extend_from_slice(&weight.to_le_bytes());
            }
            bytes.extend_from_slice(&cell.mass.to_le_bytes());
        }
        for count in self.counts.tokens.iter().flatten() {
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        for number in self.counts.messages {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.kept.write(&mut bytes);
        seal(Kind::Content, key, &bytes)
    }

    /// Reads a file made by [`Content::to_bytes`] under the same key.
    pub fn from_bytes(file: &[u8], key: &Key) -> Result<Self, Refused> {
        let payload = open(Kind::Content, key, file)?;
        let content = read(&mut Reader(payload)).ok_or(Refused::Senseless)?;
        if content.state.is_sound() {
            Ok(content)
        } else {
            Err(Refused::Senseless)
        }
    }
}

fn read(reader: &mut Reader<'_>) -> Option<Content> {
    let length = reader.u32()?;
    let state: State = serde_json::from_slice(reader.take(length as usize)?).ok()?;
    // Lengths are fixed, so nothing is allocated on the word of a file that does not have it.
    if reader.0.len() < FEATURES * (VIEWS * (HEADS * 4 + 2) + 4) + 12 {
        return None;
    }
    let mut tables = [Table::new(), Table::new()];
    for cell in tables.iter_mut().flat_map(|table| &mut table.cells) {
        cell.weights = [reader.i32()?, reader.i32()?];
        cell.mass = reader.u16()?;
    }
    let mut counts = Counts::new();
    for count in counts.tokens.iter_mut().flatten() {
        *count = reader.u16()?;
    }
    counts.messages = [reader.u32()?, reader.u32()?];
    let kept = Kept::read(reader)?;
    reader.0.is_empty().then_some(Content {
        tables,
        counts,
        kept,
        state,
        last: None,
    })
}
