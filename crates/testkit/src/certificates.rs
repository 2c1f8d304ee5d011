//! Certificates for servers and clients on loopback, made by the real openssl.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

const SCRIPT: &str = "set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=root -days 2
printf 'subjectAltName=IP:127.0.0.1' >san
for who in server client; do
    openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
    openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out $who.pem -days 2 -extfile san
done
openssl req -x509 -newkey rsa:2048 -nodes -keyout stranger.key -out stranger.pem -subj /CN=stranger -days 2";

/// Writes `ca.pem`, and by that root `server.pem` and `client.pem` for 127.0.0.1; beside them `stranger.pem`, for which nobody vouches. Keys end in
/// `.key`.
pub fn write_to(folder: &Path) -> anyhow::Result<()> {
    let made = Command::new("sh")
        .current_dir(folder)
        .args(["-c", SCRIPT])
        .output()
        .context("sh cannot be run")?;
    ensure!(
        made.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(())
}
