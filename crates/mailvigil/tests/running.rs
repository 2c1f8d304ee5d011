//! The service under a supervisor such as systemd: sockets handed over, readiness told, reload, the end.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bed;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;

use bed::{PATIENCE, Vigil, Wish};
use mail::{Address, Limits};
use rustix::io::FdFlags;
use rustix::process::Signal;
use testkit::free_port;
use testkit::process::{Program, Ready};
use wire::milter::{Client, Offer, Submission, Visit};

/// What a supervisor hears until `enough`.
fn heard(supervisor: &UnixDatagram, enough: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    while !all.iter().any(|one: &String| one.contains(enough)) {
        let length = supervisor.recv(&mut buffer).unwrap();
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    all
}

#[test]
fn a_supervisor_hands_over_the_socket_and_hears_how_it_goes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let milter = listener.local_addr().unwrap().port();
    rustix::io::fcntl_setfd(&listener, FdFlags::empty()).unwrap();
    let http = free_port();
    let text = format!(
        "[service]\ndata = \"data\"\n[milter]\nlisten = \"127.0.0.1:1\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[console]\nlisten = \"off\"\n"
    );
    let program = Program::new("/bin/bash")
        .unwrap()
        .file("mailvigil.toml", &text)
        .unwrap();
    let socket = program.folder().join("supervisor");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    let script = format!(
        "exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ exec {} --config mailvigil.toml serve",
        listener.as_raw_fd(),
        env!("CARGO_BIN_EXE_mailvigil")
    );
    let mut service = program
        .args(["-c", &script])
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "1000000")
        .ready_when(Ready::Port(http))
        .start()
        .unwrap();
    heard(&supervisor, "READY=1");
    heard(&supervisor, "WATCHDOG=1");
    assert_eq!(
        negotiated(TcpStream::connect(("127.0.0.1", milter)).unwrap()),
        b'O'
    );

    // While the service is dead the supervisor's socket takes connections, and the next life answers them.
    service.kill_hard().unwrap();
    let patient = TcpStream::connect(("127.0.0.1", milter)).unwrap();
    service.start_again().unwrap();
    assert_eq!(negotiated(patient), b'O');

    service.signal(Signal::TERM).unwrap();
    heard(&supervisor, "STOPPING=1");
    assert!(service.wait_for_end(PATIENCE).unwrap().success());
}

/// Offers protocol version 6 with all actions and steps; the answer's letter.
fn negotiated(mut peer: TcpStream) -> u8 {
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.write_all(b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff")
        .unwrap();
    let mut head = [0; 5];
    peer.read_exact(&mut head).unwrap();
    head[4]
}

#[test]
fn a_reload_holds_for_the_next_message_and_a_bad_one_changes_nothing() {
    let mut vigil = Vigil::start(&Wish::default());
    let mut peer = TcpStream::connect(("127.0.0.1", vigil.milter_port)).unwrap();
    let file = vigil.service.folder().join("mailvigil.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    let mut reload = |text: &str, said: &str| {
        std::fs::write(&file, text).unwrap();
        vigil.service.signal(Signal::HUP).unwrap();
        vigil.service.wait_for_line(said, PATIENCE).unwrap();
    };
    reload(
        &format!("{written}[site]\nlocal_domain = 1\n"),
        "did you mean local_domains?",
    );
    reload(
        &format!("{written}[limits]\nparts_max = 10\n"),
        "need a restart: limits",
    );
    reload(
        &format!("{written}[site]\nlocal_domains = [\"b.example\"]\n"),
        "read again and holds",
    );
    // The connection is older than the reload. Since b.example is ours, mail of a stranger to others is a relay attempt.
    let mut client = Client::new(
        Offer::POSTFIX,
        Visit::stranger("mx.example.org", "192.0.2.10", "mail.a.example"),
        &Limits::default(),
    );
    let submission = Submission {
        queue_id: "4B0000001".to_owned(),
        envelope_from: Address::new("ann@a.example"),
        mail_args: Vec::new(),
        recipients: ["bob@b.example", "eve@far.example"]
            .into_iter()
            .filter_map(Address::new)
            .collect(),
        raw: bed::ordinary("after the reload").into_bytes(),
    };
    let mut reply = client.submit(submission).unwrap();
    let mut buffer = [0; 4096];
    while reply.is_none() {
        peer.write_all(&client.take_output()).unwrap();
        let read = peer.read(&mut buffer).unwrap();
        reply = client.feed(&buffer[..read]).unwrap();
    }
    let refused: Vec<String> = reply
        .unwrap()
        .refused
        .iter()
        .map(|(to, _)| to.to_string())
        .collect();
    assert_eq!(refused, ["eve@far.example"]);
    assert!(vigil.service.is_running());
}
