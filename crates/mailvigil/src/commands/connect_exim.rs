//! `connect exim`: the exact settings, and proof that mail comes past the filter.
//!
//! Exim's configuration is a program its administrator writes, in one file or many, so it is not edited here.

use anyhow::bail;
use engine::Desk;

use crate::cli::ConnectEximArgs;
use crate::commands::connect::canary;
use crate::config::{Config, Listen};

/// Prints the settings, or sends a canary through.
pub async fn run(config: &Config, desk: &Desk, args: &ConnectEximArgs) -> anyhow::Result<()> {
    let Some(place) = config.doors.scan.listen.iter().find_map(place) else {
        bail!(
            "no door is open for Exim: put this into the configuration and start the service again\n\n[scan]\nlisten = \"127.0.0.1:7783\"\nobeyed = true"
        )
    };
    if args.canary {
        println!("sending a canary through {} …", args.smtp);
        let hint = "Is acl_smtp_data the ACL with the settings?";
        return canary(desk, "Exim", &args.smtp, &args.canary_to, hint).await;
    }
    print!("{}", settings(&place, config.doors.scan.obeyed));
    Ok(())
}

/// As Exim names the door.
fn place(listen: &Listen) -> Option<String> {
    match listen {
        Listen::Tcp(address) => Some(format!("{} {}", address.ip(), address.port())),
        Listen::Unix(path) => Some(path.display().to_string()),
        Listen::Tls(_) => None,
    }
}

/// Main section, and ACL after the text.
fn settings(place: &str, obeyed: bool) -> String {
    let advice = if obeyed {
        ""
    } else {
        "# Mailvigil holds nothing for this Exim: set obeyed = true in [scan] when these settings are in place,\n# and mail to be quarantined is held there.\n"
    };
    format!(
        "{advice}\
# main section
spamd_address = {place} variant=rspamd
acl_smtp_data = mailvigil_data

# behind `begin acl`; or put its statements into the ACL you have, before its last accept
mailvigil_data:
  # Asks. Without an answer the message is put off (451); write nobody:true/defer_ok to let it pass unjudged.
  require spam      = nobody:true
  deny    condition = ${{if eq{{$spam_action}}{{reject}}}}
          message   = Refused by policy
  defer   condition = ${{if eq{{$spam_action}}{{soft reject}}}}
          message   = Please try again later
  # Held by Mailvigil, or deleted by policy.
  discard condition = ${{if eq{{$spam_action}}{{discard}}}}
  warn    condition = ${{if eq{{$spam_action}}{{add header}}}}
          add_header = X-Mailvigil: suspicious, score=$spam_score
  warn    remove_header = Mailvigil-Release
  accept

# then: exim -bV, reload, and
#   mailvigil connect exim --canary
"
    )
}
