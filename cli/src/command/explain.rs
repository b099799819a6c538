//! `explain`: why a variant was chosen and the others were not, or what an error code means.

use catalog_node::control::requests::{Explain, Sources};
use catalog_node::control::{Code, Failure, Topic};
use catalog_node::info::Explained;
use catalog_node::sources;
use serde_json::{Value, json};

use crate::args::ExplainArgs;
use crate::line::{Ink, Line, Table, paragraph};
use crate::screen::{Document, columns};
use crate::session::Session;
use crate::stop::Stop;

/// Explains a choice, a code, or lists the codes.
pub fn explain(session: &Session, args: &ExplainArgs) -> Result<(), Stop> {
    let Some(topic) = &args.topic else {
        return session.screen.emit(&Topics);
    };
    // A package may be called cat0301 too: with its publisher in front it is never taken for a code.
    if let Ok(code) = topic.parse::<Code>() {
        return session.screen.emit(&Told::of(code)?);
    }
    if args.sources {
        let strategy = session.strategy(args.strategy.as_ref())?;
        let request = Sources { reference: topic.clone(), strategy };
        let sources = session.ask(async |control| Ok(control.ask(&request).await?))?;
        return session.screen.emit(&Asked(sources));
    }
    let request = Explain { reference: topic.clone(), choice: session.choice(&args.choice)? };
    let explained = session.ask(async |control| Ok(control.ask(&request).await?))?;
    session.screen.emit(&Why(explained))
}

struct Why(Explained);

impl Document for Why {
    const SCHEMA: &'static str = "catalog.explain/1";

    fn json(&self) -> Value {
        let Explained { reference, id, release, resolution, .. } = &self.0;
        json!({
            "reference": reference,
            "id": id,
            "resolution": resolution,
            "release": release,
            "untrusted": ["release"],
        })
    }

    fn human(&self) -> Vec<Line> {
        paragraph(&self.0.text).collect()
    }

    fn plain(&self) -> Vec<String> {
        let Explained { reference, resolution, .. } = &self.0;
        resolution.chosen.iter().map(|variant| format!("{reference}#{variant}")).collect()
    }
}

/// Who would be asked, in their order.
struct Asked(sources::Sources);

impl Document for Asked {
    const SCHEMA: &'static str = "catalog.sources/1";

    fn json(&self) -> Value {
        json!(self.0)
    }

    fn human(&self) -> Vec<Line> {
        let sources::Sources { reference, strategy, sources } = &self.0;
        let who = match sources.is_empty() {
            true => "nobody is known who could be asked for",
            false => "asked for",
        };
        let head = Line::from(format!("{who} ")).ink(Ink::Strong, reference);
        let mut lines = vec![head.text(format!(", {strategy} first"))];
        for source in sources {
            let alias = source.alias.as_ref().map(|alias| format!(" {alias}")).unwrap_or_default();
            lines.push(
                Line::new()
                    .ink(Ink::Strong, source.node.short())
                    .text(alias)
                    .text(format!("   round {}, score {:.3}", source.round, source.score))
                    .text(match source.share_percent {
                        100 => String::new(),
                        share => format!(", {share} % of its share"),
                    }),
            );
            let mut table = Table::bare();
            for term in &source.terms {
                table.row([
                    Line::new().ink(Ink::Dim, &term.name),
                    format!("{:.3}", term.value).into(),
                    term.says.as_str().into(),
                ]);
            }
            lines.extend(table.lines(2));
        }
        if !sources.is_empty() {
            let words =
                "a score is the product of its terms; who has the package shows when it is asked";
            lines.push(Line::new().ink(Ink::Dim, words));
        }
        lines
    }

    fn plain(&self) -> Vec<String> {
        let line = |source: &sources::Source| format!("{}\t{:.3}", source.node, source.score);
        self.0.sources.iter().map(line).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(self.0.sources.iter().map(|source| json!(source)).collect())
    }
}

/// What one code means.
struct Told {
    code: Code,
    title: &'static str,
    text: &'static str,
    exit: u8,
}

impl Told {
    fn of(code: Code) -> Result<Self, Failure> {
        if let Some(Topic { title, text, exit, .. }) = code.topic() {
            return Ok(Self { code, title, text, exit: (*exit).into() });
        }
        match catalog::manifest::explain(&code.to_string()) {
            Some(text) => Ok(Self { code, title: "about catalog.toml", text, exit: 2 }),
            None => Err(Failure::new(Code::NO_TOPIC, format_args!("no code {code}"))
                .hint("catalog explain lists every code")),
        }
    }
}

impl Document for Told {
    const SCHEMA: &'static str = "catalog.code/1";

    fn json(&self) -> Value {
        json!({ "code": self.code, "title": self.title, "text": self.text, "exit": self.exit })
    }

    fn human(&self) -> Vec<Line> {
        let head =
            Line::new().ink(Ink::Strong, self.code.to_string()).text(format!(": {}", self.title));
        let body = wrap(self.text, 80).into_iter().map(Line::from);
        let exit = Line::new().ink(Ink::Dim, format!("exit code {}", self.exit));
        std::iter::once(head).chain(body).chain([exit]).collect()
    }

    fn plain(&self) -> Vec<String> {
        vec![columns([&self.code, &self.exit, &self.title])]
    }
}

/// Breaks a paragraph into lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let fits = |line: &String| line.chars().count() + 1 + word.chars().count() <= width;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if fits(line) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Every code.
struct Topics;

impl Document for Topics {
    const SCHEMA: &'static str = "catalog.codes/1";

    fn json(&self) -> Value {
        json!({ "codes": Code::topics() })
    }

    fn human(&self) -> Vec<Line> {
        let mut table = Table::new(&["CODE", "EXIT", "MEANS"]);
        for topic in Code::topics() {
            table.row([
                Line::new().ink(Ink::Strong, topic.code.to_string()),
                u8::from(topic.exit).to_string().into(),
                topic.title.into(),
            ]);
        }
        let mut lines = table.lines(0);
        lines.push(Line::from("CAT01xx are about catalog.toml; catalog lint points at the place."));
        lines
    }

    fn plain(&self) -> Vec<String> {
        Code::topics().iter().map(|topic| topic.code.to_string()).collect()
    }

    fn rows(&self) -> Option<Vec<Value>> {
        Some(Code::topics().iter().map(|topic| json!(topic)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_can_be_explained() {
        for topic in Code::topics() {
            assert!(Told::of(topic.code).is_ok(), "{}", topic.code);
        }
        assert!(Told::of("CAT0102".parse().unwrap()).is_ok());
        assert_eq!(Told::of("CAT9999".parse().unwrap()).err().unwrap().code, Code::NO_TOPIC);
    }

    #[test]
    fn long_text_is_wrapped_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("immensely", 3), ["immensely"]);
    }
}
