//! A session: who we are, folders, messages in them.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use mail::{Limits, Secret};
use wire::imap::{Command, Kind, Replies, Reply, Status, Value, mailbox_name};

use super::Server;
use super::stream::{Stream, trust};

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);
const PIECE: usize = 16 << 10;
/// What a server says is shown to people and kept; so much of it, characters.
const SHOWN: usize = 300;
/// Lines of the longest length that a server may tell while a command runs that asks for no message.
const LINES: usize = 4;
/// What the server cannot do just now may be possible later (RFC 5530).
const PASSING: [&str; 4] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"];

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may be done later.
    Passing(String),
    /// It will not be.
    Lasting(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Passing(why) | Self::Lasting(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Trouble {}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Passing(format!("the IMAP server: {error}"))
    }
}

/// A folder of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name as the server writes it.
    pub name: Vec<u8>,
    /// Can messages lie in it, and are they in no other folder? A folder that shows what lies elsewhere is no place of its own (RFC 6154).
    pub is_place: bool,
}

/// A session with a server.
pub struct Session {
    stream: Option<Stream>,
    replies: Replies,
    commands: u32,
    capabilities: Vec<String>,
    limits: Limits,
    /// Bytes the server said since the command that runs.
    heard: usize,
    /// Where it is connected to, for errors.
    server: Server,
}

/// A message as it lies in a folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its bytes.
    pub raw: Vec<u8>,
    /// When it came, as the server writes it (RFC 3501, section 2.3.3).
    pub date: Option<Vec<u8>>,
}

impl Session {
    /// Connects, and encrypts: at once, or when the server offers it. What is not on this machine must be encrypted. `within` bounds all that is done.
    pub fn open(
        server: &Server,
        ca: Option<&Path>,
        within: Duration,
        limits: &Limits,
    ) -> Result<Self, Trouble> {
        let mut stream = Stream::connect(server, SILENCE, Instant::now() + within)
            .map_err(|error| Trouble::Passing(format!("{server} does not answer: {error}")))?;
        if server.tls_at_once {
            stream = stream.encrypt(server, trust(ca).map_err(lasting)?)?;
        }
        let mut session = Self {
            stream: Some(stream),
            replies: Replies::new(limits),
            commands: 0,
            capabilities: Vec::new(),
            limits: limits.clone(),
            heard: 0,
            server: server.clone(),
        };
        match session.reply()? {
            Reply::Status(Status {
                kind: Kind::Ok,
                tag: None,
                ..
            }) => {}
            Reply::Status(status) => {
                let text = format!("{server} greets with: {}", shown(&status.text));
                return Err(Trouble::Passing(text));
            }
            Reply::Data(_) | Reply::Continue(_) => {
                return Err(Trouble::Lasting(format!("{server} speaks no IMAP")));
            }
        }
        session.learn_capabilities()?;
        if !session.is_encrypted() && session.can("STARTTLS") {
            session.start_tls(ca)?;
        }
        if !session.is_encrypted() && !server.is_here() {
            return Err(Trouble::Lasting(format!(
                "{server} offers no TLS, and everybody on the way could read along; use imaps://"
            )));
        }
        Ok(session)
    }

    fn start_tls(&mut self, ca: Option<&Path>) -> Result<(), Trouble> {
        self.run(|command| command, "STARTTLS")?;
        // What somebody put behind the answer would count as said under TLS.
        if !self.replies.is_empty() {
            let text = format!("{} said something between STARTTLS and TLS", self.server);
            return Err(Trouble::Lasting(text));
        }
        let trust = trust(ca).map_err(lasting)?;
        if let Some(stream) = self.stream.take() {
            self.stream = Some(stream.encrypt(&self.server, trust)?);
        }
        self.learn_capabilities()
    }

    /// Says who we are: `user`, or `by`, who may act as any user (RFC 4616, authorization identity).
    pub fn login(
        &mut self,
        user: &str,
        by: Option<&str>,
        password: &Secret<String>,
    ) -> Result<(), Trouble> {
        let password = password.reveal();
        if [user, by.unwrap_or_default(), password]
            .iter()
            .any(|text| text.contains('\0'))
        {
            return Err(Trouble::Lasting(
                "a name or password has a NUL in it".to_owned(),
            ));
        }
        if self.can("AUTH=PLAIN") {
            let said = match by {
                None => format!("\0{user}\0{password}"),
                Some(by) => format!("{user}\0{by}\0{password}"),
            };
            let said = BASE64.encode(said.as_bytes());
            let tag = self.tag();
            self.write(format!("{tag} AUTHENTICATE PLAIN\r\n").as_bytes())?;
            let pieces = vec![format!("{said}\r\n").into_bytes()];
            self.finish(&tag, pieces, self.told_max(), &mut |_| Ok(()))
        } else if by.is_some() {
            Err(Trouble::Lasting(format!(
                "{} does not offer AUTH=PLAIN, so nobody can act as another there",
                self.server
            )))
        } else {
            let (user, password) = (user.as_bytes(), password.as_bytes());
            self.run(|command| command.string(user).string(password), "LOGIN")
                .map(drop)
        }?;
        self.learn_capabilities()
    }

    /// All folders of the account.
    pub fn folders(&mut self) -> Result<Vec<Folder>, Trouble> {
        let said = self.run(|command| command.string(b"").string(b"*"), "LIST")?;
        let folders: Vec<Folder> = said.iter().filter_map(|data| folder(data)).collect();
        if folders.len() > self.limits.imap_folders_max {
            return Err(Trouble::Lasting(format!(
                "the account has more than {} folders (limits.imap_folders_max)",
                self.limits.imap_folders_max
            )));
        }
        Ok(folders)
    }

    /// What names of own folders begin with (RFC 2342), such as `INBOX.`; nothing on most servers.
    pub fn prefix(&mut self) -> Result<String, Trouble> {
        if !self.can("NAMESPACE") {
            return Ok(String::new());
        }
        let said = self.run(|command| command, "NAMESPACE")?;
        let personal = said.iter().find_map(|data| match data.as_slice() {
            [what, Value::List(personal), ..] if what.is("NAMESPACE") => match personal.first() {
                Some(Value::List(first)) => first.first().and_then(Value::text),
                _ => None,
            },
            _ => None,
        });
        Ok(personal.unwrap_or_default())
    }

    /// Makes a folder; one that is there already will do.
    pub fn create(&mut self, name: &[u8]) -> Result<(), Trouble> {
        self.run(|command| command.string(name), "CREATE").map(drop)
    }

    /// Opens a folder, to look into it only or to change it.
    pub fn open_folder(&mut self, name: &[u8], changes: bool) -> Result<(), Trouble> {
        let word = if changes { "SELECT" } else { "EXAMINE" };
        self.run(|command| command.string(name), word).map(drop)
    }

    /// The messages of the open folder that have these texts in these header fields.
    pub fn search(&mut self, fields: &[(&str, &str)]) -> Result<Vec<u64>, Trouble> {
        let said = self.run(
            |mut command| {
                for (field, text) in fields {
                    command = command.words("HEADER").words(field).string(text.as_bytes());
                }
                command
            },
            "UID SEARCH",
        )?;
        let found = said
            .iter()
            .filter(|data| data.first().is_some_and(|what| what.is("SEARCH")));
        Ok(found.flatten().filter_map(Value::number).collect())
    }

    /// Moves messages of the open folder into another one.
    pub fn move_to(&mut self, uids: &[u64], name: &[u8]) -> Result<(), Trouble> {
        let set: Vec<String> = uids.iter().map(u64::to_string).collect();
        let set = set.join(",");
        if self.can("MOVE") {
            return self
                .run(|command| command.words(&set).string(name), "UID MOVE")
                .map(drop);
        }
        self.must_take_out()?;
        self.run(|command| command.words(&set).string(name), "UID COPY")?;
        self.take_out(uids)
    }

    /// Can messages be taken out of a folder, and nothing else with them?
    pub fn must_take_out(&self) -> Result<(), Trouble> {
        if self.can("UIDPLUS") {
            return Ok(());
        }
        Err(Trouble::Lasting(format!(
            "{} lacks UIDPLUS (RFC 4315): a message cannot be taken out without what else is marked as deleted",
            self.server
        )))
    }

    /// Takes messages out of the open folder for good.
    pub fn take_out(&mut self, uids: &[u64]) -> Result<(), Trouble> {
        self.must_take_out()?;
        let set: Vec<String> = uids.iter().map(u64::to_string).collect();
        let set = set.join(",");
        self.run(
            |command| command.words(&set).words("+FLAGS.SILENT (\\Deleted)"),
            "UID STORE",
        )?;
        self.run(|command| command.words(&set), "UID EXPUNGE")
            .map(drop)
    }

    /// Puts a message into a folder, with the date it had where it was.
    pub fn append(&mut self, name: &[u8], letter: &Letter) -> Result<(), Trouble> {
        self.run(
            |mut command| {
                command = command.string(name);
                if let Some(date) = &letter.date {
                    command = command.string(date);
                }
                command.string(&letter.raw)
            },
            "APPEND",
        )
        .map(drop)
    }

    /// The messages of the open folder with their sizes, bytes.
    pub fn sizes(&mut self) -> Result<Vec<(u64, u64)>, Trouble> {
        let mut sizes = Vec::new();
        let tag = self.tag();
        let command = Command::new(&tag, "UID FETCH 1:* (UID RFC822.SIZE)");
        self.send(command, self.message_max(), &mut |data| {
            if let [_, what, Value::List(items)] = data
                && what.is("FETCH")
            {
                let item = |name| item(items, name).and_then(Value::number);
                sizes.extend(item("UID").zip(item("RFC822.SIZE")));
            }
            Ok(())
        })?;
        Ok(sizes)
    }

    /// A message of the open folder; it stays unread. `None` when it is gone.
    pub fn fetch(&mut self, uid: u64) -> Result<Option<Letter>, Trouble> {
        let mut letter = None;
        let tag = self.tag();
        let command = Command::new(&tag, &format!("UID FETCH {uid} (INTERNALDATE BODY.PEEK[])"));
        self.send(command, self.message_max(), &mut |data| {
            if let [_, what, Value::List(items)] = data
                && what.is("FETCH")
                && let Some(Value::Text(bytes)) = item(items, "BODY[]")
            {
                let date = match item(items, "INTERNALDATE") {
                    Some(Value::Text(date)) => Some(date.clone()),
                    _ => None,
                };
                letter = Some(Letter {
                    raw: bytes.clone(),
                    date,
                });
            }
            Ok(())
        })?;
        Ok(letter)
    }

    /// Ends the session.
    pub fn logout(mut self) {
        // Everything is done already; a server that closes first has done nothing wrong.
        let _ = self.run(|command| command, "LOGOUT");
    }

    fn can(&self, what: &str) -> bool {
        self.capabilities
            .iter()
            .any(|one| one.eq_ignore_ascii_case(what))
    }

    fn is_encrypted(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_encrypted)
    }

    fn learn_capabilities(&mut self) -> Result<(), Trouble> {
        let said = self.run(|command| command, "CAPABILITY")?;
        let told = said
            .iter()
            .filter(|data| data.first().is_some_and(|what| what.is("CAPABILITY")));
        self.capabilities = told.flatten().filter_map(Value::text).collect();
        Ok(())
    }

    fn tag(&mut self) -> String {
        self.commands += 1;
        format!("v{}", self.commands)
    }

    /// Runs a command; what the server told meanwhile.
    fn run(
        &mut self,
        arguments: impl FnOnce(Command) -> Command,
        words: &str,
    ) -> Result<Vec<Vec<Value>>, Trouble> {
        let tag = self.tag();
        let mut told = Vec::new();
        let command = arguments(Command::new(&tag, words));
        self.send(command, self.told_max(), &mut |data| {
            told.push(data.to_vec());
            Ok(())
        })?;
        Ok(told)
    }

    /// Bytes a server may say to a command that asks for no message.
    const fn told_max(&self) -> usize {
        LINES.saturating_mul(self.limits.imap_line_bytes_max)
    }

    /// Bytes it may say to one that asks for a message, or for the sizes of all.
    const fn message_max(&self) -> usize {
        self.limits
            .message_bytes_max
            .saturating_add(self.limits.imap_line_bytes_max)
    }

    fn send(&mut self, command: Command, most: usize, each: Each<'_>) -> Result<(), Trouble> {
        let tag = command.tag().to_owned();
        let mut pieces = command.pieces();
        let first = pieces.remove(0);
        self.write(&first)?;
        self.finish(&tag, pieces, most, each)
    }

    /// Sends what a server waits for, and reads up to the end of a command.
    fn finish(
        &mut self,
        tag: &str,
        pieces: Vec<Vec<u8>>,
        most: usize,
        each: Each<'_>,
    ) -> Result<(), Trouble> {
        let mut pieces = pieces.into_iter();
        self.heard = 0;
        loop {
            let reply = self.reply()?;
            if self.heard > most {
                let text = format!("{} says more than {most} bytes to one command", self.server);
                return Err(Trouble::Lasting(text));
            }
            match reply {
                Reply::Continue(_) => match pieces.next() {
                    Some(piece) => self.write(&piece)?,
                    None => {
                        let text = format!("{} waits for more than was to be said", self.server);
                        return Err(Trouble::Lasting(text));
                    }
                },
                Reply::Data(data) => each(&data)?,
                Reply::Status(status) if status.tag.as_deref() == Some(tag) => {
                    return outcome(&self.server, &status);
                }
                Reply::Status(status) if status.kind == Kind::Bye => {
                    let text = format!(
                        "{} ends the connection: {}",
                        self.server,
                        shown(&status.text)
                    );
                    return Err(Trouble::Passing(text));
                }
                // A remark, or a warning about something else.
                Reply::Status(_) => {}
            }
        }
    }

    fn reply(&mut self) -> Result<Reply, Trouble> {
        let mut buffer = [0; PIECE];
        loop {
            let next = self.replies.next_reply();
            if let Some(reply) = next.map_err(|fault| Trouble::Lasting(fault.to_string()))? {
                return Ok(reply);
            }
            let read = self.connected()?.read(&mut buffer)?;
            if read == 0 {
                let text = format!("{} closed the connection", self.server);
                return Err(Trouble::Passing(text));
            }
            self.heard = self.heard.saturating_add(read);
            self.replies.push(&buffer[..read]);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let stream = self.connected()?;
        stream.write_all(bytes)?;
        Ok(stream.flush()?)
    }

    fn connected(&mut self) -> Result<&mut Stream, Trouble> {
        let lost = || Trouble::Passing("the connection is lost".to_owned());
        self.stream.as_mut().ok_or_else(lost)
    }
}

/// What a server says, short and without what a terminal would obey.
fn shown(said: &str) -> String {
    let plain = said.chars().filter(|c| !c.is_control());
    plain.take(SHOWN).collect()
}

fn lasting(error: anyhow::Error) -> Trouble {
    Trouble::Lasting(format!("{error:#}"))
}

/// Called with everything a server tells while a command runs.
type Each<'a> = &'a mut dyn FnMut(&[Value]) -> Result<(), Trouble>;

fn outcome(server: &Server, status: &Status) -> Result<(), Trouble> {
    let code = status
        .code
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    if status.kind == Kind::Ok || code == "ALREADYEXISTS" {
        return Ok(());
    }
    let code = if code.is_empty() {
        code
    } else {
        format!("[{code}] ")
    };
    let text = format!("{server} says: {}{}", shown(&code), shown(&status.text));
    let passes = PASSING.iter().any(|passing| code.contains(passing));
    Err(if passes {
        Trouble::Passing(text)
    } else {
        Trouble::Lasting(text)
    })
}

fn folder(data: &[Value]) -> Option<Folder> {
    let [what, Value::List(flags), _, name] = data else {
        return None;
    };
    let name = match name {
        Value::Atom(name) => name.clone().into_bytes(),
        Value::Text(name) => name.clone(),
        Value::List(_) => return None,
    };
    let no_place = ["\\Noselect", "\\NonExistent", "\\All", "\\Flagged"];
    what.is("LIST").then(|| Folder {
        name,
        is_place: !flags
            .iter()
            .any(|flag| no_place.iter().any(|no| flag.is(no))),
    })
}

/// What stands behind a name in the answer to `FETCH`.
fn item<'v>(items: &'v [Value], name: &str) -> Option<&'v Value> {
    let at = items.iter().position(|item| item.is(name))?;
    items.get(at + 1)
}

/// A folder's name as servers write it.
pub fn wire_name(name: &str) -> Vec<u8> {
    // Whatever its case, the inbox is one folder (RFC 3501, section 5.1).
    mailbox_name(name).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers each command in turn with one of these, `TAG` being the command's tag.
    fn played(greeting: &'static str, answers: &'static [&'static str]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut said = BufReader::new(stream.try_clone().expect("the same"));
            let mut stream = stream;
            stream.write_all(greeting.as_bytes()).expect("sent");
            for answer in answers {
                let mut line = String::new();
                if said.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                let tag = line.split(' ').next().unwrap_or_default();
                let answer = answer
                    .replace("TAG", tag)
                    .replace("VERYLONG", &"x".repeat(1500));
                stream.write_all(answer.as_bytes()).expect("sent");
            }
        });
        Server {
            host: "127.0.0.1".to_owned(),
            port,
            tls_at_once: false,
        }
    }

    fn open(server: &Server) -> Result<Session, Trouble> {
        Session::open(server, None, Duration::from_secs(5), &Limits::default())
    }

    fn trouble(done: Result<impl Sized, Trouble>) -> Trouble {
        done.err().expect("it cannot be done")
    }

    #[test]
    fn what_is_said_before_tls_does_not_count_as_said_under_it() {
        let server = played(
            "* OK hello\r\n",
            &[
                "* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK\r\n",
                "TAG OK begin\r\nv3 OK [ALERT] nothing to be afraid of\r\n",
            ],
        );
        let why = trouble(open(&server));
        assert!(
            matches!(&why, Trouble::Lasting(why) if why.contains("between STARTTLS and TLS")),
            "{why}"
        );
    }

    #[test]
    fn a_server_that_says_too_much_is_not_listened_to() {
        let server = played(
            "* OK hello\r\n",
            &[
                "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK\r\n",
                "TAG NO [X\u{1b}] \u{1b}[2Jgone\u{7} VERYLONG\r\n",
                "* FLAGS (\\Seen) VERYLONG\r\n* FLAGS (\\Seen) VERYLONG\r\n* FLAGS (\\Seen) VERYLONG\r\nTAG OK\r\n",
            ],
        );
        let limits = Limits {
            imap_line_bytes_max: 2000,
            ..Limits::default()
        };
        let opened = Session::open(&server, None, Duration::from_secs(5), &limits);
        let mut session = opened.expect("a session");
        let Trouble::Lasting(why) = trouble(session.open_folder(b"INBOX", false)) else {
            panic!("it will not be done");
        };
        assert!(
            why.contains("[X] [2Jgone") && !why.contains(char::is_control),
            "{why}"
        );
        assert!(why.chars().count() < 2 * SHOWN, "{why}");
        // Four lines of the longest length and no more.
        session.limits.imap_line_bytes_max = 1000;
        let why = trouble(session.open_folder(b"INBOX", false));
        assert!(
            matches!(&why, Trouble::Lasting(why) if why.contains("more than 4000 bytes")),
            "{why}"
        );
    }

    /// A server that sends `first`, and then of an endless TLS record a byte at a time.
    fn dripping(first: &'static [u8], tls_at_once: bool) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut sent = stream.write_all(first);
            while sent.is_ok() {
                std::thread::sleep(Duration::from_millis(20));
                sent = stream.write_all(b"\0");
            }
        });
        Server {
            host: "127.0.0.1".to_owned(),
            port,
            tls_at_once,
        }
    }

    #[test]
    fn a_server_that_drips_is_left_in_time() {
        // A handshake's record of 16,000 bytes (RFC 8446, section 5.1), and a line that never ends.
        for (first, tls_at_once) in [
            (b"\x16\x03\x03\x3e\x80".as_slice(), true),
            (b"* OK ".as_slice(), false),
        ] {
            let server = dripping(first, tls_at_once);
            let within = Duration::from_millis(300);
            let why = trouble(Session::open(&server, None, within, &Limits::default()));
            assert!(
                matches!(&why, Trouble::Passing(why) if why.contains("too long")),
                "{why}"
            );
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let busy = played("* BYE too many connections\r\n", &[]);
        assert!(matches!(trouble(open(&busy)), Trouble::Passing(why) if why.contains("too many")));
        let gone = played("", &[]);
        assert!(matches!(trouble(open(&gone)), Trouble::Passing(why) if why.contains("closed")));
        let other = played("* SEARCH 1\r\n", &[]);
        assert!(
            matches!(trouble(open(&other)), Trouble::Lasting(why) if why.contains("speaks no IMAP"))
        );

        let server = played(
            "* OK hello\r\n",
            &[
                "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n",
                "TAG NO [UNAVAILABLE] the users' table is away\r\n",
                "TAG NO [CANNOT] no\r\n",
                "TAG NO [ALREADYEXISTS] there it is\r\n",
                "* 1 EXISTS\r\n* BYE going down\r\n",
            ],
        );
        let mut session = open(&server).expect("a session");
        let password = Secret::new("pw".to_owned());
        let why = trouble(session.login("ann", Some("vigil"), &password));
        assert!(
            matches!(&why, Trouble::Lasting(why) if why.contains("AUTH=PLAIN")),
            "{why}"
        );
        let why = trouble(session.login("ann", None, &password));
        assert!(
            matches!(&why, Trouble::Passing(why) if why.contains("[UNAVAILABLE]")),
            "{why}"
        );
        let why = trouble(session.open_folder(b"INBOX", true));
        assert!(
            matches!(&why, Trouble::Lasting(why) if why.contains("[CANNOT] no")),
            "{why}"
        );
        session.create(b"Recalled").expect("it is there");
        let why = trouble(session.move_to(&[7], b"Recalled"));
        assert!(
            matches!(&why, Trouble::Lasting(why) if why.contains("UIDPLUS")),
            "{why}"
        );
        let why = trouble(session.open_folder(b"INBOX", false));
        assert!(
            matches!(&why, Trouble::Passing(why) if why.contains("going down")),
            "{why}"
        );
    }
}
