//! A real browser for a test: headless Chromium, driven through the W3C WebDriver protocol.
//!
//! ```no_run
//! use testkit::browser::{Browser, Look};
//!
//! # fn main() -> anyhow::Result<()> {
//! let browser = Browser::start()?;
//! browser.go("http://127.0.0.1:8080/")?;
//! browser.fill("input[name=user]", "ann")?;
//! browser.click("button[type=submit]")?;
//! browser.wait_for_text("h1", "Welcome")?;
//!
//! browser.look(&Look { width: 360, dark: true, ..Look::default() })?;
//! browser.screenshot("/tmp/narrow.png")?;
//! assert_eq!(browser.console()?, [] as [&str; 0]);
//! # Ok(())
//! # }
//! ```
//!
//! Whatever needs an element waits up to ten seconds for it ([`Browser::patience`]) and starts over
//! when the page is exchanged underneath it. An error names the selector and quotes the page.
//!
//! It needs the Debian packages `chromium` and `chromium-driver`, runs as root too, keeps its
//! profile in a temporary folder, and reaches nothing but 127.0.0.1 and localhost.
//! It answers one command at a time: tests side by side take one browser each.

mod webdriver;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::place::free_port;
use crate::process::{Program, Ready, Service};
use webdriver::{Refusal, Session};

/// How high a picture of a page may be, in CSS pixels.
const PICTURE_HEIGHT: f64 = 6000.0;

/// Runs chromedriver with the arguments given, and ends as one with all it started.
///
/// chromedriver leaves its Chromium running when it is ended by a signal. Process 0 is the process
/// group, of which this shell is the first.
const AS_ONE: &str = r#"
trap 'kill -KILL 0' TERM
chromedriver "$@" &
wait
kill -KILL 0
"#;

/// For scripts that read: `said(e)`, the visible text of an element, and `flat(text)`, a text with
/// its white space made even.
///
/// `innerText` of an element that is not rendered is all its text; therefore the question before
/// it. An element with `display: contents` has no box of its own to ask for.
const READING: &str = r#"
const shown = e => !e || e.checkVisibility()
    || (getComputedStyle(e).display === "contents" && shown(e.parentElement));
const said = e => !shown(e) ? ""
    : e.matches("input[type=submit], input[type=button], input[type=reset]") ? e.value
    : (e.innerText ?? e.textContent).trim();
const flat = text => text.replace(/\s+/g, " ").trim();
"#;

/// How a browser shows pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The width of the view in CSS pixels, as the page's own layout sees it: 360 is a phone.
    pub width: u32,
    /// The height of the view in CSS pixels.
    pub height: u32,
    /// Whether the person prefers dark colours (`prefers-color-scheme`).
    pub dark: bool,
    /// The person's language as a tag, for instance `de` or `pt-BR`: sent as `Accept-Language`,
    /// and `navigator.language` in scripts.
    pub language: String,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 900,
            dark: false,
            language: "en".to_owned(),
        }
    }
}

impl Look {
    /// `pt-BR` is followed by `pt`, as browsers do it by themselves.
    fn accepted_languages(&self) -> String {
        match self.language.split_once('-') {
            Some((general, _)) => format!("{},{general}", self.language),
            None => self.language.clone(),
        }
    }
}

/// A cookie the browser holds for the page it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The part of the site it is sent to.
    pub path: String,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Whether it is sent over protected connections only.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`.
    pub same_site: String,
    /// Whether it outlives the browser: it has a time at which it expires.
    pub lasting: bool,
}

/// A running Chromium with one page; ended and its profile removed on drop.
///
/// Selectors are CSS, and see the frame the browser is in ([`Browser::frame`]).
#[derive(Debug)]
pub struct Browser {
    session: Session,
    service: Service,
    patience: Duration,
}

impl Browser {
    /// Starts a browser with the default [`Look`].
    pub fn start() -> Result<Self> {
        Self::start_with(&Look::default())
    }

    /// Starts a browser.
    pub fn start_with(look: &Look) -> Result<Self> {
        let port = free_port();
        let program = Program::new("/bin/sh")?;
        let folder = program.folder().to_owned();
        let service = program
            .args(["-c", AS_ONE, "testkit-browser", &format!("--port={port}")])
            .end_signal(Signal::TERM)
            // Crash reports, caches and temporary files end with the folder.
            .env("HOME", &folder)
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("TMPDIR", &folder)
            .ready_when(Ready::Port(port))
            .start()
            .context("are the Debian packages chromium and chromium-driver installed?")?;
        let session = Session::open(port, &capabilities(look, &folder))
            .with_context(|| format!("no browser started; the log:\n{}", service.log()))?;
        let browser = Self {
            session,
            service,
            patience: Duration::from_secs(10),
        };
        browser.look(look)?;
        Ok(browser)
    }

    /// How long a method waits for an element, a text or a dialog; 10 s if not said.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Changes size and colours from now on, also of the page that is open. The language is a
    /// matter of the start and stays.
    ///
    /// Width and height are the view's own: no frame of a window is taken off, and scroll bars are
    /// not shown.
    pub fn look(&self, look: &Look) -> Result<()> {
        let size = json!({
            "width": look.width,
            "height": look.height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        let colours = if look.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.session
            .chromium("Emulation.setDeviceMetricsOverride", &size)
            .and_then(|_| self.session.chromium("Emulation.setEmulatedMedia", &media))
            .with_context(|| format!("{look:?}"))?;
        Ok(())
    }

    /// Opens an address and waits until it is loaded. A page that is an error (403, 404) is a page.
    pub fn go(&self, url: &str) -> Result<()> {
        self.until(&format_args!("go to {url}"), || {
            self.session.post("url", &json!({ "url": url }))
        })?;
        Ok(())
    }

    /// Goes back in the history, as with the browser's button.
    pub fn back(&self) -> Result<()> {
        self.session.post("back", &json!({})).context("back")?;
        Ok(())
    }

    /// The address of the page.
    pub fn url(&self) -> Result<String> {
        self.session.get_text("url").context("the address")
    }

    /// The title of the page.
    pub fn title(&self) -> Result<String> {
        self.session.get_text("title").context("the title")
    }

    /// The page as it now stands, written as HTML.
    pub fn html(&self) -> Result<String> {
        self.until(&"the page as HTML", || self.session.get_text("source"))
    }

    /// The visible text of the first element that matches, once there is one. Lines stay lines;
    /// nothing is left of what is hidden.
    pub fn text(&self, css: &str) -> Result<String> {
        let text = self.first("the text of", css, "said(e)", &[])?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The visible texts of all elements that match, now.
    pub fn texts(&self, css: &str) -> Result<Vec<String>> {
        let texts = self.all("the texts of", css, "found.map(said)")?;
        let texts = texts.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(texts.iter().map(text_of).collect())
    }

    /// How many elements match, now, visible or not.
    pub fn count(&self, css: &str) -> Result<usize> {
        let count = self.all("the number of", css, "found.length")?;
        Ok(usize::try_from(count.as_u64().unwrap_or_default())?)
    }

    /// An attribute of the first element that matches, once there is one, as it stands in the page:
    /// of `disabled` and its like the empty text.
    pub fn attribute(&self, css: &str, name: &str) -> Result<Option<String>> {
        let doing = format!("attribute {name:?} of");
        let value = self.first(&doing, css, "e.getAttribute(more)", &[json!(name)])?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// What stands in the first input, textarea or select that matches, as it would be sent now.
    pub fn value(&self, css: &str) -> Result<String> {
        let value = self.first("the value of", css, "e.value", &[])?;
        value
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("{css:?} is no field with a value"))
    }

    /// Clicks on the first element that matches, once it can be clicked on: it is there, visible,
    /// not disabled, and nothing lies over its middle. A page the click leads to is waited for.
    pub fn click(&self, css: &str) -> Result<()> {
        self.until(&format_args!("click on {css:?}"), || {
            self.click_on("e => true", &[json!(css)])
        })
    }

    /// Clicks like [`Browser::click`] on the first matching element whose visible text contains
    /// `text`. White space counts as one space each; buttons of old kind show their value.
    pub fn click_text(&self, css: &str, text: &str) -> Result<()> {
        self.until(&format_args!("click on {css:?} with text {text:?}"), || {
            let has_text = "e => flat(said(e)).includes(flat(text))";
            self.click_on(has_text, &[json!(css), json!(text)])
        })
    }

    /// Empties an input or textarea and types `text` with the keys of a keyboard.
    ///
    /// A line feed in an input of one line is its Enter key. Text with characters past U+FFFF, for
    /// which chromedriver has no keys, arrives at once, as from an input method. Fields for dates
    /// and colours take keys in their own ways: use [`Browser::set_value`].
    pub fn fill(&self, css: &str, text: &str) -> Result<()> {
        let has_keys = text.chars().all(|character| character <= '\u{FFFF}');
        self.until(&format_args!("fill {css:?}"), || {
            let field = self.session.find(css)?;
            field.post("clear", &json!({}))?;
            if has_keys {
                field.post("value", &json!({ "text": text }))
            } else {
                let focus = "arguments[0].focus()";
                self.session
                    .script(focus, std::slice::from_ref(&field.reference))?;
                self.session
                    .chromium("Input.insertText", &json!({ "text": text }))
            }
        })?;
        Ok(())
    }

    /// Puts `text` into an input or textarea by script and tells the page (`input`, `change`): for
    /// text too long to type.
    pub fn set_value(&self, css: &str, text: &str) -> Result<()> {
        let expression = r#"(() => {
            if (!("value" in e)) return false;
            e.value = more;
            for (const name of ["input", "change"])
                e.dispatchEvent(new Event(name, { bubbles: true }));
            return true;
        })()"#;
        let done = self.first("set the value of", css, expression, &[json!(text)])?;
        ensure!(done == true, "{css:?} is no field with a value");
        Ok(())
    }

    /// Chooses the option with this value in a select.
    pub fn choose(&self, css: &str, option_value: &str) -> Result<()> {
        let doing = format!("choose {option_value:?} in {css:?}");
        let script = r"
            const field = document.querySelector(arguments[0]);
            if (!field) return null;
            const options = [...field.querySelectorAll('option')];
            return options.find(option => option.value === arguments[1] && !option.disabled)
                ?? options.map(option => option.value);";
        self.until(&doing, || {
            let found = self
                .session
                .script(script, &[json!(css), json!(option_value)])?;
            let Some(option) = self.session.element(found.clone()) else {
                let options = match found {
                    Value::Null => "there is no such field".to_owned(),
                    options => format!("to be chosen are {options}"),
                };
                return Err(Refusal::not_yet(options));
            };
            option.post("click", &json!({}))
        })?;
        Ok(())
    }

    /// Waits until an element matches, visible or not.
    pub fn wait_for(&self, css: &str) -> Result<()> {
        self.first("wait for", css, "true", &[])?;
        Ok(())
    }

    /// Waits until the visible text of an element that matches contains `text`. White space counts
    /// as one space each.
    pub fn wait_for_text(&self, css: &str, text: &str) -> Result<()> {
        let script = format!(
            "{READING} return [...document.querySelectorAll(arguments[0])]
                .some(e => flat(said(e)).includes(flat(arguments[1])));"
        );
        self.until(&format_args!("wait for {css:?} with text {text:?}"), || {
            let found = self.session.script(&script, &[json!(css), json!(text)])?;
            if found == true {
                Ok(())
            } else {
                Err(Refusal::not_yet("no such text"))
            }
        })
    }

    /// Waits until no element matches any more, visible or not.
    pub fn wait_gone(&self, css: &str) -> Result<()> {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.until(&format_args!("wait until {css:?} is gone"), || {
            match self.session.script(script, &[json!(css)])?.as_u64() {
                Some(0) => Ok(()),
                count => Err(Refusal::not_yet(format!(
                    "{} still there",
                    count.unwrap_or_default()
                ))),
            }
        })
    }

    /// Says yes to the dialog a page opened with `alert` or `confirm`, once it is there; returns
    /// what it said. Until then any other method fails.
    pub fn accept_alert(&self) -> Result<String> {
        self.until(&"accept a dialog", || {
            let text = self.session.get_text("alert/text")?;
            self.session.post("alert/accept", &json!({}))?;
            Ok(text)
        })
    }

    /// Runs the body of a JavaScript function with `arguments` and returns what it returns, after
    /// waiting for it if it is a promise. A Content-Security-Policy does not hinder it.
    pub fn script(&self, javascript: &str, arguments: &[Value]) -> Result<Value> {
        self.session
            .script(javascript, arguments)
            .with_context(|| format!("in the script {javascript:?}"))
    }

    /// Everything on the console since the last call, each with its level in front: `SEVERE …`,
    /// `WARNING …`, `INFO …`. Violations of a Content-Security-Policy and failed loads stand here.
    pub fn console(&self) -> Result<Vec<String>> {
        let log = self
            .session
            .post("se/log", &json!({ "type": "browser" }))
            .context("the console")?;
        let entries = log.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(entries
            .iter()
            .map(|entry| {
                format!(
                    "{} {}",
                    text_of(&entry["level"]),
                    text_of(&entry["message"])
                )
            })
            .collect())
    }

    /// Writes a picture (PNG) of the whole page, cut at 6000 pixels of height; missing folders of
    /// its path are made.
    pub fn screenshot(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let doing = || format!("a picture of the page in {}", path.display());
        let layout = self
            .session
            .chromium("Page.getLayoutMetrics", &json!({}))
            .with_context(doing)?;
        let size = |name: &str| layout["cssContentSize"][name].as_f64().unwrap_or(1.0);
        let wish = json!({
            "format": "png",
            "captureBeyondViewport": true,
            "clip": {
                "x": 0,
                "y": 0,
                "width": size("width"),
                "height": size("height").min(PICTURE_HEIGHT),
                "scale": 1,
            },
        });
        let picture = self
            .session
            .chromium("Page.captureScreenshot", &wish)
            .with_context(doing)?;
        let bytes = BASE64
            .decode(text_of(&picture["data"]).as_bytes())
            .with_context(doing)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(doing)?;
        }
        std::fs::write(path, bytes).with_context(doing)
    }

    /// The cookies that would be sent with the page's address.
    pub fn cookies(&self) -> Result<Vec<Cookie>> {
        let cookies = self.session.get("cookie").context("the cookies")?;
        let cookies = cookies.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(cookies
            .iter()
            .map(|cookie| Cookie {
                name: text_of(&cookie["name"]),
                value: text_of(&cookie["value"]),
                path: text_of(&cookie["path"]),
                http_only: cookie["httpOnly"] == true,
                secure: cookie["secure"] == true,
                same_site: text_of(&cookie["sameSite"]),
                lasting: !cookie["expiry"].is_null(),
            })
            .collect())
    }

    /// Sets a cookie for the whole site the browser is on; it must be on a page of it.
    pub fn set_cookie(&self, name: &str, value: &str) -> Result<()> {
        // What these prefixes demand; Chromium takes loopback for protected.
        let secure = name.starts_with("__Host-") || name.starts_with("__Secure-");
        let cookie = json!({ "name": name, "value": value, "path": "/", "secure": secure });
        self.session
            .post("cookie", &json!({ "cookie": cookie }))
            .with_context(|| format!("set cookie {name:?}"))?;
        Ok(())
    }

    /// Deletes all cookies of the site the browser is on.
    pub fn delete_cookies(&self) -> Result<()> {
        self.session.delete("cookie").context("delete the cookies")
    }

    /// Steps into the first iframe that matches, once it is there; selectors and scripts then mean
    /// what is in it. An iframe without the right to run scripts (`sandbox`) is read all the same.
    pub fn frame(&self, css: &str) -> Result<()> {
        self.until(&format_args!("step into the frame {css:?}"), || {
            let frame = self.session.find(css)?;
            self.session
                .post("frame", &json!({ "id": frame.reference }))
        })?;
        Ok(())
    }

    /// Steps out of all frames.
    pub fn top(&self) -> Result<()> {
        self.session
            .post("frame", &json!({ "id": null }))
            .context("step out of the frames")?;
        Ok(())
    }

    /// Presses and releases a key where the focus is: a character, or `Tab`, `Enter`, `Escape`,
    /// `Space`, `Backspace`, `Delete`, `Home`, `End`, `PageUp`, `PageDown`, `ArrowUp`, `ArrowDown`,
    /// `ArrowLeft`, `ArrowRight`; with `Shift`, `Control`, `Alt` or `Meta` held as in `Shift+Tab`.
    pub fn press(&self, key: &str) -> Result<()> {
        let keys = if key.chars().count() == 1 {
            vec![key.to_owned()]
        } else {
            key.split('+').map(key_value).collect::<Result<Vec<_>>>()?
        };
        let down = keys
            .iter()
            .map(|key| json!({ "type": "keyDown", "value": key }));
        let up = keys.iter().rev();
        let up = up.map(|key| json!({ "type": "keyUp", "value": key }));
        let strokes: Vec<Value> = down.chain(up).collect();
        let actions = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.session
            .post("actions", &json!({ "actions": [actions] }))
            .with_context(|| format!("press {key:?}"))?;
        Ok(())
    }

    /// What has the focus, written like a selector with its text behind:
    /// `button#save.primary[name="act"] "Save all"`; `body` when nothing has it.
    pub fn focused(&self) -> Result<String> {
        let script = format!(
            r##"{READING}
            const e = document.activeElement;
            if (!e || e === document.body) return "body";
            const name = e.getAttribute("name");
            const text = flat(said(e));
            return e.localName + (e.id && "#" + e.id)
                + [...e.classList].map(one => "." + one).join("")
                + (name === null ? "" : `[name="${{name}}"]`)
                + (text && ` "${{text}}"`);"##
        );
        let focused = self.until(&"what has the focus", || self.session.script(&script, &[]))?;
        Ok(text_of(&focused))
    }

    /// The value of `expression` for the first element `e` that matches, once there is one; the
    /// first of `more` is its `more`.
    fn first(&self, doing: &str, css: &str, expression: &str, more: &[Value]) -> Result<Value> {
        let script = format!(
            "{READING} const [css, more] = arguments;
            const e = document.querySelector(css);
            return e && [{expression}];"
        );
        let mut arguments = vec![json!(css)];
        arguments.extend_from_slice(more);
        self.until(&format_args!("{doing} {css:?}"), || {
            match self.session.script(&script, &arguments)? {
                Value::Null => Err(Refusal::not_yet("no such element")),
                mut found => Ok(found[0].take()),
            }
        })
    }

    /// The value of `expression` for the array `found` of all elements that match, now.
    fn all(&self, doing: &str, css: &str, expression: &str) -> Result<Value> {
        let script = format!(
            "{READING} const found = [...document.querySelectorAll(arguments[0])];
            return {expression};"
        );
        self.until(&format_args!("{doing} {css:?}"), || {
            self.session.script(&script, &[json!(css)])
        })
    }

    /// Clicks on the first element a selector matches and for which the function `fits` holds.
    ///
    /// It is found, moved and asked in one script: of the moments in which the page can be
    /// exchanged underneath, only that before the click itself is left.
    fn click_on(&self, fits: &str, css_and_text: &[Value]) -> Result<(), Refusal> {
        // To the middle, where no header or footer that stays in view lies over it.
        let script = format!(
            "{READING} const [css, text] = arguments;
            const e = [...document.querySelectorAll(css)].find({fits});
            if (!e) return 'no such element';
            if (e.matches(':disabled')) return 'it is disabled';
            e.scrollIntoView({{ block: 'center', inline: 'nearest', behavior: 'instant' }});
            return e;"
        );
        let found = self.session.script(&script, css_and_text)?;
        match self.session.element(found.clone()) {
            Some(element) => element.post("click", &json!({})).map(drop),
            None => Err(Refusal::not_yet(text_of(&found))),
        }
    }

    /// Tries until it succeeds, or fails for good, or the patience ends.
    fn until<T>(
        &self,
        doing: &dyn fmt::Display,
        mut attempt: impl FnMut() -> Result<T, Refusal>,
    ) -> Result<T> {
        let end = Instant::now() + self.patience;
        loop {
            let refusal = match attempt() {
                Ok(done) => return Ok(done),
                Err(refusal) => refusal,
            };
            let page = || self.page();
            if !refusal.may_pass() {
                bail!("{doing}: {refusal}\n{}", page());
            }
            if Instant::now() >= end {
                bail!(
                    "{doing}, for {:?} in vain: {refusal}\n{}",
                    self.patience,
                    page()
                );
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    /// The page in a few words, for errors.
    fn page(&self) -> String {
        let script = "return [location.href, document.title,
            [...(document.body?.innerText ?? '')].slice(0, 500).join('')]";
        match self.session.script(script, &[]) {
            Ok(told) => format!(
                "the page {} is titled {} and shows:\n{}",
                text_of(&told[0]),
                told[1],
                text_of(&told[2])
            ),
            Err(refusal) => format!("the page cannot be read: {refusal}"),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killed without a farewell: nothing of the profile is kept.
        let _may_be_dead = self.service.terminate(Duration::from_secs(5));
        // What is still dying may write into the folder, which is removed next.
        let end = Instant::now() + Duration::from_secs(5);
        while anything_runs_in(self.service.folder()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a process names the folder in its command line, as Chromium and its helpers do.
fn anything_runs_in(folder: &Path) -> bool {
    let folder = folder.to_string_lossy();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    // Of a process that has ended and was not yet waited for, the command line is empty.
    let mut lines =
        processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(&*folder))
}

fn capabilities(look: &Look, folder: &Path) -> Value {
    let Look {
        width,
        height,
        language,
        ..
    } = look;
    let languages = look.accepted_languages();
    json!({
        "browserName": "chrome",
        "pageLoadStrategy": "normal",
        "timeouts": { "pageLoad": 30_000, "script": 30_000, "implicit": 0 },
        // A dialog stays until the test says something to it.
        "unhandledPromptBehavior": "ignore",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": "/usr/bin/chromium",
            "args": [
                "--headless=new",
                // Root, and containers with a small /dev/shm and no graphics.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                format!("--user-data-dir={}", folder.join("profile").display()),
                format!("--window-size={width},{height}"),
                "--hide-scrollbars",
                "--force-prefers-reduced-motion",
                format!("--lang={language}"),
                format!("--accept-lang={languages}"),
                "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
            ],
            "prefs": {
                "intl.accept_languages": languages,
                // No questions of Chromium's own about passwords.
                "credentials_enable_service": false,
                "profile.password_manager_leak_detection": false,
            },
        },
    })
}

/// A key's character in WebDriver's private area of Unicode.
fn key_value(name: &str) -> Result<String> {
    let character = match name {
        "Tab" => '\u{E004}',
        "Enter" => '\u{E007}',
        "Escape" => '\u{E00C}',
        "Space" => ' ',
        "Backspace" => '\u{E003}',
        "Delete" => '\u{E017}',
        "Home" => '\u{E011}',
        "End" => '\u{E010}',
        "PageUp" => '\u{E00E}',
        "PageDown" => '\u{E00F}',
        "ArrowLeft" => '\u{E012}',
        "ArrowUp" => '\u{E013}',
        "ArrowRight" => '\u{E014}',
        "ArrowDown" => '\u{E015}',
        "Shift" => '\u{E008}',
        "Control" => '\u{E009}',
        "Alt" => '\u{E00A}',
        "Meta" => '\u{E03D}',
        one if one.chars().count() == 1 => return Ok(one.to_owned()),
        unknown => bail!("there is no key {unknown:?}"),
    };
    Ok(character.to_string())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
