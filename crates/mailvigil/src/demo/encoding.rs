//! Bytes of the demonstration's mail: charsets, encoded words, dates, the smallest files that are whole.

use encoding_rs::{BIG5, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, KOI8_R, UTF_8, WINDOWS_1252};
use mail::Timestamp;

/// A charset mail is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    Gb18030,
    Gbk,
    Big5,
    Iso2022Jp,
    Koi8R,
    Latin1,
    EucKr,
}

impl Charset {
    /// As mailers label it; what is GBK is called gb2312 by most.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gb18030 => "gb18030",
            Self::Gbk => "gb2312",
            Self::Big5 => "big5",
            Self::Iso2022Jp => "iso-2022-jp",
            Self::Koi8R => "koi8-r",
            Self::Latin1 => "iso-8859-1",
            Self::EucKr => "euc-kr",
        }
    }

    /// This charset when it has every character of the text, else the one that has all Chinese ones: a mailer would choose so too.
    pub fn for_text(self, text: &str) -> Self {
        let (_, _, lacks) = self.encoding().encode(text);
        if lacks { Self::Gb18030 } else { self }
    }

    /// The bytes of a text; characters a charset lacks become character references, as browsers do it.
    pub fn bytes(self, text: &str) -> Vec<u8> {
        self.encoding().encode(text).0.into_owned()
    }

    const fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::Gb18030 => GB18030,
            Self::Gbk => GBK,
            Self::Big5 => BIG5,
            Self::Iso2022Jp => ISO_2022_JP,
            Self::Koi8R => KOI8_R,
            Self::Latin1 => WINDOWS_1252,
            Self::EucKr => EUC_KR,
        }
    }

    /// A text as one encoded word (RFC 2047).
    pub fn word(self, text: &str) -> String {
        format!(
            "=?{}?B?{}?=",
            self.name(),
            data_encoding::BASE64.encode(&self.bytes(text))
        )
    }
}

/// A text for a header: as it is when it is ASCII, else an encoded word.
pub fn encoded_word(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        Charset::Utf8.word(text)
    }
}

/// base64 in lines of 76 characters.
pub fn base64(bytes: &[u8]) -> String {
    let encoded = data_encoding::BASE64.encode(bytes);
    let lines = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned());
    lines.collect::<Vec<_>>().join("\r\n")
}

/// UTF-16, little end first, with its mark: how spreadsheets save text.
pub fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// RFC 5322 §3.3.
pub fn date(at: Timestamp) -> String {
    let days = at.secs().div_euclid(86_400);
    let second = at.secs().rem_euclid(86_400);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or("1").to_owned();
    let month: usize = part(5..7).parse().unwrap_or(1);
    let month = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ][(month + 11) % 12];
    format!(
        "{weekday}, {} {month} {} {:02}:{:02}:{:02} +0000",
        part(8..10),
        part(0..4),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// A PDF of one empty page with a title.
pub fn small_pdf(title: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] >>".to_owned(),
        format!("<< /Title ({title}) >>"),
    ];
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(pdf.len());
        pdf.extend(format!("{} 0 obj\n{object}\nendobj\n", number + 1).bytes());
    }
    let table = pdf.len();
    pdf.extend(b"xref\n0 5\n0000000000 65535 f \n");
    for place in places {
        pdf.extend(format!("{place:010} 00000 n \n").bytes());
    }
    pdf.extend(
        format!("trailer\n<< /Size 5 /Root 1 0 R /Info 4 0 R >>\nstartxref\n{table}\n%%EOF\n")
            .bytes(),
    );
    pdf
}

/// A PNG of one grey pixel.
pub fn small_png() -> Vec<u8> {
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==";
    data_encoding::BASE64
        .decode(PNG.as_bytes())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        let at = Timestamp::parse("2026-11-23T10:05:09Z").expect("a time");
        assert_eq!(date(at), "Mon, 23 Nov 2026 10:05:09 +0000");
        assert_eq!(
            date(Timestamp::from_secs(0)),
            "Thu, 01 Jan 1970 00:00:00 +0000"
        );
    }
}
