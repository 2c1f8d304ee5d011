//! Frames: `u32 length (big endian), u8 command, payload[length - 1]`, split from a stream of bytes.

use std::fmt;

/// One frame, borrowed from the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is; see [`super::Command`] and [`super::Response`].
    pub command: u8,
    /// What follows the command byte.
    pub payload: &'a [u8],
}

/// Why a stream of bytes is not a stream of frames. There is no way to find the next frame after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Every frame holds at least its command byte.
    #[error("a frame declares a length of 0 bytes; the least is 1")]
    FrameEmpty,
    /// Refused as soon as the length is read, before anything is allocated for it.
    #[error("a frame declares {declared} bytes; at most {limit} are taken")]
    FrameTooLong {
        /// Bytes after the length field, as declared.
        declared: u32,
        /// `Limits::milter_frame_bytes_max`
        limit: usize,
    },
}

/// Collects bytes until a frame is whole.
///
/// It grows with what arrives, never with what is declared: after all whole frames are taken, less
/// than `4 + frame_bytes_max` bytes are held.
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already given out; `0 <= read <= buffer.len()`.
    read: usize,
    frame_bytes_max: usize,
}

impl FrameReader {
    /// A reader that takes frames of at most `frame_bytes_max` bytes, command byte included.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            read: 0,
            frame_bytes_max,
        }
    }

    /// Takes what the peer sent, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_BYTES_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame; `None` when more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let waiting = &self.buffer[self.read..];
        let Some((length, rest)) = waiting.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let declared = u32::from_be_bytes(*length);
        let length = declared as usize;
        if length == 0 {
            return Err(FrameError::FrameEmpty);
        }
        if length > self.frame_bytes_max {
            return Err(FrameError::FrameTooLong {
                declared,
                limit: self.frame_bytes_max,
            });
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.read += 4 + length;
        Ok(Some(Frame {
            command: frame[0],
            payload: &frame[1..],
        }))
    }

    /// Bytes received and not yet given out as a frame.
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len() - self.read
    }

    /// Bytes of memory held.
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }
}

/// Shows how much waits, not what: it is somebody's mail.
impl fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader")
            .field("waiting_bytes", &self.waiting_bytes())
            .finish_non_exhaustive()
    }
}

/// An empty reader gives memory beyond this back: most connections are idle most of the time, and
/// one that once carried a large frame should not keep its room for hours.
const IDLE_BYTES_MAX: usize = 128 << 10;

/// Appends one frame whose payload is the concatenation of `pieces`.
pub fn put_frame(out: &mut Vec<u8>, command: u8, pieces: &[&[u8]]) {
    let payload: usize = pieces.iter().map(|piece| piece.len()).sum();
    // Our own frames are far below 4 GiB: bodies are cut into chunks of 65535 bytes.
    let length = u32::try_from(payload + 1).unwrap_or(u32::MAX);
    out.reserve(payload + 5);
    out.extend_from_slice(&length.to_be_bytes());
    out.push(command);
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(reader: &mut FrameReader) -> Result<Vec<(u8, Vec<u8>)>, FrameError> {
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push((frame.command, frame.payload.to_vec()));
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let mut stream = Vec::new();
        put_frame(&mut stream, b'T', &[]);
        put_frame(&mut stream, b'H', &[b"client.example", b"\0"]);
        put_frame(&mut stream, b'B', &[&[7; 300]]);
        let expected = vec![
            (b'T', vec![]),
            (b'H', b"client.example\0".to_vec()),
            (b'B', vec![7; 300]),
        ];
        for cut in 0..=stream.len() {
            let mut reader = FrameReader::new(1000);
            reader.push(&stream[..cut]);
            let mut frames = read_all(&mut reader).expect("well-formed");
            reader.push(&stream[cut..]);
            frames.extend(read_all(&mut reader).expect("well-formed"));
            assert_eq!(frames, expected, "cut at {cut}");
            assert_eq!(reader.waiting_bytes(), 0);
        }
    }

    #[test]
    fn a_length_of_zero_or_four_gibibytes_is_refused_at_once() {
        let mut reader = FrameReader::new(1 << 20);
        reader.push(&[0, 0, 0, 0]);
        assert_eq!(reader.next_frame(), Err(FrameError::FrameEmpty));

        let mut reader = FrameReader::new(1 << 20);
        reader.push(&[0xff, 0xff, 0xff, 0xff]);
        assert_eq!(
            reader.next_frame(),
            Err(FrameError::FrameTooLong {
                declared: u32::MAX,
                limit: 1 << 20
            })
        );
        assert!(reader.held_bytes() < 100, "nothing is allocated for it");
    }

    #[test]
    fn the_limit_itself_is_allowed_and_half_a_frame_waits() {
        let mut reader = FrameReader::new(5);
        reader.push(&[0, 0, 0, 5, b'B', 1, 2, 3]);
        assert_eq!(reader.next_frame(), Ok(None));
        assert_eq!(reader.waiting_bytes(), 8);
        reader.push(&[4]);
        let frame = reader.next_frame().expect("well-formed").expect("whole");
        assert_eq!((frame.command, frame.payload), (b'B', &[1, 2, 3, 4][..]));
        reader.push(&[0, 0, 0, 6]);
        assert!(reader.next_frame().is_err());
    }

    #[test]
    fn room_for_a_large_frame_is_given_back() {
        let mut reader = FrameReader::new(1 << 20);
        let mut large = Vec::new();
        put_frame(&mut large, b'B', &[&vec![0; 1 << 19]]);
        reader.push(&large);
        assert!(reader.next_frame().expect("well-formed").is_some());
        reader.push(&[0]);
        assert!(reader.held_bytes() <= IDLE_BYTES_MAX);
    }
}
