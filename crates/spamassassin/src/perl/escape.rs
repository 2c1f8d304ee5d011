//! What follows a backslash.

use super::Speaker;
use super::bytes::{Bytes, class_named};

const WORD_BOUNDARY: &str =
    "(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))";

const NO_WORD_BOUNDARY: &str =
    "(?:(?<=[0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<![0-9A-Za-z_])(?![0-9A-Za-z_]))";

impl Speaker<'_> {
    pub(super) fn escape(&mut self) -> Result<(), String> {
        let byte = self.next().ok_or("the pattern ends with a backslash")?;
        if let Some(bytes) = class_named(byte) {
            self.say_bytes(&bytes);
            return Ok(());
        }
        match byte {
            b'b' => {
                self.linear.push_str(r"\b");
                self.backtracking.push_str(WORD_BOUNDARY);
            }
            b'B' => {
                self.linear.push_str(r"\B");
                self.backtracking.push_str(NO_WORD_BOUNDARY);
            }
            b'A' => self.say(r"\A"),
            b'z' => self.say(r"\z"),
            b'Z' => {
                self.linear.push_str(r"(?:\n?\z)");
                self.backtracking.push_str(r"(?=\n?\z)");
            }
            b'G' | b'E' => {}
            b'K' => {
                self.needs_backtracking = true;
                self.backtracking.push_str(r"\K");
            }
            b'R' => self.say(r"(?:\r\n|[\n-\r])"),
            b'N' => self.say_bytes(&Bytes::of(|byte| byte != b'\n')),
            b'Q' => {
                let length = self
                    .rest()
                    .windows(2)
                    .position(|two| two == b"\\E")
                    .unwrap_or(self.rest().len());
                let from = self.at;
                for place in from..from + length {
                    let byte = self.pattern[place];
                    self.say_byte(byte);
                }
                self.at = (self.at + length + 2).min(self.pattern.len());
            }
            b'1'..=b'9' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.needs_backtracking = true;
                self.say_back(&format!("\\{}", byte as char));
                self.linear.push_str(r"(?s:.*)");
            }
            b'g' | b'k' => self.back_to_group()?,
            b'p' | b'P' | b'X' | b'C' => {
                return Err(format!("\\{} is not supported", byte as char));
            }
            _ => {
                let byte = self.escaped_byte(byte)?;
                self.say_byte(byte);
            }
        }
        Ok(())
    }

    /// `\g1`, `\g{-1}`, `\k<name>`.
    pub(super) fn back_to_group(&mut self) -> Result<(), String> {
        let open = self.next().ok_or("the pattern ends within an escape")?;
        let text = match open {
            b'{' | b'<' | b'\'' => {
                let close = self
                    .rest()
                    .iter()
                    .position(|byte| matches!(byte, b'}' | b'>' | b'\''))
                    .ok_or("the name of a group does not end")?;
                let text = String::from_utf8_lossy(&self.rest()[..close]).into_owned();
                self.at += close + 1;
                text
            }
            digit => (digit as char).to_string(),
        };
        self.needs_backtracking = true;
        self.linear.push_str(r"(?s:.*)");
        if let Ok(number) = text.parse::<i64>() {
            let number = if number < 0 {
                self.captures as i64 + 1 + number
            } else {
                number
            };
            self.say_back(&format!("\\{number}"));
            return Ok(());
        }
        if !text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') || text.is_empty() {
            return Err(format!("{text:?} names no group"));
        }
        self.say_back(&format!("\\k<{text}>"));
        Ok(())
    }

    /// What a group matched, once more; its letters are not spelled out, so their case is left to the engine.
    pub(super) fn say_back(&mut self, group: &str) {
        if self.flags.any_case {
            self.backtracking.push_str(&format!("(?i:{group})"));
        } else {
            self.backtracking.push_str(group);
        }
    }

    /// The byte that an escape, whose letter was read, stands for.
    pub(super) fn escaped_byte(&mut self, letter: u8) -> Result<u8, String> {
        Ok(match letter {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 0x0c,
            b'e' => 0x1b,
            b'a' => 0x07,
            b'c' => self.next().unwrap_or(b'@').to_ascii_uppercase() ^ 0x40,
            b'x' => self.hexadecimal()?,
            b'0'..=b'7' => {
                let mut value = u32::from(letter - b'0');
                for _ in 0..2 {
                    match self.peek() {
                        Some(digit @ b'0'..=b'7') => {
                            value = value * 8 + u32::from(digit - b'0');
                            self.at += 1;
                        }
                        _ => break,
                    }
                }
                u8::try_from(value).map_err(|_| "an octal escape is past one byte")?
            }
            other => other,
        })
    }

    pub(super) fn hexadecimal(&mut self) -> Result<u8, String> {
        let braced = self.takes(b"{");
        let most = if braced { 8 } else { 2 };
        let mut value = 0_u32;
        for _ in 0..most {
            let Some(digit) = self.peek().and_then(|byte| (byte as char).to_digit(16)) else {
                break;
            };
            value = value * 16 + digit;
            self.at += 1;
        }
        if braced && !self.takes(b"}") {
            return Err(r"\x{ is not closed".into());
        }
        u8::try_from(value)
            .map_err(|_| format!("\\x{{{value:x}}} is past one byte; mail is matched by bytes"))
    }
}
