//! That every method does to a real page what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

const FORM: &str = r#"<!doctype html><html lang="en"><title>The form</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  .loud { text-transform: uppercase } .far { height: 9000px } .through { display: contents }
  #lid { position: fixed; inset: 0; background: #ccc } footer { position: fixed; bottom: 0 }
</style>
<h1>A   form
of many <span hidden>secret</span>fields</h1>
<form method="post" action="/said">
  <input name="who" id="who" class="wide first" value="nobody">
  <textarea name="note">old note</textarea>
  <select name="tone"><option value="low">Low</option><option value="high">High</option>
    <option value="none" disabled>None</option></select>
  <input type="submit" value="Send it">
</form>
<ul><li>one</li><li class="loud">two</li><li hidden>three</li></ul>
<div class="through"><p id="contents">contents</p></div>
<details><summary>More</summary><p id="more">closed away</p></details>
<button id="ask" disabled>Ask   me</button>
<button id="hidden" hidden>Unseen</button>
<a href="/other">The other page</a>
<p id="keys"></p>
<div class="far"></div>
<button id="bottom">At the bottom</button>
<div style="height: 200px"></div>
<footer>always in view, over what is below</footer>
<script>
  const $ = id => document.getElementById(id);
  $("ask").onclick = () => document.title = confirm("Are you sure?") ? "yes" : "no";
  $("bottom").onclick = () => $("bottom").remove();
  $("who").onkeydown = e => $("keys").textContent += e.key;
  document.querySelector("textarea").oninput = e => document.title = e.target.value.length;
  document.querySelector("select").onchange = e => document.title = e.target.value;
  setTimeout(() => $("ask").disabled = false, 300);
</script></html>"#;

const OTHER: &str = r#"<!doctype html><html lang="en"><title>The other</title>
<meta http-equiv="Content-Security-Policy"
  content="script-src 'sha256-xtq7YuZx7/BMTs+3rJMddxSNpqujNv5a37n7XC8AAlg='">
<style>
  html { color: #000000 }
  @media (prefers-color-scheme: dark) { html { color: #ffffff } }
  @media (prefers-reduced-motion: no-preference) { html { color: #ff0000 } }
</style>
<p>Here <b>we</b> are</p>
<iframe sandbox id="mail" srcdoc="<title>x</title><p>in the mail</p><a href='/'>out</a>"></iframe>
<iframe id="inner" src="/language"></iframe>
<script>console.error("it went wrong")</script>
<script>document.title = "a script that may not run"</script></html>"#;

/// A site on loopback for as long as the test process lives.
fn site() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(|| {
                // Browsers open connections they then do not use.
                client.and_then(answer).ok();
            });
        }
    });
    url
}

fn answer(mut client: TcpStream) -> std::io::Result<()> {
    let mut input = BufReader::new(client.try_clone()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |wanted: &str| {
        let lines = head.iter().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        values.next().map_or("", |(_, value)| value)
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    input.read_exact(&mut body)?;
    let text = String::from_utf8_lossy(&body);
    let path = head
        .first()
        .map_or("", String::as_str)
        .split(' ')
        .nth(1)
        .unwrap_or_default();
    let (status, page) = match path {
        "/" => (200, FORM.to_owned()),
        "/other" => (200, OTHER.to_owned()),
        "/said" => (200, format!("<pre>{}", text.replace('&', "&amp;"))),
        "/language" => (200, format!("<p>{}", header("accept-language"))),
        "/cookies" => (200, format!("<p>{}", header("cookie"))),
        // Four times another page before it comes to rest.
        "/nervous" => (
            200,
            "<p>still here</p><button>Press</button>\
             <script>sessionStorage.loads = 1 + Number(sessionStorage.loads ?? 0);
             if (sessionStorage.loads % 5) setTimeout(() => location.reload(), 60)</script>"
                .to_owned(),
        ),
        "/favicon.ico" => (204, String::new()),
        _ => (404, "<h1>Not here</h1>".to_owned()),
    };
    write!(
        client,
        "HTTP/1.1 {status} X\r\nContent-Type: text/html; charset=utf-8\r\n\
         Set-Cookie: seen=1; HttpOnly; SameSite=Strict; Path=/\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )
}

fn on(path: &str) -> (Browser, String) {
    let site = site();
    let browser = Browser::start().expect("starts");
    browser.go(&format!("{site}{path}")).expect("opens");
    (browser, site)
}

#[test]
fn reads_what_a_person_sees() {
    let (browser, site) = on("/");
    assert_eq!(browser.title().expect("a title"), "The form");
    assert_eq!(browser.url().expect("an address"), format!("{site}/"));
    assert_eq!(browser.text("h1").expect("text"), "A form of many fields");
    assert_eq!(browser.text("#contents").expect("text"), "contents");
    assert_eq!(browser.text("title").expect("text"), "");
    assert_eq!(browser.text("details").expect("text"), "More");
    assert_eq!(browser.texts("li").expect("texts"), ["one", "TWO", ""]);
    assert_eq!(browser.texts("nav").expect("texts"), [""; 0]);
    assert_eq!(browser.count("li").expect("a count"), 3);
    assert!(
        browser
            .html()
            .expect("HTML")
            .contains("<li class=\"loud\">two")
    );
    let attribute = |css, name| browser.attribute(css, name).expect("an element");
    assert_eq!(attribute("#who", "class").as_deref(), Some("wide first"));
    assert_eq!(attribute("#hidden", "hidden").as_deref(), Some(""));
    assert_eq!(attribute("#who", "hidden"), None);
    assert_eq!(
        browser
            .script("return arguments[0] + innerWidth", &[json!(1)])
            .expect("runs"),
        1281
    );

    let promise = "return new Promise(kept => setTimeout(() => kept('kept'), 50))";
    assert_eq!(browser.script(promise, &[]).expect("runs"), "kept");

    browser
        .click_text("details, summary", "More")
        .expect("opens");
    assert_eq!(browser.text("#more").expect("text"), "closed away");
    browser.click("a").expect("a link");
    assert_eq!(browser.title().expect("a title"), "The other");
    browser.back().expect("goes back");
    assert_eq!(browser.title().expect("a title"), "The form");
}

#[test]
fn fills_in_a_form_and_sends_it() {
    let (browser, _site) = on("/");
    browser.fill("#who", "Ann Ü 漢").expect("types");
    assert_eq!(browser.value("#who").expect("a value"), "Ann Ü 漢");
    let keys = browser.text("#keys").expect("text");
    assert!(keys.starts_with("ShiftAnn"), "{keys}");
    browser.fill("textarea", "first\nsecond 🙂").expect("types");
    assert_eq!(
        browser.value("textarea").expect("a value"),
        "first\nsecond 🙂"
    );
    browser.choose("select", "high").expect("chooses");
    assert_eq!(browser.title().expect("a title"), "high");
    let large = "line of a large text\n".repeat(50_000);
    browser.set_value("textarea", &large).expect("sets");
    assert_eq!(
        browser.title().expect("a title"),
        large.len().to_string(),
        "the page is told"
    );
    browser.set_value("textarea", "a & b").expect("sets");
    browser.click_text("input", "Send it").expect("sends");
    browser
        .wait_for_text("pre", "who=Ann+%C3%9C+%E6%BC%A2&note=a+%26+b&tone=high")
        .expect("arrives");
}

#[test]
fn clicks_when_it_can_and_waits_until_then() {
    let (browser, _site) = on("/");
    browser.click("#ask").expect("waits until it is enabled");
    assert!(browser.title().is_err(), "a dialog is open");
    assert_eq!(browser.accept_alert().expect("a dialog"), "Are you sure?");
    assert_eq!(browser.title().expect("a title"), "yes");

    browser.click("#bottom").expect("scrolls");
    browser.wait_gone("#bottom").expect("the button is removed");
    let later = "setTimeout(() => document.body.insertAdjacentHTML('beforeend',
        '<p id=late>It  came <b>late</b></p>'), 400)";
    browser.script(later, &[]).expect("runs");
    assert_eq!(browser.count("#late").expect("a count"), 0);
    browser.wait_for_text("p", "It came late").expect("comes");
    browser.wait_for("#late b").expect("is there");

    browser
        .script(
            "const lid = document.createElement('div'); lid.id = 'lid';
             document.body.append(lid); setTimeout(() => lid.remove(), 400)",
            &[],
        )
        .expect("runs");
    browser.click("summary").expect("waits for the lid to go");
    assert_eq!(browser.text("#more").expect("text"), "closed away");
}

#[test]
fn an_error_names_the_selector_and_quotes_the_page() {
    let (browser, site) = on("/");
    let browser = browser.patience(Duration::from_millis(200));
    let fails = |result: Result<()>, parts: &[&str]| {
        let error = format!("{:#}", result.expect_err(&format!("{parts:?}")));
        for part in parts {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
        error
    };
    let page = ["The form", "A form of many fields", &site];
    let with = |parts: &[&'static str]| [parts, &page].concat();
    let error = fails(
        browser.click("#absent"),
        &with(&["#absent", "no such element"]),
    );
    assert!(
        !error.contains("secret") && !error.contains("Stack"),
        "{error}"
    );
    fails(
        browser.click("#hidden"),
        &with(&["#hidden", "interactable"]),
    );
    fails(browser.click_text("button", "Unseen"), &with(&["Unseen"]));
    fails(browser.text("nav").map(drop), &with(&["nav"]));
    fails(browser.fill("nav", "x"), &with(&["nav"]));
    fails(browser.fill("h1", "x"), &with(&["h1"]));
    fails(browser.set_value("h1", "x"), &["h1"]);
    fails(browser.value("h1").map(drop), &["h1"]);
    fails(
        browser.choose("select", "none"),
        &with(&["select", "\"none\"", "high"]),
    );
    fails(
        browser.choose("nav", "none"),
        &with(&["nav", "no such field"]),
    );
    fails(browser.wait_for("nav"), &with(&["nav"]));
    fails(
        browser.wait_for_text("h1", "secret"),
        &with(&["h1", "secret"]),
    );
    fails(browser.wait_gone("li"), &with(&["li", "3 still there"]));
    fails(browser.accept_alert().map(drop), &with(&["alert"]));
    fails(browser.frame("iframe"), &with(&["iframe"]));
    fails(browser.press("Shift+Hyper"), &["Hyper"]);
    fails(
        browser.script("return nothing.at.all", &[]).map(drop),
        &["nothing"],
    );

    let browser = browser.patience(Duration::from_mins(1));
    let begin = Instant::now();
    fails(browser.click("]["), &["]["]);
    fails(browser.count("][").map(drop), &["]["]);
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    fails(browser.go(&nobody), &[&nobody, "CONNECTION_REFUSED"]);
    assert!(begin.elapsed() < Duration::from_secs(30), "not waited for");
}

#[test]
fn shows_pages_as_told() {
    let site = site();
    let mut look = Look {
        width: 360,
        height: 640,
        dark: true,
        language: "pt-BR".to_owned(),
    };
    let browser = Browser::start_with(&look).expect("starts");
    let seen = || {
        browser
            .script(
                "return [innerWidth, innerHeight, getComputedStyle(document.body).color,
                    navigator.language]",
                &[],
            )
            .expect("runs")
    };
    for host in [site.clone(), site.replace("127.0.0.1", "localhost")] {
        browser.go(&format!("{host}/other")).expect("opens");
        assert_eq!(seen(), json!([360, 640, "rgb(255, 255, 255)", "pt-BR"]));
    }
    look.dark = false;
    look.width = 1600;
    browser.look(&look).expect("changes");
    assert_eq!(seen(), json!([1600, 640, "rgb(0, 0, 0)", "pt-BR"]));
    browser.go(&format!("{site}/language")).expect("opens");
    assert_eq!(browser.text("p").expect("text"), "pt-BR,pt;q=0.9");
}

#[test]
fn hears_the_console_and_steps_into_frames() {
    let (browser, _site) = on("/other");
    let console = browser.console().expect("a console");
    let has = |part: &str| {
        console
            .iter()
            .any(|line| line.starts_with("SEVERE ") && line.contains(part))
    };
    assert!(has("it went wrong"), "{console:#?}");
    assert!(has("Content Security Policy"), "{console:#?}");
    assert_eq!(browser.title().expect("a title"), "The other");
    assert_eq!(browser.console().expect("a console"), [""; 0], "drained");

    browser.frame("#mail").expect("steps in");
    assert_eq!(browser.text("p").expect("text"), "in the mail");
    assert!(browser.html().expect("HTML").contains("in the mail"));
    browser.click("a").expect("a link");
    browser
        .wait_for_text("h1", "A form")
        .expect("another page in the frame");
    browser.top().expect("steps out");
    assert_eq!(browser.text("p").expect("text"), "Here we are");
    browser.frame("#inner").expect("steps in");
    assert!(browser.text("p").expect("text").starts_with("en"));
    browser.top().expect("steps out");
}

#[test]
fn types_keys_and_follows_the_focus() {
    let (browser, _site) = on("/");
    browser.wait_for("#ask:enabled").expect("becomes enabled");
    let press = |key: &str| browser.press(key).expect("a key");
    let focused = || browser.focused().expect("a focus");
    assert_eq!(focused(), "body");
    press("Tab");
    assert_eq!(focused(), r#"input#who.wide.first[name="who"]"#);
    press("End");
    press("+");
    press("Shift+a");
    assert_eq!(browser.value("#who").expect("a value"), "nobody+A");
    press("Tab");
    press("Tab");
    press("ArrowDown");
    assert_eq!(browser.value("select").expect("a value"), "high");
    press("Shift+Tab");
    assert!(focused().starts_with(r#"textarea[name="note"]"#));
    for _ in 0..3 {
        press("Tab");
    }
    assert_eq!(focused(), r#"summary "More""#);
    press("Escape");
    press("Enter");
    assert_eq!(browser.text("#more").expect("text"), "closed away");
    for _ in 0..2 {
        press("Tab");
    }
    assert_eq!(focused(), r#"a "The other page""#);
    press("Enter");
    browser.wait_for("#mail").expect("the other page");
}

#[test]
fn keeps_cookies() {
    let (browser, site) = on("/");
    let cookies = browser.cookies().expect("cookies");
    let seen = Cookie {
        name: "seen".to_owned(),
        value: "1".to_owned(),
        path: "/".to_owned(),
        http_only: true,
        secure: false,
        same_site: "Strict".to_owned(),
        lasting: false,
    };
    assert_eq!(cookies, [seen]);
    browser.delete_cookies().expect("deletes");
    assert_eq!(browser.cookies().expect("cookies"), []);
    browser.set_cookie("session", "abc").expect("sets");
    browser.set_cookie("__Host-strict", "def").expect("sets");
    browser.go(&format!("{site}/cookies")).expect("opens");
    let sent = browser.text("p").expect("text");
    assert!(sent.contains("session=abc"), "{sent}");
    assert!(sent.contains("__Host-strict=def"), "{sent}");
}

#[test]
fn takes_pictures_of_whole_pages() {
    let (browser, _site) = on("/");
    let folder = tempfile::tempdir().expect("a folder");
    let size_of = |name: &str| {
        let path = folder.path().join("new folder").join(name);
        browser.screenshot(&path).expect("a picture");
        let png = std::fs::read(path).expect("a file");
        assert_eq!(&png[1..4], b"PNG");
        let number = |at: usize| {
            png[at..at + 4]
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        (number(16), number(20))
    };
    assert_eq!(size_of("long.png"), (1280, 6000));
    browser
        .script(
            "document.querySelector('.far').style.height = '1500px'",
            &[],
        )
        .expect("runs");
    let (width, height) = size_of("short.png");
    assert!(width == 1280 && (1500..2500).contains(&height), "{height}");
}

#[test]
fn reaches_nothing_but_loopback() {
    let browser = Browser::start().expect("starts");
    for url in [
        "http://example.org/",
        "http://192.0.2.1/",
        "https://1.1.1.1/",
    ] {
        let error = browser.go(url).expect_err("no network").to_string();
        assert!(error.contains("NAME_NOT_RESOLVED"), "{error}");
        assert!(error.contains(url), "{error}");
    }
}

#[test]
fn a_page_exchanged_at_any_moment_is_no_error() {
    let (browser, site) = on("/nervous");
    for _ in 0..6 {
        browser.go(&format!("{site}/nervous")).expect("opens");
        assert_eq!(browser.text("p").expect("text"), "still here");
        browser.click("button").expect("clicks");
        browser.click_text("button", "Press").expect("clicks");
        browser.wait_for_text("p", "still").expect("waits");
        browser.focused().expect("a focus");
        assert!(browser.count("p").expect("a count") <= 1);
        browser.html().expect("HTML");
    }
}

#[test]
fn leaves_nothing_behind() {
    let browser = Browser::start().expect("starts");
    let folder = browser.service.folder().to_owned();
    assert!(anything_runs_in(&folder));
    drop(browser);
    assert!(!anything_runs_in(&folder));
    assert!(!folder.exists());
}

#[test]
fn is_ended_with_its_guard_alone() {
    let browser = Browser::start().expect("starts");
    // What the guard does when the test process is killed.
    let shell = i32::try_from(browser.service.pid().expect("runs")).expect("an id");
    let shell = rustix::process::Pid::from_raw(shell).expect("an id");
    rustix::process::kill_process(shell, Signal::TERM).expect("a signal");
    let profile = browser.service.folder().join("profile");
    let end = Instant::now() + Duration::from_secs(5);
    while anything_runs_in(&profile) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!anything_runs_in(&profile));
    let error = browser.go("about:blank").expect_err("nobody is there");
    assert!(
        error.to_string().contains("no word with the driver"),
        "{error}"
    );
}
