//! Brings a release here that only peers know, because somebody chose it.
//!
//! What a search shows is not kept: a page of strangers' records would cost everybody room who
//! looks. What somebody names afterwards is asked for by its name, verified, and stored.

use std::sync::Arc;
use std::time::Duration;

use catalog::reference::{PublisherReference, Reference, ReleaseReference};
use catalog::store::{Incoming, StoreError};
use catalog_discovery::federation::{Counts, Parts, Question, Reach, Reading, Word};
use catalog_discovery::{Condition, What};

use crate::blocking::blocking;
use crate::federation::ask::News;
use crate::node::{Inner, now};

/// Somebody waits for a package by name, so more time than for a search is well spent.
const WITHIN: Duration = Duration::from_secs(2);

impl Inner {
    /// Asks every known peer for the package that `reference` names, and stores what they have of
    /// exactly that name. Answers whether there is anything new.
    pub(crate) async fn seek(self: &Arc<Self>, reference: &Reference) -> Result<bool, StoreError> {
        let ReleaseReference::Named { publisher, name, .. } = &reference.release else {
            return Ok(false);
        };
        let publisher = match publisher {
            None => None,
            Some(PublisherReference::Id(id)) => Some(*id),
            Some(PublisherReference::Petname(petname)) => {
                let known = self.store.publisher_by_petname(petname)?;
                if known.is_none() {
                    return Ok(false);
                }
                known
            }
        };
        let targets = self.targets(Reach::All).await?;
        if targets.is_empty() {
            return Ok(false);
        }
        let reading = Reading { text: name.to_string(), percent: 100, guess: false };
        let of = |id| Condition { what: What::Publisher(format!("{id}")), not: false };
        let question = Question::new(Parts {
            text: name.to_string(),
            words: vec![Word { text: name.to_string(), readings: vec![reading] }],
            conditions: publisher.map(of).into_iter().collect(),
            limit: 20,
            ..Parts::default()
        });
        let question = question.expect("a name is one word of at most 64 bytes");
        let ours = Counts { readings: vec![[0; 4]], ..Counts::default() };
        let (to, news) = ((&targets[..], Reach::All), News::default());
        let until = self.uptime() + WITHIN;
        let told = self.ask_anew(&question, &ours, to, until, &news).await;
        let mut records = Vec::new();
        for hit in told.heard.iter().map(|heard| &heard.hit) {
            let release = hit.release();
            if release.name == *name && publisher.is_none_or(|id| id == release.publisher) {
                records.extend(hit.records().map(|record| Incoming::Statement(record.clone())));
            }
        }
        let store = self.store.clone();
        let accepted = blocking(move || store.accept(records, now())).await?;
        if accepted.new > 0 {
            self.changed();
        }
        Ok(accepted.new > 0)
    }
}
