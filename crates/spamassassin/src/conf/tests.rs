//! Lines of rules, read and written again.

use super::*;

fn read(text: &str) -> Conf {
    Conf::read(&[Source {
        name: "a.cf".into(),
        text: text.into(),
    }])
}

#[test]
fn lines_are_read_and_written_again() {
    let text = "# comment\nheader A Subject =~ /a\\#b/i  # more\nscore A 1.5 2 3 4\ndescribe A Caf\u{e9}  here\nbody __B /caf\u{e9}/\ntflags __B multiple maxhits=3\nmeta C A && !__B\nlang de describe A Anders\n\
                ifplugin Mail::SpamAssassin::Plugin::Nobody\nbody D /d/\nelse\nbody E /e/\nendif\nif (version >= 4.000000) && !plugin(Mail::SpamAssassin::Plugin::Nobody)\nbody F eval:check_stock_info('2', \"x\")\nendif\nfreemail_domains a.example B.example\nenlist_uri_host (X) c.example\nuri G m{^http://x#}\n";
    let conf = read(text);
    let names: Vec<&str> = conf.rules.keys().map(String::as_str).collect();
    assert_eq!(names, ["A", "C", "E", "F", "G", "__B"]);
    assert_eq!((conf.score("A"), conf.score("C")), (1.5, 1.0));
    assert_eq!(conf.flags_of("__B").hits_max(), 3);
    assert_eq!(conf.descriptions["A"], "Caf\u{e9} here");
    let written = conf.written();
    assert!(written.contains("body __B /caf\\xc3\\xa9/\n"), "{written}");
    assert!(
        written.contains("header A Subject =~ /a\\#b/i\n"),
        "{written}"
    );
    assert_eq!(read(&written).written(), written);
    let reasons: Vec<String> = conf
        .left_out
        .iter()
        .map(|left| {
            format!(
                "{}:{} {} {}",
                left.place.file, left.place.line, left.what, left.reason
            )
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "a.cf:9 1 lines is for Mail::SpamAssassin::Plugin::Nobody, which is not known here",
            "a.cf:19 G its pattern is refused: the pattern has no end",
        ]
        .iter()
        .map(ToString::to_string)
        .filter(|reason| reasons.contains(reason))
        .collect::<Vec<_>>()
    );
}

#[test]
fn what_is_wrong_is_left_out_and_named() {
    let conf = read(
        "body 1A /a/\nbody B\nheader C Subject /x/\nscore D x\nmeta E A &&\nheader F eval:nothing(\nuri_detail G text /x/\nfold h\nbody H eval:fn('a' 'b')\nendif\nif (plugin(\n",
    );
    assert!(conf.rules.is_empty(), "{:?}", conf.rules.keys());
    let lines: Vec<usize> = conf.left_out.iter().map(|left| left.place.line).collect();
    assert_eq!(
        lines,
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0],
        "{:?}",
        conf.left_out
    );
}

#[test]
fn scores_add_up_and_have_defaults() {
    let conf =
        read("body A /a/\nscore A 1\nscore A (0.5)\nbody T_B /b/\nbody C /c/\ntflags C nice\n");
    assert_eq!(
        (conf.score("A"), conf.score("T_B"), conf.score("C")),
        (1.5, 0.01, -1.0)
    );
}

#[test]
fn tags_are_replaced() {
    let conf = read(
        "replace_tag A (?:a|@)\nreplace_tag B <A>b\nreplace_inter W \\s?\nbody R /<inter W><A><B>x/i\nreplace_rules R\n",
    );
    assert_eq!(
        conf.rules["R"].test.written(),
        r"/(?:a|@)\s?(?:a|@)\s?bx/i".replace(r"\s?bx", "bx")
    );
}
