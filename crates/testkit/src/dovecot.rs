//! A real Dovecot (2.3) of its own for a test: IMAP, POP3 and SASL for a Postfix, accounts in a file.
//!
//! Clients on loopback are trusted to say whom they play (`ID ("x-originating-ip" …)`), as a proxy in front would be, so one test
//! can play a thousand addresses. Dovecot's own delays for failed logins are off: what slows a client down is what is tested.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::place::{free_port, is_root};
use crate::process::{Program, Ready, Service};

/// What a Dovecot is started with.
#[derive(Debug, Default)]
pub struct Setup {
    accounts: Vec<(String, String)>,
    policy: Option<(u16, String)>,
    settings: String,
}

/// A running Dovecot; ended and its folder removed on drop.
#[derive(Debug)]
pub struct Dovecot {
    service: Service,
    imap: u16,
    pop3: u16,
    sasl: u16,
}

impl Setup {
    /// An account with its password.
    #[must_use]
    pub fn account(mut self, name: &str, password: &str) -> Self {
        self.accounts.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Asks and tells about logins, and tells of commands, at this loopback port, with this secret.
    #[must_use]
    pub fn policy(mut self, port: u16, secret: &str) -> Self {
        self.policy = Some((port, secret.to_owned()));
        self
    }

    /// Any further settings.
    #[must_use]
    pub fn set(mut self, text: &str) -> Self {
        self.settings.push_str(text);
        self.settings.push('\n');
        self
    }

    /// Writes the settings, starts Dovecot and returns when it listens.
    pub fn start(self) -> Result<Dovecot> {
        ensure!(
            is_root(),
            "Dovecot starts only as root: run the tests as root"
        );
        let program = Program::new("/usr/sbin/dovecot")?;
        let folder = program.folder().to_path_buf();
        let open = |path: &PathBuf| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))
                .with_context(|| format!("{} stays closed", path.display()))
        };
        open(&folder)?;
        let mail = folder.join("mail");
        std::fs::create_dir(&mail)?;
        open(&mail)?;
        let (imap, pop3, sasl) = (free_port(), free_port(), free_port());
        let at = folder.display();
        let policy = self.policy.map_or_else(String::new, |(port, secret)| {
            format!(
                "auth_policy_server_url = http://127.0.0.1:{port}/\n\
                 auth_policy_server_api_header = X-API-Key: {secret}\n\
                 auth_policy_hash_nonce = a-nonce-of-the-tests\n\
                 event_exporter vigil {{\n  format = json\n  format_args = time-rfc3339\n  transport = http-post\n  \
                 transport_args = http://dovecot:{secret}@127.0.0.1:{port}/events\n  transport_timeout = 250 msec\n}}\n\
                 metric imap_commands {{\n  filter = event=imap_command_finished\n  exporter = vigil\n}}\n\
                 metric pop3_commands {{\n  filter = event=pop3_command_finished\n  exporter = vigil\n}}\n"
            )
        });
        let config = format!(
            "base_dir = {at}/run\nstate_dir = {at}/state\nlog_path = /dev/stderr\ninfo_log_path = /dev/stderr\n\
             protocols = imap pop3\nlisten = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nauth_mechanisms = plain login\n\
             login_trusted_networks = 127.0.0.0/8\nimap_id_retain = yes\nauth_failure_delay = 0\nfirst_valid_uid = 1\n\
             mail_location = maildir:{at}/mail/%u\nmail_max_userip_connections = 1000\n\
             passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN {at}/users\n}}\n\
             userdb {{\n  driver = static\n  args = uid=mail gid=mail home={at}/mail/%u\n}}\n\
             service anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
             service imap-login {{\n  service_count = 0\n  client_limit = 1000\n  inet_listener imap {{\n    port = {imap}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
             service pop3-login {{\n  inet_listener pop3 {{\n    port = {pop3}\n  }}\n  inet_listener pop3s {{\n    port = 0\n  }}\n}}\n\
             service auth {{\n  inet_listener sasl {{\n    port = {sasl}\n  }}\n}}\n\
             service stats {{\n  client_limit = 10000\n}}\n\
             {policy}{}",
            self.settings
        );
        let users: String = self
            .accounts
            .iter()
            .map(|(name, password)| format!("{name}:{password}\n"))
            .collect();
        let service = program
            .file("users", &users)?
            .file("dovecot.conf", &config)?
            .args(["-F", "-c", "dovecot.conf"])
            .ready_when(Ready::Port(imap))
            .start()?;
        Ok(Dovecot {
            service,
            imap,
            pop3,
            sasl,
        })
    }
}

impl Dovecot {
    /// Its configuration file, for its own programs.
    pub fn config_file(&self) -> PathBuf {
        self.service.folder().join("dovecot.conf")
    }

    /// Where IMAP is spoken.
    pub const fn imap_port(&self) -> u16 {
        self.imap
    }

    /// Where POP3 is spoken.
    pub const fn pop3_port(&self) -> u16 {
        self.pop3
    }

    /// Where a Postfix asks: `smtpd_sasl_path = inet:127.0.0.1:PORT`.
    pub const fn sasl_port(&self) -> u16 {
        self.sasl
    }

    /// Where it writes its log.
    pub fn log_path(&self) -> PathBuf {
        self.service.log_path()
    }

    /// What it has written.
    pub fn log(&self) -> String {
        self.service.log()
    }
}
