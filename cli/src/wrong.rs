//! Turns what clap says about a wrong command line into a failure of ours.

use catalog_node::control::{Code, Failure};
use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args::Global;
use crate::near;

/// The failure for a command line that could not be read.
pub fn failure(error: &Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(Code::USAGE, "a command is missing")
            .hint("catalog help lists the commands; catalog demo shows them at work");
    }
    let rendered = error.render().to_string();
    let said = rendered.lines().next().unwrap_or_default();
    let message = said.strip_prefix("error: ").unwrap_or(said);
    // What is missing is listed on lines of its own.
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => Some(names.join(", ")),
        _ => None,
    };
    let message = match missing.filter(|_| error.kind() == ErrorKind::MissingRequiredArgument) {
        Some(names) => format!("missing {names}"),
        None => message.to_owned(),
    };
    let failure = Failure::new(Code::USAGE, message);
    match suggestion(error) {
        Some(known) => failure.hint(format_args!("did you mean {known}?")),
        None => match rendered.lines().find_map(|line| line.strip_prefix("Usage: ")) {
            Some(usage) => failure.hint(format_args!("usage: {usage}")),
            None => failure.hint("catalog help shows what each command takes"),
        },
    }
}

/// What was probably meant. Of several, clap lists the nearest anywhere.
fn suggestion(error: &Error) -> Option<String> {
    let kinds = [
        (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand),
        (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        (ContextKind::InvalidValue, ContextKind::SuggestedValue),
    ];
    kinds.into_iter().find_map(|(wrong, suggested)| match error.get(suggested)? {
        ContextValue::String(known) => Some(known.clone()),
        ContextValue::Strings(known) => {
            let typed = match error.get(wrong) {
                Some(ContextValue::String(typed)) => typed.as_str(),
                _ => "",
            };
            let nearest = near::nearest(typed, known.iter().map(String::as_str));
            nearest.or(known.last().map(String::as_str)).map(str::to_owned)
        }
        _ => None,
    })
}

/// The form of errors that was asked for, as far as that can be seen in a wrong command line.
pub fn global_flags() -> Global {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| {
        let at = words.iter().position(|word| word == flag)?;
        words.get(at + 1).cloned()
    };
    let value = |flag: &str| {
        let glued = format!("{flag}=");
        let glued = words.iter().find_map(|word| word.strip_prefix(&glued).map(str::to_owned));
        glued.or_else(|| after(flag))
    };
    Global {
        json: words.iter().any(|word| word == "--json"),
        format: value("--format"),
        color: value("--color"),
        ..Global::default()
    }
}
