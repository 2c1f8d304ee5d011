//! A PostgreSQL server of its own for a test.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let postgres = testkit::postgres::Postgres::start()?;
//! let url = postgres.fresh_database()?; // "postgres://postgres@127.0.0.1:PORT/test_1"
//! # let _ = url;
//! # Ok(())
//! # }
//! ```
//!
//! It runs with PostgreSQL's own durability settings (`fsync` on): what a test calls durable is.
//! A `static` `OnceLock<Postgres>` shared by the tests of one binary is fine; the server is ended
//! with the process. Each test then takes a database with [`Postgres::fresh_database`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::place::{Account, free_port, is_root, run};
use crate::process::{Program, Ready, Service};

/// A running PostgreSQL server; ended and its folder removed on drop.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    programs: PathBuf,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// Makes a new cluster in a temporary folder and starts it on a free loopback port.
    ///
    /// PostgreSQL refuses to run as root: then it runs as the account `postgres`.
    pub fn start() -> Result<Self> {
        Self::start_with(&["shared_buffers=64MB"])
    }

    /// The same with settings of its own, each `name=value`: for measuring a server that is set up for its load.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let own = settings;
        let programs = programs()?;
        let port = free_port();
        let mut program = Program::new(programs.join("postgres"))?;
        if is_root() {
            program = program.account(Account::named("postgres")?)?;
        }
        let data = program.folder().join("data");
        // `--no-sync` spares the sync of the new, empty cluster only.
        run(program
            .command(programs.join("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
            ])
            .args(["--locale=C.UTF-8", "--pgdata"])
            .arg(&data))?;
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", program.folder().display()),
            "max_connections=300".to_owned(),
        ];
        let service = program
            .args(["-D".as_ref(), data.as_os_str()])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .args(own.iter().flat_map(|setting| ["-c", setting]))
            .ready_when(Ready::Line(
                "database system is ready to accept connections".to_owned(),
            ))
            // On KILL a postmaster leaves its shared memory behind; QUIT ends it at once, cleanly.
            .end_signal(Signal::QUIT)
            .start()?;
        Ok(Self {
            service,
            programs,
            port,
            databases: AtomicU32::new(0),
        })
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`: the administrator in the default database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes a new, empty database and returns its address.
    pub fn fresh_database(&self) -> Result<String> {
        let name = format!(
            "test_{}",
            self.databases.fetch_add(1, Ordering::Relaxed) + 1
        );
        self.sql(&format!("CREATE DATABASE {name}"))?;
        Ok(self.url_of(&name))
    }

    /// Runs SQL in the default database and returns the rows, columns separated by `|`.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in(&self.url(), sql)
    }

    /// The same in the database of this address.
    pub fn sql_in(&self, url: &str, sql: &str) -> Result<String> {
        run(Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args([
                "--set",
                "ON_ERROR_STOP=1",
                "--dbname",
                url,
                "--command",
                sql,
            ]))
    }

    /// The loopback port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        self.service.log()
    }

    /// Stops the server at once, dropping every connection; the data stays for
    /// [`Postgres::start_again`].
    pub fn stop(&mut self) -> Result<()> {
        // INT is PostgreSQL's "fast" shutdown: clients are thrown out, data is written.
        self.service.signal(Signal::INT)?;
        self.service.wait_for_end(Duration::from_secs(20))?;
        Ok(())
    }

    /// Starts a stopped server again, on the same port with the same data.
    pub fn start_again(&mut self) -> Result<()> {
        self.service.start_again()
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// The newest installed `/usr/lib/postgresql/VERSION/bin`. Debian keeps them off the search path.
fn programs() -> Result<PathBuf> {
    let version = |folder: &Path| -> Option<u32> { folder.file_name()?.to_str()?.parse().ok() };
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|folder| folder.join("bin/postgres").exists())
        .max_by_key(|folder| version(folder))
        .map(|folder| folder.join("bin"))
        .context("PostgreSQL is not installed (Debian package postgresql)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_with_durable_writes_and_gives_empty_databases() {
        let mut postgres = Postgres::start().expect("starts");
        assert_eq!(postgres.sql("SHOW fsync").expect("answers").trim(), "on");
        assert_eq!(
            postgres
                .sql("SHOW synchronous_commit")
                .expect("answers")
                .trim(),
            "on"
        );

        let one = postgres.fresh_database().expect("a database");
        let two = postgres.fresh_database().expect("a database");
        assert_ne!(one, two);
        let names = postgres
            .sql("SELECT datname FROM pg_database WHERE datname LIKE 'test%' ORDER BY 1")
            .expect("answers");
        assert_eq!(names, "test_1\ntest_2\n");

        postgres.stop().expect("stops");
        assert!(
            postgres.sql("SELECT 1").is_err(),
            "a stopped server answers nobody"
        );
        postgres.start_again().expect("starts again");
        assert_eq!(
            postgres
                .sql("SELECT count(*) FROM pg_database")
                .expect("answers"),
            "5\n"
        );
    }

    #[test]
    fn an_sql_error_is_an_error() {
        let postgres = Postgres::start().expect("starts");
        let error = postgres.sql("SELEC 1").expect_err("not SQL");
        assert!(error.to_string().contains("syntax error"), "{error}");
    }
}
