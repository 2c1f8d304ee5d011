//! The usage report as a page that stands alone: no script, no style from elsewhere, nothing fetched.

use super::{COLUMNS, ServerUsage, Usage, share, shown};
use crate::xml::escaped;

const STYLE: &str = "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}\
th,td{border:1px solid #bbb;padding:.2em .5em;text-align:right}th{background:#eee}\
td:first-child,td:nth-child(2),td:nth-child(3){text-align:left}tfoot td{font-weight:bold}";

impl Usage {
    /// The report as HTML.
    pub fn to_html(&self) -> String {
        let title = format!("Mail as {}", self.domain);
        let totals = self.totals();
        let all = ServerUsage {
            server: None,
            name: Some("all servers".to_owned()),
            mark: mail::Mark::Unmarked,
            counts: totals,
            selectors: Vec::new(),
        };
        let names: String = COLUMNS
            .iter()
            .map(|name| format!("<th>{name}</th>"))
            .collect();
        let lines: String = self.servers.iter().map(line_of).collect();
        let advice: String = self
            .advice
            .iter()
            .map(|advice| format!("<li>{}</li>", escaped(advice)))
            .collect();
        let advice = if advice.is_empty() {
            advice
        } else {
            format!("<h2>What can be done</h2><ul>{advice}</ul>")
        };
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n\
             <body><h1>{title}</h1><p>Seen by {}, {} to {}. {} messages, {} % of what could be checked was signed and authentic.</p>\n\
             <table><thead><tr><th>server</th><th>name</th><th>mark</th>{names}<th>signed %</th><th>selectors</th></tr></thead>\n\
             <tbody>{lines}</tbody><tfoot>{}</tfoot></table>\n{advice}</body></html>\n",
            escaped(&self.reporter),
            self.begin,
            self.end,
            totals.total,
            share(&totals),
            line_of(&all),
            title = escaped(&title),
        )
    }
}

fn line_of(server: &ServerUsage) -> String {
    let mut cells = vec![
        shown(server),
        escaped(server.name.as_deref().unwrap_or_default()),
        server.mark.as_str().to_owned(),
    ];
    let counts = &server.counts;
    cells.extend(counts.numbers().map(|number| number.to_string()));
    cells.push(share(counts));
    cells.push(escaped(&server.selectors.join(" ")));
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{cell}</td>"))
        .collect();
    format!("<tr>{cells}</tr>\n")
}
