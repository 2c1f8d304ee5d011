//! RAR archives of every age: what is inside, and of what is locked or split over volumes at least the names.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;

use mail::message::Finding;
use rars::{
    ArchiveMember, ArchiveReadOptions, ArchiveReader, Error, ErrorKind, ExtractionDecision,
    ExtractionErrorAction,
};

use crate::walk::{Place, Seen, Walk};

/// Bytes of headers read of one archive: names are long, but not that long.
const HEADER_BYTES_MAX: u64 = 4 << 20;

pub(crate) fn open(walk: &mut Walk<'_>, bytes: &[u8], at: Place<'_>, seen: &mut Seen) {
    let options = options(walk);
    let archive = match ArchiveReader::read_with_options(bytes, options) {
        Ok(archive) => archive,
        Err(error) => {
            seen.found(finding_of(&error));
            return;
        }
    };
    let names: Vec<String> = archive
        .members()
        .filter(is_file)
        .map(|member| member.meta.name_lossy())
        .collect();
    let solid = archive.is_solid();
    let mut members = Members::new(walk, seen, at);
    let failed = members.failed.clone();
    let walked = archive.extract_with_control_and_errors(
        options,
        |member| Ok(members.next(member, solid)),
        |_, error| {
            failed.set(Some(finding_of(error)));
            Ok(ExtractionErrorAction::Continue)
        },
    );
    if let Err(error) = &walked {
        failed.set(Some(finding_of(error)));
    }
    members.finish();
    let begun = members.begun;
    if let Err(error) = walked {
        let finding = finding_of(&error);
        seen.found(finding);
        for (number, name) in names.iter().enumerate().skip(begun) {
            walk.keep_name(name, number + 1, at, finding);
        }
    }
}

fn options(walk: &Walk<'_>) -> ArchiveReadOptions<'static> {
    let room = walk.unpacked_room();
    ArchiveReadOptions::new()
        .with_max_header_count(walk.limits.document_entries_max as u64 + 16)
        .with_max_header_bytes(HEADER_BYTES_MAX)
        .with_max_member_output_bytes(room)
        .with_max_total_output_bytes(room)
        .with_max_reader_workspace_bytes(walk.limits.document_memory_bytes / 2)
        .with_rar50_dictionary_size_limit(walk.limits.document_memory_bytes / 4)
}

fn is_file(member: &ArchiveMember) -> bool {
    !member.meta.is_directory && !member.meta.is_redirection
}

fn finding_of(error: &Error) -> Finding {
    match error.kind() {
        ErrorKind::PasswordRequired | ErrorKind::BadPassword => Finding::Encrypted,
        ErrorKind::ResourceLimit => Finding::TooLarge,
        // Decryption is not built in: without the password it would say no more.
        ErrorKind::UnsupportedFeature => Finding::Encrypted,
        _ => Finding::Unreadable,
    }
}

/// The members of an archive as they come by. A member's bytes are whole when the next one is asked about.
struct Members<'w, 'l, 's, 'p> {
    walk: &'w mut Walk<'l>,
    seen: &'s mut Seen,
    at: Place<'p>,
    bytes: Rc<RefCell<Vec<u8>>>,
    /// What went wrong with the one under way.
    failed: Rc<Cell<Option<Finding>>>,
    under_way: Option<UnderWay>,
    /// Files begun, which is also the number of the last one.
    begun: usize,
}

struct UnderWay {
    name: String,
    packed: u64,
}

impl<'w, 'l, 's, 'p> Members<'w, 'l, 's, 'p> {
    fn new(walk: &'w mut Walk<'l>, seen: &'s mut Seen, at: Place<'p>) -> Self {
        Self {
            walk,
            seen,
            at,
            bytes: Rc::default(),
            failed: Rc::default(),
            under_way: None,
            begun: 0,
        }
    }

    /// Finishes the member before, and says what shall be done with this one. In a solid archive nothing can be passed over.
    fn next(&mut self, member: &ArchiveMember, solid: bool) -> ExtractionDecision {
        if !self.finish() {
            return ExtractionDecision::Stop;
        }
        if !is_file(member) {
            return ExtractionDecision::Skip;
        }
        if !self.walk.one_more(self.seen) {
            return ExtractionDecision::Stop;
        }
        self.begun += 1;
        let meta = &member.meta;
        let closed = if meta.is_encrypted {
            Some(Finding::Encrypted)
        } else if meta.is_split_before || meta.is_split_after {
            Some(Finding::NotInspected)
        } else {
            None
        };
        if let Some(finding) = closed.filter(|_| !solid) {
            self.keep_name(&meta.name_lossy(), finding);
            return ExtractionDecision::Skip;
        }
        self.under_way = Some(UnderWay {
            name: meta.name_lossy(),
            packed: meta.packed_size,
        });
        ExtractionDecision::Extract(Box::new(Sink(self.bytes.clone())))
    }

    /// Looks at the member under way, if there is one. False: stop taking any.
    fn finish(&mut self) -> bool {
        let failed = self.failed.take();
        let bytes = std::mem::take(&mut *self.bytes.borrow_mut());
        let Some(UnderWay { name, packed }) = self.under_way.take() else {
            return true;
        };
        if let Some(finding) = failed {
            self.keep_name(&name, finding);
            return true;
        }
        let unpacked = self
            .walk
            .unpack(&mut bytes.as_slice(), Some(packed), self.seen);
        unpacked.is_some_and(|bytes| self.walk.take(&bytes, &name, self.begun, self.at))
    }

    fn keep_name(&mut self, name: &str, finding: Finding) {
        self.seen.found(finding);
        self.walk.keep_name(name, self.begun, self.at, finding);
    }
}

/// Where a member's bytes go. How many they may be is in the options of the reading.
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
