//! What is set for a domain: one `[[standing.domains]]` made, changed, or taken out when it says nothing any more.

use ipnet::IpNet;
use mail::standing::{Handling, Stage};
use mail::{Domain, Mark};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

use super::{EditError, array, push, section, set};
use crate::condition::read::network as read_network;

/// Where servers of each mark stand.
const MARKS: [(&str, Mark); 3] = [
    ("own", Mark::Own),
    ("authorised", Mark::Authorised),
    ("not_ours", Mark::NotOurs),
];

/// Says what a network is to a domain; `Unmarked` takes back what was said of this very network.
pub(super) fn mark(
    document: &mut DocumentMut,
    domain: &Domain,
    network: IpNet,
    mark: Mark,
) -> Result<(), EditError> {
    let network = network.trunc();
    change(document, domain, |table| {
        let before = marked_as(table, network);
        if before == mark {
            let shown = shown(network);
            return Err(if mark == Mark::Unmarked {
                EditError::Unknown(format!("a mark of {shown} for {domain}"))
            } else {
                EditError::There(format!("{shown} as {} of {domain}", mark.as_str()))
            });
        }
        for (key, known) in MARKS {
            if known == mark {
                push(networks(table, key)?, shown(network).into());
            } else if known == before {
                take_out(table, key, network)?;
            }
        }
        Ok(())
    })
}

/// Keeps a domain in a stage, or lets it move by itself again.
pub(super) fn pin(
    document: &mut DocumentMut,
    domain: &Domain,
    stage: Option<Stage>,
) -> Result<(), EditError> {
    put(document, domain, "stage", stage.map(Stage::as_str))
}

/// The most that is done to mail in a domain's name, or whatever follows.
pub(super) fn wish(
    document: &mut DocumentMut,
    domain: &Domain,
    wish: Option<Handling>,
) -> Result<(), EditError> {
    put(document, domain, "wish", wish.map(Handling::as_str))
}

fn put(
    document: &mut DocumentMut,
    domain: &Domain,
    key: &str,
    word: Option<&str>,
) -> Result<(), EditError> {
    change(document, domain, |table| {
        if let Some(word) = word {
            set(table, key, value(word));
        } else {
            let unknown = || EditError::Unknown(format!("a {key} of {domain}"));
            table.remove(key).ok_or_else(unknown)?;
        }
        Ok(())
    })
}

/// Changes the section of a domain. A domain that has none of its own gets one that says what held for it until now, which is what the
/// nearest section above it says: one thing is changed, not all of them.
fn change(
    document: &mut DocumentMut,
    domain: &Domain,
    change: impl FnOnce(&mut Table) -> Result<(), EditError>,
) -> Result<(), EditError> {
    let all = section(document, "standing")?
        .entry("domains")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()))
        .as_array_of_tables_mut()
        .ok_or_else(|| EditError::Unfit("standing.domains is not written as tables".into()))?;
    let mut names_above = std::iter::successors(domain.parent(), Domain::parent);
    let above = names_above.find_map(|name| place(all, &name));
    let place = place(all, domain).unwrap_or_else(|| {
        let mut table = Table::new();
        table.insert("domain", value(domain.as_str()));
        let inherited = above.and_then(|above| all.get(above));
        for (key, item) in inherited.into_iter().flat_map(Table::iter) {
            if key != "domain" {
                table.insert(key, item.clone());
            }
        }
        all.push(table);
        all.len() - 1
    });
    let table = all.get_mut(place);
    let table = table.ok_or_else(|| EditError::Unknown(format!("standing.domains {domain}")))?;
    change(table)?;
    // One that says nothing still means something below another: it lifts what that one says.
    if table.iter().all(|(key, _)| key == "domain") && above.is_none() {
        all.remove(place);
    }
    Ok(())
}

fn place(all: &ArrayOfTables, domain: &Domain) -> Option<usize> {
    all.iter().position(|table| {
        let name = table.get("domain").and_then(Item::as_str);
        name.and_then(|name| Domain::parse(name).ok()).as_ref() == Some(domain)
    })
}

/// What this very network is marked as.
fn marked_as(table: &Table, network: IpNet) -> Mark {
    let found = MARKS.iter().find(|(key, _)| {
        let written = table.get(key).and_then(Item::as_value);
        match written {
            Some(Value::Array(array)) => array.iter().any(|one| is(one, network)),
            Some(one) => is(one, network),
            None => false,
        }
    });
    found.map_or(Mark::Unmarked, |(_, mark)| *mark)
}

fn is(written: &Value, network: IpNet) -> bool {
    let text = written.as_str();
    text.and_then(|text| read_network(text).ok())
        .is_some_and(|known| known.trunc() == network)
}

/// The networks of a key as an array; a single one may be written without.
fn networks<'t>(table: &'t mut Table, key: &str) -> Result<&'t mut Array, EditError> {
    if let Some(single) = table.get(key).and_then(Item::as_str).map(str::to_owned) {
        let alone: Array = std::iter::once(single).collect();
        set(table, key, value(alone));
    }
    array(table, key)
}

fn take_out(table: &mut Table, key: &str, network: IpNet) -> Result<(), EditError> {
    let known = networks(table, key)?;
    known.retain(|one| !is(one, network));
    if known.is_empty() {
        table.remove(key);
    }
    Ok(())
}

/// A network as people write it: a single machine by its address.
fn shown(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use mail::Limits;

    use super::super::{Edit, apply};
    use super::*;
    use crate::Policy;
    use crate::standing::Settings;

    const TEXT: &str = "# ours\n[standing]\nenforce = true   # since May\n\n\
        # the bank\n[[standing.domains]]\ndomain = \"Bank.example\"\nown = [\"192.0.2.0/24\"]   # the old hall\nnot_ours = \"203.0.113.9\"\nstage = \"blocking\"\n\n\
        [replies]\nreject = \"550 5.7.1 No\"\n";

    fn domain(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    fn mark(name: &str, network: &str, mark: Mark) -> Edit {
        Edit::MarkServer {
            domain: domain(name),
            network: read_network(network).expect("a network"),
            mark,
        }
    }

    fn pin(name: &str, stage: Option<Stage>) -> Edit {
        Edit::PinStage {
            domain: domain(name),
            stage,
        }
    }

    fn changed(text: &str, edit: &Edit) -> String {
        apply(text, edit).unwrap_or_else(|error| panic!("{edit:?}: {error}"))
    }

    fn settings(text: &str) -> Settings {
        let policy = Policy::parse(text, &Limits::default());
        let policy = policy.unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
        policy.standing().clone()
    }

    #[test]
    fn a_mark_is_entered_moved_and_taken_back_and_all_else_stays() {
        let own = changed(TEXT, &mark("bank.example", "198.51.100.7", Mark::Own));
        assert!(
            own.contains("own = [\"192.0.2.0/24\", \"198.51.100.7\"]   # the old hall"),
            "{own}"
        );
        let moved = changed(&own, &mark("bank.example", "198.51.100.7", Mark::NotOurs));
        assert!(
            moved.contains("not_ours = [\"203.0.113.9\", \"198.51.100.7\"]"),
            "{moved}"
        );
        let set = settings(&moved);
        assert_eq!(set.of(&domain("bank.example")).marks.len(), 3);
        let back = changed(
            &moved,
            &mark("bank.example", "198.51.100.7", Mark::Unmarked),
        );
        assert_eq!(settings(&back), settings(TEXT));
        for kept in ["# ours", "# since May", "# the bank", "[replies]"] {
            assert!(back.contains(kept), "{kept}: {back}");
        }
    }

    #[test]
    fn a_domain_without_a_section_gets_one_and_loses_it_when_it_says_nothing() {
        for text in [TEXT, "", crate::DEFAULT_POLICY] {
            let pinned = changed(text, &pin("new.example", Some(Stage::Observing)));
            let set = settings(&pinned);
            assert_eq!(
                set.of(&domain("new.example")).stage,
                Some(Stage::Observing),
                "{pinned}"
            );
            let back = changed(&pinned, &pin("new.example", None));
            assert_eq!(settings(&back), settings(text));
        }
    }

    #[test]
    fn what_holds_from_above_goes_on_below() {
        let wish = Edit::SetWish {
            domain: domain("shop.bank.example"),
            wish: Some(Handling::Redirect),
        };
        let set = settings(&changed(TEXT, &wish));
        let shop = set.of(&domain("shop.bank.example"));
        assert_eq!(
            (shop.stage, shop.wish, shop.marks.len()),
            (Some(Stage::Blocking), Some(Handling::Redirect), 2)
        );
        // To lift the pin below alone, a section that says less stays there.
        let free = changed(TEXT, &pin("shop.bank.example", None));
        assert_eq!(settings(&free).of(&domain("shop.bank.example")).stage, None);
        let mut lifted = free;
        for network in ["192.0.2.0/24", "203.0.113.9"] {
            lifted = changed(&lifted, &mark("shop.bank.example", network, Mark::Unmarked));
        }
        let set = settings(&lifted);
        assert_eq!(set.of(&domain("shop.bank.example")).marks, []);
        assert_eq!(set.of(&domain("bank.example")).marks.len(), 2);
    }

    #[test]
    fn what_is_there_already_or_not_at_all_is_said() {
        for (edit, told) in [
            (mark("bank.example", "192.0.2.9/24", Mark::Own), "already"),
            (
                mark("bank.example", "192.0.2.7", Mark::Unmarked),
                "192.0.2.7",
            ),
            (pin("new.example", None), "a stage of new.example"),
        ] {
            let error = apply(TEXT, &edit).expect_err("it changes nothing");
            assert!(error.to_string().contains(told), "{error}");
        }
        let inline = "standing = { domains = [] }";
        assert!(apply(inline, &pin("new.example", Some(Stage::Blocking))).is_err());
    }
}
