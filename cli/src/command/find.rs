//! `search` and `info`: what packages there are, and what is known about one.

use catalog::permission::NodeId;
use catalog::release::Release;
use catalog::resolve::Fit;
use catalog_node::control::requests::{Fits, Info, Search, SearchLive};
use catalog_node::info;
use catalog_node::search::{Asked, Clue, Found, Hit};
use serde_json::{Value, json};

use super::facets;
use super::index::mended;
use super::publish::counted;
use crate::args::{InfoArgs, SearchArgs};
use crate::line::{Ink, Line, Table, paragraph};
use crate::screen::Document;
use crate::session::{self, Session};
use crate::stop::Stop;

/// Finds packages.
pub fn search(session: &Session, args: &SearchArgs) -> Result<(), Stop> {
    let fits = match args.fits.as_deref() {
        None => None,
        Some("this") => Some(session.fits_here()?),
        Some(name) => Some(Fits::On(Box::new(session::profile(name)?))),
    };
    let request = Search {
        text: args.text.join(" "),
        kind: args.kind.clone(),
        fits,
        publisher: args.publisher.clone(),
        limit: args.limit,
        offset: args.offset,
        sort: args.sort.clone(),
        prefix: args.prefix,
        explain: args.explain,
        like: args.like.clone(),
        facets: if args.facets { facets::SHOWN } else { 0 },
        peers: args.peers.clone(),
    };
    let next = |found: &Found| args.offset.saturating_add(found.hits.len());
    let found = session.ask(async |control| {
        let mut bars = session.bars();
        if !bars.are_live() {
            return Ok(control.ask(&request).await?);
        }
        let show = |found: Found| {
            bars.found(&found, || Hits { next: next(&found), found: found.clone() }.human());
        };
        let found = control.follow(&SearchLive(request), show).await;
        bars.end();
        Ok(found?)
    })?;
    if let Some(rebuilt) = &found.rebuilt {
        session.screen.warn(&mended(rebuilt));
    }
    if found.hits.is_empty() {
        session.screen.say(&Line::from("nothing found; catalog peer add brings more packages"));
    }
    if let Some(asked) = &found.peers {
        session.screen.say(&coverage(asked));
    }
    if let Some(meant) = &found.meant {
        let words = format!("some of these words are in no package; searched for `{meant}` too");
        session.screen.say(&Line::new().ink(Ink::Dim, words));
    }
    session.screen.emit(&Hits { next: next(&found), found })
}

/// How complete the answers of peers are: `2 of 3 peers in 41 ms`.
fn coverage(asked: &Asked) -> Line {
    let Asked { asked, answered, lied, took_ms, age_ms } = *asked;
    let mut words = match age_ms {
        None => format!("{answered} of {} in {took_ms} ms", counted(asked as u64, "peer")),
        Some(age) => {
            format!("{answered} of {}, {} s ago", counted(asked as u64, "peer"), age.div_ceil(1000))
        }
    };
    let ink = if answered < asked || lied > 0 { Ink::Warn } else { Ink::Dim };
    if lied > 0 {
        let liars = counted(lied as u64, "peer");
        words.push_str(&format!("; {liars} sent forged records, of which nothing is shown"));
    }
    Line::new().ink(ink, words)
}

struct Hits {
    found: Found,
    /// Where the next page begins.
    next: usize,
}

impl Hits {
    fn row(hit: &Hit) -> Value {
        let mut row = serde_json::to_value(hit).unwrap_or_default();
        // The summary is a stranger's words, whoever reads this.
        row["untrusted"] = json!(["summary"]);
        row
    }
}

impl Document for Hits {
    const SCHEMA: &'static str = "catalog.search/1";

    fn json(&self) -> Value {
        json!({
            "hits": self.rows(),
            "more": self.found.more,
            "meant": self.found.meant,
            "facets": self.found.facets,
            "rebuilt": self.found.rebuilt,
            "peers": self.found.peers,
            "took_us": self.found.took_us,
        })
    }

    fn human(&self) -> Vec<Line> {
        let hits = &self.found.hits;
        if hits.is_empty() {
            return Vec::new();
        }
        let with_fit = hits.iter().any(|hit| hit.fit.is_some());
        let mut headings = vec!["PACKAGE", "VERSION", "KIND", "SUMMARY"];
        if with_fit {
            headings.insert(3, "FIT");
        }
        let with_from = hits.iter().any(|hit| !hit.from.is_empty());
        if with_from {
            headings.insert(headings.len() - 1, "AT");
        }
        let mut table = Table::new(&headings);
        for hit in hits {
            let mut cells = vec![
                reference(hit),
                hit.version.to_string().into(),
                hit.kind.to_string().into(),
                Line::new().marked(Ink::Plain, &hit.summary, &hit.matched.summary),
            ];
            if with_fit {
                cells.insert(3, hit.fit.map(fit).unwrap_or_default());
            }
            if with_from {
                let from = hit.from.first().map_or_else(|| "here".to_owned(), NodeId::short);
                cells.insert(cells.len() - 1, Line::new().ink(Ink::Dim, from));
            }
            table.row(cells);
        }
        let mut lines = table.lines(0);
        for hit in hits.iter().filter(|hit| !hit.why.is_empty()) {
            lines.push(Line::new());
            lines.push(
                Line::new()
                    .ink(Ink::Strong, &hit.reference)
                    .text(format!("   score {:.2}", hit.score)),
            );
            lines.extend(why(&hit.why).lines(2));
        }
        if self.found.more {
            let more = format!("there are more: --offset {} or --limit", self.next);
            lines.push(Line::new().ink(Ink::Dim, more));
        }
        lines.extend(self.found.facets.iter().flat_map(facets::lines));
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.found.hits.iter().map(|hit| hit.reference.clone()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.found.hits.iter().map(Self::row).collect())
    }
}

/// How a package is named here, with the words of the query in its name.
fn reference(hit: &Hit) -> Line {
    let name = hit.package.name.as_str();
    let before = hit.reference.strip_suffix(name).unwrap_or_default();
    Line::new().ink(Ink::Strong, before).marked(Ink::Strong, name, &hit.matched.name)
}

/// What adds up to a score, what adds most first.
fn why(clues: &[Clue]) -> Table {
    let mut clues: Vec<&Clue> = clues.iter().collect();
    clues.sort_by(|a, b| b.adds.abs().total_cmp(&a.adds.abs()));
    let mut table = Table::bare();
    for clue in clues {
        table.row([Line::from(format!("{:+.2}", clue.adds)), Line::from(&clue.name)]);
    }
    table
}

/// How well something fits, in its colour.
pub fn fit(fit: Fit) -> Line {
    let ink = match fit {
        Fit::Great | Fit::Ok => Ink::Good,
        Fit::Tight | Fit::Unknown => Ink::Warn,
        Fit::No => Ink::Bad,
    };
    Line::new().ink(ink, fit.as_str())
}

/// Shows a package.
pub fn info(session: &Session, args: &InfoArgs) -> Result<(), Stop> {
    let request = Info { reference: args.reference.clone(), looked_at: true };
    let info = session.ask(async |control| Ok(control.ask(&request).await?))?;
    info.warnings.iter().for_each(|warning| session.screen.warn(warning));
    session.screen.emit(&About(info))
}

struct About(info::Info);

impl Document for About {
    const SCHEMA: &'static str = "catalog.info/1";

    fn json(&self) -> Value {
        let mut body = serde_json::to_value(&self.0).unwrap_or_default();
        body["untrusted"] = json!(["release"]);
        body
    }

    fn human(&self) -> Vec<Line> {
        let Self(info) = self;
        let release = &info.release;
        let mut lines = vec![
            Line::new()
                .ink(Ink::Strong, &info.reference)
                .text(format!("   {}   {}", release.kind, release.license)),
        ];
        if !release.summary.is_empty() {
            lines.push(Line::from(&release.summary));
        }
        if let Some(reason) = &info.yanked {
            lines.push(Line::new().ink(Ink::Warn, "withdrawn: ").text(reason));
        }
        if info.contested {
            let words = "contested: its publisher signed two different releases of this version";
            lines.push(Line::new().ink(Ink::Bad, words));
        }
        lines.push(Line::new());
        lines.extend(facts(info).lines(0));
        lines.push(Line::new());
        lines.extend(variants(release, info).lines(2));
        if let Some(description) = &release.description {
            lines.push(Line::new());
            lines.extend(paragraph(description));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        self.0.versions.iter().map(|version| version.version.to_string()).collect()
    }
}

fn facts(info: &info::Info) -> Table {
    let release = &info.release;
    let mut table = Table::bare();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([Line::new().ink(Ink::Dim, name), Line::from(value)]);
        }
    };
    let listed = |words: &[String]| words.join(", ");
    fact("publisher", release.publisher.to_string());
    let seen =
        info.seen.iter().map(|print| format!("{print}; nobody here has named this publisher"));
    fact("fingerprint", seen.collect());
    fact("release", format!("cat:{}", info.id));
    let versions = info.versions.iter().map(|row| match (&row.yanked, row.contested) {
        (Some(_), _) => format!("{} (withdrawn)", row.version),
        (None, true) => format!("{} (contested)", row.version),
        (None, false) => row.version.to_string(),
    });
    fact("versions", versions.collect::<Vec<_>>().join(", "));
    let channels = info.channels.iter().map(|(name, version)| format!("{name} = {version}"));
    fact("channels", channels.collect::<Vec<_>>().join(", "));
    fact("keywords", listed(&release.keywords));
    fact("provides", listed(&release.provides));
    fact("wants", wants(release));
    let needs = release
        .dependencies
        .iter()
        .map(|needed| format!("{}/{} {}", needed.publisher.short(), needed.name, needed.range));
    fact("needs", needs.collect::<Vec<_>>().join(", "));
    if let Some(from) = &release.provenance {
        let words =
            format!("{} {} {}, signed by the importer", from.ecosystem, from.name, from.version);
        fact("imported", words);
    }
    let goes_with = info.goes_with.iter().map(|one| match one.votes {
        0 => one.reference.clone(),
        1 => format!("{} (1 like it needs it)", one.reference),
        votes => format!("{} ({votes} like it need it)", one.reference),
    });
    fact("goes with", goes_with.collect::<Vec<_>>().join(", "));
    if let Some(installed) = &info.installed {
        let how = if installed.lazy { ", lazily" } else { "" };
        fact("installed", format!("{}#{}{how}", installed.version, installed.variant));
    }
    table
}

/// What a release asks to be allowed, on one line.
pub fn wants(release: &Release) -> String {
    let asked = release
        .capabilities
        .iter()
        .flat_map(|(area, rights)| rights.iter().map(move |right| format!("{area} {right}")));
    asked.collect::<Vec<_>>().join("   ")
}

fn variants(release: &Release, info: &info::Info) -> Table {
    let mut table = Table::new(&["VARIANT", "SIZE", "FILES", "REQUIRES", ""]);
    for variant in &release.variants {
        let requires = variant.requires.iter().map(|(key, needed)| format!("{key} {needed}"));
        let held = info.held.iter().find(|held| held.variant == variant.id);
        let mut notes = Vec::new();
        if variant.fallback {
            notes.push("fallback");
        }
        match held.map(|held| held.complete) {
            Some(true) => notes.push("here"),
            Some(false) => notes.push("partly here"),
            None => {}
        }
        table.row([
            Line::new().ink(Ink::Strong, variant.id.as_str()),
            variant.size.to_string().into(),
            counted(variant.files, "file").into(),
            Line::from(requires.collect::<Vec<_>>().join("  ")),
            Line::new().ink(Ink::Dim, notes.join(", ")),
        ]);
    }
    table
}
