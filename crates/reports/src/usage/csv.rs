//! The usage report as comma-separated values (RFC 4180).

use super::{COLUMNS, ServerUsage, Usage, share, shown};

impl Usage {
    /// One line for each server, one for all, under a line of names.
    pub fn to_csv(&self) -> String {
        let mut names = vec!["domain", "server", "name", "mark"];
        names.extend(COLUMNS);
        names.extend(["signed %", "selectors"]);
        let mut csv = line(names.into_iter().map(str::to_owned));
        for server in &self.servers {
            csv.push_str(&self.line_of(server));
        }
        let all = ServerUsage {
            server: None,
            name: Some("all".to_owned()),
            mark: mail::Mark::Unmarked,
            counts: self.totals(),
            selectors: Vec::new(),
        };
        csv.push_str(&self.line_of(&all));
        csv
    }

    fn line_of(&self, server: &ServerUsage) -> String {
        let mut cells = vec![
            self.domain.to_string(),
            shown(server),
            server.name.clone().unwrap_or_default(),
            server.mark.as_str().to_owned(),
        ];
        let counts = &server.counts;
        cells.extend(counts.numbers().map(|number| number.to_string()));
        cells.push(share(counts));
        cells.push(server.selectors.join(" "));
        line(cells.into_iter())
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| safe(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell that stays one, and that no spreadsheet takes for a formula: names come from strangers' DNS.
fn safe(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}
