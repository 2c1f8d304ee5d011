//! What a Postfix of the tests is made of: folders, `main.cf`, `master.cf`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Ports;
use crate::place::{Account, run};

/// `main.cf` for an instance in `folder`, with `settings` in place of the defaults.
pub(super) fn main(folder: &Path, settings: &[(String, String)]) -> Result<String> {
    let mut main = String::from(MAIN);
    let folder = folder.display();
    for (name, place) in [
        ("queue_directory", "/queue"),
        ("data_directory", "/data"),
        ("maillog_file", "/mail.log"),
        ("maillog_file_prefixes", ""),
    ] {
        writeln!(main, "{name} = {folder}{place}")?;
    }
    // Twice the same name makes Postfix complain, so a setting takes the place of the default.
    for (name, value) in settings {
        ensure!(
            !value.contains('\n'),
            "a setting is one line: {name} = {value:?}"
        );
        let line = format!("{name} = {value}");
        let is_same = |known: &&str| known.split(" =").next() == Some(name);
        main = match main.lines().find(is_same) {
            Some(known) => main.replace(&format!("\n{known}\n"), &format!("\n{line}\n")),
            None => format!("{main}{line}\n"),
        };
    }
    Ok(main)
}

/// Whose a folder is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner {
    /// Root alone.
    Root,
    /// The account the daemons run as.
    Postfix,
    /// The same, with the group whose members may hand mail in.
    PostfixDrop,
}

/// The owners' numbers on this machine.
pub(super) struct Owners {
    root: Account,
    postfix: Account,
    postfix_drop: Account,
}

impl Owners {
    /// Looks them up.
    pub(super) fn of_this_machine() -> Result<Self> {
        let postfix = Account::named("postfix")?;
        let group = run(Command::new("getent").args(["group", "postdrop"]))?;
        let number = group
            .split(':')
            .nth(2)
            .and_then(|number| number.parse().ok());
        let group = number.with_context(|| format!("no number of a group in {group:?}"))?;
        let postfix_drop = Account { group, ..postfix };
        Ok(Self {
            root: Account::named("root")?,
            postfix,
            postfix_drop,
        })
    }

    /// The numbers of one of them.
    pub(super) fn account(&self, owner: Owner) -> Account {
        match owner {
            Owner::Root => self.root,
            Owner::Postfix => self.postfix,
            Owner::PostfixDrop => self.postfix_drop,
        }
    }
}

/// Folders, owners and modes as in Postfix' own `postfix-files`.
pub(super) const FOLDERS: &[(&str, Owner, u32)] = &[
    ("config", Owner::Root, 0o755),
    ("data", Owner::Postfix, 0o700),
    ("queue", Owner::Root, 0o755),
    ("queue/active", Owner::Postfix, 0o700),
    ("queue/bounce", Owner::Postfix, 0o700),
    ("queue/corrupt", Owner::Postfix, 0o700),
    ("queue/defer", Owner::Postfix, 0o700),
    ("queue/deferred", Owner::Postfix, 0o700),
    ("queue/flush", Owner::Postfix, 0o700),
    ("queue/hold", Owner::Postfix, 0o700),
    ("queue/incoming", Owner::Postfix, 0o700),
    ("queue/private", Owner::Postfix, 0o700),
    ("queue/maildrop", Owner::PostfixDrop, 0o730),
    ("queue/public", Owner::PostfixDrop, 0o710),
    ("queue/pid", Owner::Root, 0o755),
    ("queue/saved", Owner::Postfix, 0o700),
    ("queue/trace", Owner::Postfix, 0o700),
];

/// `main.cf` without what is decided at start.
const MAIN: &str = "\
# Written by Mailvigil's tests.
compatibility_level = 3.6
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin

# Names: nothing is looked up, nothing is local, everything goes to the sink.
inet_interfaces = 127.0.0.1
inet_protocols = all
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
myorigin = $myhostname
mydestination =
local_transport = error:nothing is local here
local_recipient_maps =
alias_maps =
alias_database =
default_transport = error:no delivers_to in this test
relay_transport = $default_transport
relay_domains =

# Who may do what.
mynetworks = 127.0.0.0/8
# Everybody may. smtpd does not run on a plain \"permit\": it asks for a refusal in the list.
smtpd_relay_restrictions = check_client_access static:OK, reject
smtpd_recipient_restrictions =
smtpd_authorized_xclient_hosts = 127.0.0.0/8

# Milters: the other ports override smtpd_milters in master.cf.
testkit_milters =
smtpd_milters = $testkit_milters
milter_default_action = tempfail
milter_connect_timeout = 30s
milter_command_timeout = 30s
milter_content_timeout = 300s

# Bytes stay what they are.
message_size_limit = 67108864
mailbox_size_limit = 0
smtp_line_length_limit = 0
local_header_rewrite_clients =
disable_mime_output_conversion = yes
smtputf8_enable = yes
append_dot_mydomain = no

# Nothing slows a client down, and deferred mail comes back quickly.
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 10000
smtpd_hard_error_limit = 100000
smtpd_junk_command_limit = 100000
smtpd_recipient_limit = 10000
in_flow_delay = 0
queue_minfree = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
notify_classes =
biff = no
";

/// `master.cf`: the three doors, and Postfix' own services without chroot.
pub(super) fn master(ports: Ports) -> String {
    let Ports {
        judged,
        plain,
        reinjection,
    } = ports;
    format!(
        "\
127.0.0.1:{judged} inet n - n - - smtpd
127.0.0.1:{plain} inet n - n - - smtpd
    -o syslog_name=postfix/plain -o smtpd_milters=
127.0.0.1:{reinjection} inet n - n - - smtpd
    -o syslog_name=postfix/reinjection -o smtpd_milters= -o smtpd_authorized_xclient_hosts=
    -o smtpd_proxy_filter= -o content_filter=
    -o smtpd_client_restrictions=permit_mynetworks,reject
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
    )
}
