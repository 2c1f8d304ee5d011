//! Files that are whole or not there.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// Writes a file beside the old one, and puts it in its place when it is whole and on disk. Nobody else may read it.
pub(crate) fn put_in_place(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let fresh = path.with_extension("new");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    std::fs::rename(&fresh, path)
}
