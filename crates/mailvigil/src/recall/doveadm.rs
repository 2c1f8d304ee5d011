//! Copies moved by Dovecot's `doveadm`.

use std::time::Duration;

use engine::{CopyToMove, RecallState};
use tokio::process::Command;

use super::{Done, counted, folder_of, undone};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Exit codes of `doveadm` (sysexits.h).
const EXISTS: i32 = 65;
const NO_SUCH_USER: i32 = 67;
const LATER: i32 = 75;

/// Why a command did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    NoSuchUser,
    Later(String),
    Other(i32, String),
}

/// The program, and where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doveadm {
    /// The program by its whole path, with what stands before its command.
    pub command: Vec<String>,
    /// A doveadm server that carries it out (`-S`): a socket or HOST:PORT.
    pub server: Option<String>,
    /// The folder copies are moved into.
    pub folder: String,
    /// The account that keeps them; `None` leaves them with their owners.
    pub keeper: Option<String>,
}

impl Doveadm {
    pub async fn carry_out(&self, copy: &CopyToMove) -> Done {
        let recall = &copy.recall;
        if recall.mailbox.contains(['*', '?']) {
            let said = "the mailbox has a wildcard in its name".to_owned();
            return Done::Is(undone(recall.state), said);
        }
        let done = if recall.state == RecallState::BackWanted {
            self.put_back(copy).await
        } else {
            self.take(copy).await
        };
        match done {
            Ok((state, said)) => Done::Is(state, said),
            Err(Failure::NoSuchUser) if recall.state == RecallState::Wanted => {
                Done::Is(RecallState::NotThere, "no such account".to_owned())
            }
            Err(Failure::NoSuchUser) => {
                Done::Is(undone(recall.state), "no such account".to_owned())
            }
            Err(Failure::Later(why)) => Done::Later(why),
            Err(Failure::Other(code, why)) => Done::Is(
                undone(recall.state),
                format!("doveadm ended with {code}: {why}"),
            ),
        }
    }

    async fn take(&self, copy: &CopyToMove) -> Result<(RecallState, String), Failure> {
        let owner = copy.recall.mailbox.as_str();
        let (keeper, folder) = self.keeper_and_folder(owner);
        // A move must name mailboxes, and `mailbox *` by itself finds nothing where a namespace has a prefix (Dovecot 2.3); with an exception it does.
        let lies = ["mailbox", "*", "not", "mailbox", folder.as_str()];
        let found = self.count(owner, &lies, copy).await?;
        if found == 0 {
            // A crash may have come between moving and noting it.
            return Ok(
                if self
                    .count(keeper, &["mailbox", folder.as_str()], copy)
                    .await?
                    > 0
                {
                    (RecallState::Recalled, String::new())
                } else {
                    (
                        RecallState::NotThere,
                        "no such copy is in the mailbox".to_owned(),
                    )
                },
            );
        }
        match self
            .run("mailbox create", &["-u", keeper, folder.as_str()])
            .await
        {
            Ok(_) | Err(Failure::Other(EXISTS, _)) => {}
            Err(failure) => return Err(failure),
        }
        self.move_into(keeper, &folder, owner, &lies, copy).await?;
        Ok((RecallState::Recalled, counted(found)))
    }

    async fn put_back(&self, copy: &CopyToMove) -> Result<(RecallState, String), Failure> {
        let owner = copy.recall.mailbox.as_str();
        let (keeper, folder) = self.keeper_and_folder(owner);
        let lies = ["mailbox", folder.as_str()];
        if self.count(keeper, &lies, copy).await? == 0 {
            return Ok(
                if self.count(owner, &["mailbox", "INBOX"], copy).await? > 0 {
                    (RecallState::Back, String::new())
                } else {
                    let said =
                        "it is not in the folder any more, and not in the mailbox".to_owned();
                    (RecallState::Recalled, said)
                },
            );
        }
        self.move_into(owner, "INBOX", keeper, &lies, copy).await?;
        Ok((RecallState::Back, String::new()))
    }

    /// Who keeps an owner's copies, and where.
    fn keeper_and_folder<'a>(&'a self, owner: &'a str) -> (&'a str, String) {
        match &self.keeper {
            None => (owner, self.folder.clone()),
            Some(keeper) => (keeper, folder_of(owner, &self.folder)),
        }
    }

    async fn count(&self, user: &str, lies: &[&str], copy: &CopyToMove) -> Result<usize, Failure> {
        let mut arguments = vec!["-u", user];
        arguments.extend(lies);
        arguments.extend(found_by(copy));
        let found = self.run("search", &arguments).await?;
        Ok(found.lines().filter(|line| !line.trim().is_empty()).count())
    }

    async fn move_into(
        &self,
        to: &str,
        folder: &str,
        from: &str,
        lies: &[&str],
        copy: &CopyToMove,
    ) -> Result<(), Failure> {
        let mut arguments = vec!["-u", to, folder];
        if from != to {
            arguments.extend(["user", from]);
        }
        arguments.extend(lies);
        arguments.extend(found_by(copy));
        self.run("move", &arguments).await.map(drop)
    }

    /// Runs a command, without a shell and without our surroundings; what it wrote.
    async fn run(&self, command: &str, arguments: &[&str]) -> Result<String, Failure> {
        let (program, before) = self
            .command
            .split_first()
            .ok_or_else(|| Failure::Other(-1, "no program is configured".to_owned()))?;
        let server = self.server.iter().flat_map(|server| ["-S", server]);
        let child = Command::new(program)
            .args(before)
            .args(command.split(' '))
            .args(server)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(PATIENCE, child).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(Failure::Other(-1, format!("{program}: {error}"))),
            Err(_) => return Err(Failure::Later("it takes too long".to_owned())),
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: String = said.trim().chars().take(300).collect();
        Err(match output.status.code() {
            Some(NO_SUCH_USER) => Failure::NoSuchUser,
            Some(LATER) | None => Failure::Later(said),
            Some(code) => Failure::Other(code, said),
        })
    }
}

/// The search that finds a copy, and none else.
fn found_by(copy: &CopyToMove) -> [&str; 6] {
    [
        "header",
        "message-id",
        &copy.message_id,
        "header",
        "received",
        &copy.queue_id,
    ]
}
