//! A real nginx as a mail proxy that asks by `auth_http` who may log in and where to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::place::free_port;
use crate::process::{Program, Ready, Service};

/// An nginx that listens for IMAP on loopback and believes the PROXY protocol about where a client is.
#[derive(Debug)]
pub struct Nginx {
    service: Service,
    imap_port: u16,
}

impl Nginx {
    /// Starts it. `auth_http` is where it asks, `HOST:PORT/PATH`; `key` what it brings as `X-API-Key`.
    pub fn start(auth_http: &str, key: &str) -> Result<Self> {
        let imap_port = free_port();
        let program = Program::new("/usr/sbin/nginx")?;
        let folder = program.folder().display().to_string();
        let config = format!(
            "load_module /usr/lib/nginx/modules/ngx_mail_module.so;\n\
             daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr info;\n\
             events {{ worker_connections 512; }}\n\
             mail {{\n  auth_http {auth_http};\n  auth_http_header X-API-Key {key};\n  \
             server {{\n    listen 127.0.0.1:{imap_port} proxy_protocol;\n    protocol imap;\n    set_real_ip_from 127.0.0.0/8;\n  }}\n}}\n"
        );
        let service = program
            .file("nginx.conf", &config)?
            .args(["-e", "stderr", "-p", &folder, "-c", "nginx.conf"])
            .ready_when(Ready::Port(imap_port))
            .start()?;
        Ok(Self { service, imap_port })
    }

    /// Logs in by IMAP from `ip`, as a load balancer tells it; the answer's line.
    pub fn login(&self, ip: &str, user: &str, password: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.imap_port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        // In one piece: nginx does not wait for the rest of this line.
        stream.write_all(format!("PROXY TCP4 {ip} 127.0.0.1 40000 143\r\n").as_bytes())?;
        let mut answers = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        answers.read_line(&mut line).context("no greeting")?;
        stream.write_all(format!("a LOGIN {user} {password}\r\n").as_bytes())?;
        loop {
            line.clear();
            let read = answers.read_line(&mut line).context("no answer")?;
            if read == 0 || line.starts_with("a ") {
                return Ok(line);
            }
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.service.log()
    }
}
