//! Each reader on a document made here, and on bytes that are none.

use std::io::{Cursor, Write};

use mail::Limits;
use mail::message::{Finding, Reading};
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::read;

fn looked_at(bytes: &[u8], name: &str) -> Reading {
    read(
        bytes,
        Some(name),
        "application/octet-stream",
        &Limits::default(),
    )
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tarred(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A compound file with these streams.
fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (path, content) in streams {
        if let Some((storage, _)) = path.rsplit_once('/')
            && !storage.is_empty()
        {
            file.create_storage_all(storage).unwrap();
        }
        file.create_stream(path)
            .unwrap()
            .write_all(content)
            .unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn text(reading: &Reading) -> &str {
    reading.text.as_deref().unwrap_or_default()
}

fn words(reading: &Reading) -> String {
    text(reading)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Name, findings and text of what is inside.
fn inside(reading: &Reading) -> Vec<(&str, &str, Vec<Finding>, &str)> {
    reading
        .inner
        .iter()
        .map(|inside| {
            (
                inside.path.as_deref().unwrap_or_default(),
                inside.file_name.as_deref().unwrap_or_default(),
                inside.findings.clone(),
                inside.text.as_deref().unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn archives_give_what_they_hold() {
    let inner = zipped(&[("deep.txt", b"in the deep"), ("run.exe", b"MZ\x90\0")]);
    let archive = zipped(&[
        ("a/readme.txt", b"hello there"),
        ("inner.zip", &inner),
        ("photo.jpg", b"MZ\x90\0"),
    ]);
    let reading = looked_at(&archive, "x.zip");
    assert_eq!(
        inside(&reading),
        [
            ("1", "a/readme.txt", vec![], "hello there"),
            ("2/1", "deep.txt", vec![], "in the deep"),
            ("2/2", "run.exe", vec![Finding::Program], ""),
            ("2", "inner.zip", vec![], ""),
            (
                "3",
                "photo.jpg",
                vec![Finding::Program, Finding::Disguised],
                ""
            ),
        ]
    );
    let tar = tarred(&[
        ("one.txt", b"first"),
        (
            "two.html",
            b"<html><p>second<a href=http://e.example/>x</a><p hidden>no",
        ),
    ]);
    let reading = looked_at(&gzipped(&tar), "x.tgz");
    assert_eq!(reading.inner[0].path.as_deref(), Some("1/1"));
    assert_eq!(
        reading.inner[1].text.as_deref().map(str::trim),
        Some("secondx")
    );
    assert_eq!(reading.links, ["http://e.example/"]);
}

#[test]
fn other_packers_are_unpacked() {
    let mut bzip = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip.write_all(b"packed text").unwrap();
    let bzip = bzip.finish().unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
    xz.write_all(b"packed text").unwrap();
    let xz = xz.finish().unwrap();
    let mut seven = sevenz_rust2::ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    let entry = sevenz_rust2::ArchiveEntry::new_file("note.txt");
    seven
        .push_archive_entry(entry, Some(Cursor::new(b"packed text")))
        .unwrap();
    let seven = seven.finish().unwrap().into_inner();
    for (bytes, name) in [
        (bzip, "note.txt.bz2"),
        (xz, "note.txt.xz"),
        (seven, "note.7z"),
    ] {
        let reading = looked_at(&bytes, name);
        assert_eq!(
            inside(&reading),
            [("1", "note.txt", vec![], "packed text")],
            "{name}"
        );
    }
}

/// A RAR archive of the given age.
fn rarred(builder: rars::Builder, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = builder;
    for (name, content) in files {
        builder
            .add_bytes(name.as_bytes().to_vec(), content.to_vec(), None, None)
            .unwrap();
    }
    let mut bytes = Vec::new();
    builder
        .write_to(&mut bytes, &rars::WriterResources::default(), None)
        .unwrap();
    bytes
}

#[test]
fn rar_of_every_age_is_unpacked() {
    use rars::{ArchiveVersion, Builder};
    let text = b"packed text ".repeat(100);
    let files = [("a/note.txt", text.as_slice()), ("photo.jpg", b"MZ\x90\0")];
    for version in [
        ArchiveVersion::Rar20,
        ArchiveVersion::Rar29,
        ArchiveVersion::Rar50,
        ArchiveVersion::Rar70,
    ] {
        for solid in [false, true] {
            let bytes = rarred(Builder::new(version).solid(solid), &files);
            let reading = looked_at(&bytes, "x.rar");
            let seen: Vec<_> = reading
                .inner
                .iter()
                .map(|inside| {
                    (
                        inside.file_name.as_deref().unwrap_or_default(),
                        inside.size_bytes,
                        inside.findings.as_slice(),
                    )
                })
                .collect();
            let disguised = [Finding::Program, Finding::Disguised];
            assert_eq!(
                seen,
                [
                    ("a/note.txt", 1200, [].as_slice()),
                    ("photo.jpg", 4, disguised.as_slice())
                ],
                "{version:?}, solid {solid}"
            );
            assert!(
                reading.inner[0]
                    .text
                    .as_deref()
                    .is_some_and(|text| text.starts_with("packed text"))
            );
        }
    }
    let rubbish = looked_at(b"Rar!\x1a\x07\x01\0rest", "x.rar");
    assert_eq!(rubbish.findings, [Finding::Unreadable]);
}

#[test]
fn locked_rar_archives_name_their_files_unless_the_names_are_locked_too() {
    use rars::{ArchiveVersion, Builder};
    let builder = || Builder::new(ArchiveVersion::Rar50).password(Some(b"1234".to_vec()));
    let files = [("invoice.exe", b"secret".as_slice()), ("b.txt", b"more")];
    let reading = looked_at(&rarred(builder(), &files), "x.rar");
    assert_eq!(reading.findings, [Finding::Encrypted]);
    let locked = vec![Finding::Encrypted];
    assert_eq!(
        inside(&reading),
        [
            (
                "1",
                "invoice.exe",
                vec![Finding::Encrypted, Finding::Program],
                ""
            ),
            ("2", "b.txt", locked, "")
        ]
    );
    let reading = looked_at(&rarred(builder().header_encryption(true), &files), "x.rar");
    assert_eq!(
        (reading.findings, reading.inner.len()),
        (vec![Finding::Encrypted], 0)
    );
}

#[test]
fn rar_bombs_stay_within_their_limits() {
    use rars::{ArchiveVersion, Builder};
    let limits = Limits {
        document_unpacked_bytes_max: 16 << 20,
        ..Limits::default()
    };
    let zeros = vec![0_u8; 12 << 20];
    let files = [
        ("a.bin", zeros.as_slice()),
        ("b.bin", &zeros),
        ("c.exe", b"MZ\x90\0"),
    ];
    let bytes = rarred(Builder::new(ArchiveVersion::Rar50), &files);
    let reading = read(&bytes, Some("x.rar"), "application/octet-stream", &limits);
    assert_eq!(reading.findings, [Finding::Bomb, Finding::TooLarge]);
    // What is not unpacked is named all the same.
    let names: Vec<&str> = reading
        .inner
        .iter()
        .filter_map(|inside| inside.file_name.as_deref())
        .collect();
    assert_eq!(names, ["a.bin", "b.bin", "c.exe"]);
}

#[test]
fn encrypted_archives_say_so_and_name_their_files() {
    // The bit that says a file is encrypted, set by hand in both places it stands.
    let mut archive = zipped(&[("invoice.exe", b"secret")]);
    archive[6] |= 1;
    let directory = archive
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    archive[directory + 8] |= 1;
    let reading = looked_at(&archive, "x.zip");
    assert_eq!(reading.findings, [Finding::Encrypted]);
    assert_eq!(
        inside(&reading),
        [(
            "1",
            "invoice.exe",
            vec![Finding::Encrypted, Finding::Program],
            ""
        )]
    );
}

#[test]
fn new_office_documents_give_text_links_and_dangers() {
    let types = ("[Content_Types].xml", b"<Types/>".as_slice());
    let body = "<w:document xmlns:w='x'><w:p><w:r><w:t>Pay &amp; go</w:t></w:r><w:r><w:tab/><w:t>now</w:t></w:r></w:p><w:p><w:t>发票</w:t></w:p></w:document>";
    let relations = "<Relationships><Relationship Type='http://x/hyperlink' Target='http://l.example/' TargetMode='External'/><Relationship Type='http://x/attachedTemplate' Target='http://t.example/t.dotm' TargetMode='External'/></Relationships>";
    let docx = zipped(&[
        types,
        ("word/document.xml", body.as_bytes()),
        ("word/_rels/document.xml.rels", relations.as_bytes()),
        ("word/vbaProject.bin", b"no project"),
        ("word/styles.xml", b"<a>style</a>"),
        ("word/embeddings/object.bin", b"MZ\x90\0"),
    ]);
    let reading = looked_at(&docx, "x.docx");
    assert_eq!(words(&reading), "Pay & go now 发票");
    assert_eq!(
        reading.findings,
        [
            Finding::FetchesRemote,
            Finding::Macro,
            Finding::EmbeddedFile
        ]
    );
    assert_eq!(
        reading.links,
        ["http://l.example/", "http://t.example/t.dotm"]
    );
    assert_eq!(reading.inner[0].findings, [Finding::Program]);

    let strings = "<sst><si><t>first cell</t></si><si><t>second</t></si></sst>";
    let xlsx = zipped(&[
        types,
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/macrosheets/sheet1.xml", b"<x/>"),
        ("xl/workbook.xml", b"<definedName name='_xlnm.Auto_Open'/>"),
    ]);
    let reading = looked_at(&xlsx, "x.xlsx");
    assert_eq!(words(&reading), "first cell second");
    assert_eq!(reading.findings, [Finding::Macro, Finding::MacroRunsItself]);

    let odt = zipped(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", "<o xmlns:text='t'><text:p>Guten <text:a xlink:href='http://o.example/'>Tag</text:a></text:p></o>".as_bytes()), ("Basic/Standard/Module1.xml", b"<x/>")]);
    let reading = looked_at(&odt, "x.odt");
    assert_eq!(words(&reading), "Guten Tag");
    assert_eq!(
        (reading.findings, reading.links),
        (vec![Finding::Macro], vec!["http://o.example/".to_owned()])
    );
}

#[test]
fn old_office_documents_give_their_text() {
    // A Word file: text in two pieces, one of them in Windows-1252.
    let mut main = vec![0_u8; 0x200];
    main[0x0b] = 0x02; // the table is in 1Table
    main[0x1a2..0x1a6].copy_from_slice(&0_u32.to_le_bytes());
    main[0x1a6..0x1aa].copy_from_slice(&33_u32.to_le_bytes());
    let wide: Vec<u8> = "发票".encode_utf16().flat_map(u16::to_le_bytes).collect();
    main.extend(&wide);
    let narrow = main.len() as u32;
    main.extend(b" for caf\xe9");
    let mut table = vec![2_u8];
    table.extend(28_u32.to_le_bytes());
    for position in [0_u32, 2, 11] {
        table.extend(position.to_le_bytes());
    }
    for place in [0x200, (narrow * 2) | 0x4000_0000] {
        table.extend(0_u16.to_le_bytes());
        table.extend(place.to_le_bytes());
        table.extend(0_u16.to_le_bytes());
    }
    let doc = compound(&[("/WordDocument", &main), ("/1Table", &table)]);
    assert_eq!(text(&looked_at(&doc, "x.doc")), "发票 for café");

    // An Excel file: a string that runs over the border of two records and changes its width there.
    let mut book = Vec::new();
    let mut record = |kind: u16, body: &[u8]| {
        book.extend(kind.to_le_bytes());
        book.extend((body.len() as u16).to_le_bytes());
        book.extend(body);
    };
    let mut strings = [2_u32.to_le_bytes(), 2_u32.to_le_bytes()].concat();
    strings.extend([3, 0, 0, b'o', b'n', b'e', 4, 0, 0, b't', b'w']);
    record(0x00fc, &strings);
    let rest: Vec<u8> = std::iter::once(1)
        .chain("ó!".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    record(0x003c, &rest);
    let xls = compound(&[("/Workbook", &book)]);
    assert_eq!(words(&looked_at(&xls, "x.xls")), "one twó!");

    let mut slides = Vec::new();
    slides.extend([0x0f, 0, 0xe8, 3, 100, 0, 0, 0]);
    slides.extend([0, 0, 0xa8, 0x0f, 5, 0, 0, 0]);
    slides.extend(b"slide");
    let ppt = compound(&[
        ("/PowerPoint Document", &slides),
        ("/Macros/VBA/_VBA_PROJECT", b"x"),
    ]);
    let reading = looked_at(&ppt, "x.ppt");
    assert_eq!(
        (words(&reading), reading.findings),
        ("slide".to_owned(), vec![Finding::Macro])
    );

    let locked = compound(&[("/EncryptedPackage", b"x"), ("/EncryptionInfo", b"x")]);
    assert_eq!(looked_at(&locked, "x.docx").findings, [Finding::Encrypted]);

    let utf16 = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let msg = compound(&[
        ("/__properties_version1.0", b"x"),
        ("/__substg1.0_0037001F", &utf16("A subject")),
        ("/__substg1.0_1000001F", &utf16("A body")),
        (
            "/__attach_version1.0_#00000000/__substg1.0_37010102",
            b"MZ\x90\0",
        ),
        (
            "/__attach_version1.0_#00000000/__substg1.0_3707001F",
            &utf16("a.exe"),
        ),
    ]);
    let reading = looked_at(&msg, "x.msg");
    assert_eq!(words(&reading), "A subject A body");
    assert_eq!(
        inside(&reading),
        [("1", "a.exe", vec![Finding::Program], "")]
    );
}

#[test]
fn rich_text_gives_its_text() {
    let rtf = br#"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator X;}{\info{\title T}}Caf\'e9 \u21457?\u31080? \b{bold}\par{\field{\*\fldinst HYPERLINK "http://r.example/"}{\fldrslt here}}{\object\objemb{\*\objdata 4d5a}}\bin3 {{{ end}"#;
    let reading = looked_at(rtf, "x.rtf");
    assert_eq!(words(&reading), "Café 发票 bold here end");
    assert_eq!(
        (reading.findings, reading.links),
        (
            vec![Finding::EmbeddedFile],
            vec!["http://r.example/".to_owned()]
        )
    );
}

#[test]
fn pdf_gives_text_links_and_actions() {
    use lopdf::content::{Content, Operation};
    use lopdf::{Document, Object, Stream, dictionary};
    let mut document = Document::with_version("1.5");
    let pages = document.new_object_id();
    let font = document.add_object(
        dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier" },
    );
    let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
    let content = Content {
        operations: vec![
            Operation::new("BT", vec![]),
            Operation::new("Tf", vec!["F1".into(), 12.into()]),
            Operation::new("Td", vec![100.into(), 600.into()]),
            Operation::new("Tj", vec![Object::string_literal("Pay this invoice")]),
            Operation::new("ET", vec![]),
        ],
    };
    let content = document.add_object(Stream::new(dictionary! {}, content.encode().unwrap()));
    let link = document.add_object(dictionary! { "Subtype" => "Link", "A" => dictionary! { "S" => "URI", "URI" => Object::string_literal("http://p.example/") } });
    let page = document.add_object(dictionary! { "Type" => "Page", "Parent" => pages, "Contents" => content, "Resources" => resources, "Annots" => vec![link.into()], "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()] });
    document.objects.insert(
        pages,
        Object::Dictionary(
            dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 },
        ),
    );
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages, "OpenAction" => dictionary! { "S" => "JavaScript", "JS" => Object::string_literal("app.alert(1)") } });
    document.trailer.set("Root", catalog);
    let mut bytes = b"rubbish\n".to_vec();
    let mut pdf = Vec::new();
    document.save_to(&mut pdf).unwrap();
    bytes.extend(pdf);
    let reading = looked_at(&bytes, "x.pdf");
    assert_eq!(words(&reading), "Pay this invoice");
    assert_eq!(
        (reading.findings, reading.links),
        (vec![Finding::Script], vec!["http://p.example/".to_owned()])
    );
    assert_eq!(
        looked_at(b"%PDF-1.7 nothing", "x.pdf").findings,
        [Finding::Unreadable]
    );
}

#[test]
fn codes_in_pictures_are_read() {
    let code = qrcode::QrCode::new(b"https://q.example/login").unwrap();
    let side = code.width();
    let (scale, border) = (4, 4);
    let total = ((side + 2 * border) * scale) as u32;
    let picture = image::GrayImage::from_fn(total, total, |x, y| {
        let at = |v: u32| {
            (v as usize / scale)
                .checked_sub(border)
                .filter(|at| *at < side)
        };
        let dark = at(x)
            .zip(at(y))
            .is_some_and(|place| code[place] == qrcode::Color::Dark);
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let reading = looked_at(png.get_ref(), "x.png");
    assert_eq!(
        (reading.findings, reading.links),
        (
            vec![Finding::QrCode],
            vec!["https://q.example/login".to_owned()]
        )
    );
}

#[test]
fn messages_in_archives_are_read() {
    let mail = b"From: a@b.example\r\nSubject: in the archive\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n\r\nthe body\r\n--B\r\nContent-Type: application/octet-stream; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAAEAAAA\r\n--B--\r\n";
    let reading = looked_at(&zipped(&[("letter.eml", mail)]), "x.zip");
    let paths: Vec<_> = inside(&reading)
        .into_iter()
        .map(|(path, _, findings, _)| (path, findings))
        .collect();
    assert_eq!(
        paths,
        [
            ("1/1", vec![]),
            ("1/2", vec![Finding::Program]),
            ("1", vec![])
        ]
    );
    assert_eq!(reading.inner[2].text.as_deref(), Some("in the archive"));
}

#[test]
fn bombs_stay_within_their_limits() {
    let limits = Limits {
        document_unpacked_bytes_max: 16 << 20,
        document_entries_max: 50,
        document_depth_max: 3,
        ..Limits::default()
    };
    let looked_at =
        |bytes: &[u8], name: &str| read(bytes, Some(name), "application/octet-stream", &limits);
    let zeros = vec![0_u8; 12 << 20];
    assert!(
        looked_at(&gzipped(&zeros), "x.gz")
            .findings
            .contains(&Finding::Bomb)
    );
    let more = gzipped(&vec![0_u8; 20 << 20]);
    assert!(
        looked_at(&more, "x.gz")
            .findings
            .contains(&Finding::TooLarge)
    );
    // Many of them in one, each again packed.
    let nested = zipped(&[("1.gz", &more), ("2.gz", &more), ("3.gz", &more)]);
    let reading = looked_at(&nested, "x.zip");
    assert!(reading.inner.iter().all(|inside| inside.text.is_none()));
    // Deep ones.
    let mut deep = zipped(&[("x.txt", b"x")]);
    for _ in 0..10 {
        deep = zipped(&[("x.zip", &deep)]);
    }
    let reading = looked_at(&deep, "x.zip");
    assert!(
        reading
            .inner
            .iter()
            .any(|inside| inside.findings.contains(&Finding::TooDeep))
    );
    // Many files.
    let names: Vec<String> = (0..100).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), b"x".as_slice()))
        .collect();
    let reading = looked_at(&zipped(&files), "x.zip");
    assert_eq!(
        (reading.inner.len(), reading.findings),
        (50, vec![Finding::TooLarge])
    );
    // Files that share their bytes: two entries of the directory that name one place.
    let mut twice = zipped(&[("a.txt", b"hello"), ("b.txt", b"world")]);
    let directories: Vec<usize> = (0..twice.len() - 4)
        .filter(|at| &twice[*at..at + 4] == b"PK\x01\x02")
        .collect();
    let (first, second) = (directories[0] + 42, directories[1] + 42);
    let place: [u8; 4] = twice[first..first + 4].try_into().unwrap();
    twice[second..second + 4].copy_from_slice(&place);
    assert_eq!(looked_at(&twice, "x.zip").findings, [Finding::Bomb]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_documents_are_read_as_far_as_they_go(place in 0_usize..2000, byte in any::<u8>(), cut in 0_usize..2000, which in 0_usize..4) {
        let body = "<w:document><w:p><w:t>text of it</w:t></w:p></w:document>";
        let documents = [
            zipped(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", body.as_bytes())]),
            gzipped(&tarred(&[("a.txt", b"some text in it")])),
            compound(&[("/Workbook", &[0xfc, 0, 12, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, b'x']), ("/Macros/VBA/_VBA_PROJECT", b"x")]),
            br"{\rtf1\ansi {\fonttbl x}\'e9 \u123? {\field{\*\fldinst x}}}".to_vec(),
        ];
        let mut bytes = documents[which].clone();
        let at = place % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut % bytes.len() / 4);
        looked_at(&bytes, "x.bin");
    }
}
