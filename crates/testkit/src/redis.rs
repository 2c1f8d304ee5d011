//! A real Redis server on loopback that keeps nothing on disk. Valkey speaks the same; Debian 12 has Redis.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::place::{free_port, run};
use crate::process::{Program, Ready, Service};

/// A running server; ended and its folder removed on drop.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    port: u16,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with more options, as they stand on its command line.
    pub fn start_with(options: &[&str]) -> Result<Self> {
        let port = free_port();
        let service = Program::new("/usr/bin/redis-server")?
            .args(["--bind", "127.0.0.1", "--port"])
            .args([port.to_string()])
            .args(["--save", "", "--appendonly", "no"])
            .args(options)
            .ready_when(Ready::Port(port))
            .start()?;
        Ok(Self { service, port })
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it answers to a command.
    pub fn say(&self, command: &[&str]) -> Result<String> {
        run(Command::new("/usr/bin/redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command))
    }

    /// Stops it at once; what it held is lost.
    pub fn stop(&mut self) -> Result<()> {
        self.service.terminate(Duration::from_secs(10))?;
        Ok(())
    }

    /// Starts it again on the same port, empty.
    pub fn start_again(&mut self) -> Result<()> {
        self.service.start_again()
    }
}
