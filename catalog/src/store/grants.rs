//! Who may read what not everybody may, and who vouches for what.
//!
//! Every grant, revocation and list of nodes has a row for each node that it names, so that what
//! was said about one reader is one range. The decision is [`may_read`]'s; here its words are
//! looked up. Rows of what expired stay: that it expired is for the decision to say.

use redb::ReadableTable;

use super::batch::record;
use super::derived;
use super::rows::{AttestationRow, LogRow, Trust, decode_ids, decode_word, encode_word};
use super::snapshot::Snapshot;
use super::tables::{
    ATTESTATIONS, GRANTS, LOGS, PUBLISHERS, RECORDS, Tables, from, get, of_package_key, prefix_end,
    publisher_of, put, with_prefix,
};
use super::{Store, StoreError, View};
use crate::identity::PublisherId;
use crate::permission::{NodeId, Permission, Reader, Scope, Word, may_read};
use crate::release::{Release, ReleaseId};
use crate::statement::{Attestation, Grant, Statement, StatementId};
use crate::time::Timestamp;

/// What a publisher said about one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRow {
    /// The node.
    pub node: NodeId,
    /// The grant or the revocation.
    pub statement: StatementId,
    /// What it says.
    pub word: Word,
}

/// A publisher who vouches for a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Who.
    pub publisher: PublisherId,
    /// How far a person here relies on them.
    pub trust: Trust,
    /// The statement.
    pub statement: StatementId,
    /// What they looked at; may be empty.
    pub note: String,
}

/// Publisher, node, statement.
fn grant_key(publisher: &PublisherId, node: &NodeId, id: &StatementId) -> [u8; 96] {
    let mut key = [0; 96];
    key[..32].copy_from_slice(publisher.as_bytes());
    key[32..64].copy_from_slice(node.as_bytes());
    key[64..].copy_from_slice(id.as_bytes());
    key
}

fn of_grant_key(key: &[u8]) -> Result<(PublisherId, NodeId, StatementId), StoreError> {
    let damaged = || StoreError::damaged("a grant's key");
    let (publisher, rest) = key.split_at_checked(32).ok_or_else(damaged)?;
    let (node, id) = rest.split_first_chunk().ok_or_else(damaged)?;
    let id = id.try_into().map_err(|_| damaged())?;
    Ok((publisher_of(publisher)?, NodeId::from_bytes(*node), super::rows::statement_id(id)))
}

/// The beginning of every key that is about a node.
fn reader_prefix(publisher: &PublisherId, node: &NodeId) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(publisher.as_bytes());
    key[32..].copy_from_slice(node.as_bytes());
    key
}

/// Release, publisher.
fn attestation_key(release: &ReleaseId, publisher: &PublisherId) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(release.as_bytes());
    key[32..].copy_from_slice(publisher.as_bytes());
    key
}

/// Writes what follows from a grant or a revocation.
pub(super) fn put_grant(
    tables: &mut Tables<'_>,
    id: &StatementId,
    grant: &Grant,
) -> Result<(), StoreError> {
    let row = encode_word(&grant.word());
    grant
        .nodes
        .iter()
        .try_for_each(|node| put(&mut tables.grants, &grant_key(&grant.publisher, node, id), &row))
}

/// Notes the nodes that a release lists.
pub(super) fn put_listed(
    tables: &mut Tables<'_>,
    id: &StatementId,
    release: &Release,
) -> Result<(), StoreError> {
    let Permission::Restricted(nodes) = &release.permission else { return Ok(()) };
    nodes
        .iter()
        .try_for_each(|node| put(&mut tables.grants, &grant_key(&release.publisher, node, id), &[]))
}

/// The highest position holds; of two at one position, the one that takes back.
pub(super) fn put_attestation(
    tables: &mut Tables<'_>,
    id: &StatementId,
    made: &Attestation,
) -> Result<(), StoreError> {
    let key = attestation_key(&made.release, &made.publisher);
    let row = AttestationRow { seq: made.seq, attested: made.attested, statement: *id };
    if let Some(there) = get(&tables.attestations, &key)? {
        let there = AttestationRow::decode(&there)?;
        let rank = |row: &AttestationRow| (row.seq, !row.attested, row.statement);
        if rank(&there) >= rank(&row) {
            return Ok(());
        }
    }
    put(&mut tables.attestations, &key, &row.encode())
}

/// What a publisher says about a release, if anything was said; for what would say it again.
pub(super) fn attestation(
    tables: &Tables<'_>,
    release: &ReleaseId,
    publisher: &PublisherId,
) -> Result<Option<AttestationRow>, StoreError> {
    let row = get(&tables.attestations, &attestation_key(release, publisher))?;
    row.map(|row| AttestationRow::decode(&row)).transpose()
}

/// What was said about a node by a publisher.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The grants and revocations, with their statements.
    pub words: Vec<(StatementId, Word)>,
    /// Whether a release lists it.
    pub listed: bool,
}

impl Said {
    /// Reads what `publisher` said about `node`.
    pub fn about(
        grants: &impl ReadableTable<&'static [u8], &'static [u8]>,
        publisher: &PublisherId,
        node: &NodeId,
    ) -> Result<Self, StoreError> {
        let mut said = Self::default();
        for row in with_prefix(grants, &reader_prefix(publisher, node))? {
            let (key, row) = row?;
            match decode_word(row.value())? {
                Some(word) => said.words.push((of_grant_key(key.value())?.2, word)),
                None => said.listed = true,
            }
        }
        Ok(said)
    }

    /// Whether nothing was said.
    pub fn is_nothing(&self) -> bool {
        self.words.is_empty() && !self.listed
    }

    fn words(&self) -> Vec<Word> {
        self.words.iter().map(|(_, word)| word.clone()).collect()
    }

    /// The last word about exactly this scope.
    pub fn last(&self, scope: &Scope) -> Option<&(StatementId, Word)> {
        let about = self.words.iter().filter(|(_, word)| word.scope == *scope);
        about.max_by_key(|(_, word)| (word.seq, !word.granted))
    }
}

impl Snapshot {
    /// Whether `who` may read a release at the moment of this view.
    pub(super) fn may_read(&self, who: Reader, release: &Release) -> Result<bool, StoreError> {
        allowed(self.grants(), who, release, self.time())
    }

    /// Whether a node may see a grant or a revocation: it names the node, or is about something
    /// that the node may read, so that the node can tell whom to pass it on to.
    pub(super) fn may_see(&self, node: &NodeId, grant: &Grant) -> Result<bool, StoreError> {
        if grant.nodes.contains(node) {
            return Ok(true);
        }
        let said = Said::about(self.grants(), &grant.publisher, node)?;
        if said.is_nothing() {
            return Ok(false);
        }
        let words = said.words();
        for row in with_prefix(self.versions(), grant.publisher.as_bytes())? {
            let (key, row) = row?;
            let (package, version) = of_package_key(key.value())?;
            let meant = match &grant.scope {
                Scope::Friends => true,
                Scope::Packages(pattern) => pattern.matches(&package.name),
                Scope::Release { name, version: meant } => {
                    package.name == *name && version == meant.to_string().as_bytes()
                }
            };
            if !meant {
                continue;
            }
            for id in decode_ids(row.value())?.0 {
                let release = derived::release(self.records(), &id)?;
                let closed = !release.permission.is_open() && grant.scope.covers(&release);
                if closed && may_read(Reader::Node(*node), &release, &words, self.time()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Looks up the words and decides.
fn allowed(
    grants: &impl ReadableTable<&'static [u8], &'static [u8]>,
    who: Reader,
    release: &Release,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let words = match who {
        Reader::Node(node) if !release.permission.is_open() => {
            Said::about(grants, &release.publisher, &node)?.words()
        }
        _ => Vec::new(),
    };
    Ok(may_read(who, release, &words, now))
}

impl Store {
    /// Whether `who` may read a release and know that it exists: by its permission, and by what its
    /// publisher granted and revoked as far as it is known here.
    pub fn may_read(
        &self,
        who: Reader,
        release: &Release,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        allowed(&self.read()?.rows(GRANTS)?, who, release, now)
    }

    /// How often a node is named by grants, revocations and releases: another number whenever
    /// there may be more for it to read.
    pub fn mentions(&self, node: &NodeId) -> Result<u64, StoreError> {
        let view = self.read()?;
        let grants = view.rows(GRANTS)?;
        let (mut count, mut next) = (0, Some(Vec::new()));
        // From publisher to publisher, passing over what is said about others.
        while let Some(first) = next {
            let Some(row) = from(&grants, &first)?.next() else { break };
            let (publisher, ..) = of_grant_key(row?.0.value())?;
            count += with_prefix(&grants, &reader_prefix(&publisher, node))?.count() as u64;
            next = prefix_end(publisher.as_bytes());
        }
        Ok(count)
    }

    /// What a publisher granted and revoked, by node, then by position.
    pub fn grants(&self, publisher: &PublisherId) -> Result<Vec<GrantRow>, StoreError> {
        let view = self.read()?;
        let mut rows = Vec::new();
        for row in with_prefix(&view.rows(GRANTS)?, publisher.as_bytes())? {
            let (key, row) = row?;
            let (_, node, statement) = of_grant_key(key.value())?;
            rows.extend(decode_word(row.value())?.map(|word| GrantRow { node, statement, word }));
        }
        rows.sort_by_key(|row| (row.node, row.word.seq));
        Ok(rows)
    }

    /// Who vouches for a release, by publisher: never the one who released it, and nobody who
    /// forked a log.
    pub fn attestations(&self, release: &ReleaseId) -> Result<Vec<Attested>, StoreError> {
        let view = self.read()?;
        let records = view.rows(RECORDS)?;
        let by = match record(&records, release)? {
            Some(_) => derived::release(&records, release)?.publisher,
            None => return Ok(Vec::new()),
        };
        let mut attested = Vec::new();
        for row in with_prefix(&view.rows(ATTESTATIONS)?, release.as_bytes())? {
            let (key, row) = row?;
            let row = AttestationRow::decode(row.value())?;
            let publisher = publisher_of(&key.value()[32..])?;
            if !row.attested || publisher == by || view.is_forked(&publisher)? {
                continue;
            }
            let known = get(&view.rows(PUBLISHERS)?, publisher.as_bytes())?;
            let known = known.ok_or(StoreError::damaged("a missing publisher"))?;
            let Statement::Attestation(made) = derived::statement(&records, &row.statement)? else {
                return Err(StoreError::damaged("an attestation"));
            };
            attested.push(Attested {
                publisher,
                trust: super::rows::PublisherRow::decode(&known)?.trust,
                statement: row.statement,
                note: made.note,
            });
        }
        Ok(attested)
    }
}

impl View {
    fn is_forked(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        for row in with_prefix(&self.rows(LOGS)?, publisher.as_bytes())? {
            if LogRow::decode(row?.1.value())?.is_forked() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
