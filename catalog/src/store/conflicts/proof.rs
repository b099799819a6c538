//! What of a store is at odds with itself, and the proof of it.

use super::row::decision_of_row;
use super::{Conflict, Decision, Evidence, Subject};
use crate::digest::Digest;
use crate::head::SealedHead;
use crate::identity::PublisherId;
use crate::name::ChannelName;
use crate::release::{PackageId, ReleaseId};
use crate::statement::StatementId;
use crate::store::batch::record;
use crate::store::items::item_of_head;
use crate::store::rows::{LogRow, RIVALS_MAX, Standing, decode_ids};
use crate::store::tables::{
    DECISIONS, LOGS, LogId, RECORDS, VERSIONS, get, package_item_key, with_prefix,
};
use crate::store::{StoreError, View};
use crate::time::Timestamp;

impl View {
    pub(super) fn conflict(&self, subject: &Subject) -> Result<Option<Conflict>, StoreError> {
        match subject {
            Subject::Log(log) => match get(&self.rows(LOGS)?, &log.row_key())? {
                Some(row) => self.fork(*log, &LogRow::decode(&row)?),
                None => Ok(None),
            },
            Subject::Version { package, version } => {
                let key = package_item_key(package, &version.to_string());
                match get(&self.rows(VERSIONS)?, &key)? {
                    Some(row) if decode_ids(&row)?.1 == Standing::Contested => {
                        self.contest(package.clone(), version.clone(), &row).map(Some)
                    }
                    _ => Ok(None),
                }
            }
            Subject::Channel { package, channel } => self.dispute(package, channel),
        }
    }

    /// The moves of a channel that could be at odds; `None` where one log says it all.
    fn dispute(
        &self,
        package: &PackageId,
        channel: &ChannelName,
    ) -> Result<Option<Conflict>, StoreError> {
        if self.disputable_logs(&package.publisher)?.is_none() {
            return Ok(None);
        }
        let moves = self.channel_moves(package, channel)?;
        let versions = moves.windows(2).any(|two| two[0].moved.version != two[1].moved.version);
        let evidence = Evidence::Moves(moves.iter().map(|one| one.id).collect());
        let subject = Subject::Channel { package: package.clone(), channel: channel.clone() };
        let decided = self.decision(&subject, &evidence)?;
        Ok(versions.then_some(Conflict { subject, evidence, decided }))
    }

    /// Whether a log of the publisher is forked and nobody decided about it.
    pub(in crate::store) fn is_frozen(&self, publisher: &PublisherId) -> Result<bool, StoreError> {
        for row in with_prefix(&self.rows(LOGS)?, publisher.as_bytes())? {
            let (key, row) = row?;
            let log = LogId::of_row_key(key.value())?;
            let fork = self.fork(log, &LogRow::decode(row.value())?)?;
            if fork.is_some_and(|fork| fork.decided.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn fork(&self, log: LogId, row: &LogRow) -> Result<Option<Conflict>, StoreError> {
        if !row.is_forked() {
            return Ok(None);
        }
        let proof = row.proof()?;
        let mut heads: Vec<SealedHead> = Vec::new();
        if !proof.is_empty() {
            let is_other = |head: &SealedHead| !proof.iter().any(|there| there.same_as(head));
            heads.extend(row.sure_head()?.filter(is_other));
        }
        heads.extend(proof);
        let statements = match row.contested.checked_sub(1) {
            Some(seq) => self.statements(&log, seq)?,
            None => Vec::new(),
        };
        let evidence = Evidence::Fork { heads, statements };
        let subject = Subject::Log(log);
        let decided = self.decision(&subject, &evidence)?;
        Ok(Some(Conflict { subject, evidence, decided }))
    }

    /// - `row`: the row of a version that is contested.
    pub(super) fn contest(
        &self,
        package: PackageId,
        version: semver::Version,
        row: &[u8],
    ) -> Result<Conflict, StoreError> {
        let ids = decode_ids(row)?.0;
        let evidence = match ids.as_slice() {
            [id] => Evidence::Statements(self.at_the_place_of(id)?),
            _ => Evidence::Releases(ids),
        };
        let subject = Subject::Version { package, version };
        let decided = self.decision(&subject, &evidence)?;
        Ok(Conflict { subject, evidence, decided })
    }

    /// The statements at the position of a release.
    fn at_the_place_of(&self, id: &ReleaseId) -> Result<Vec<StatementId>, StoreError> {
        let sealed = record(&self.rows(RECORDS)?, id)?;
        let sealed = sealed.ok_or(StoreError::damaged("a missing record"))?;
        let header = sealed.peek().map_err(|_| StoreError::damaged("a record"))?;
        let state = self.key_state(&header.publisher)?;
        let state = state.ok_or(StoreError::damaged("a missing publisher"))?;
        let log = LogId { publisher: header.publisher, key: sealed.log_key(&state) };
        let mut statements = self.statements(&log, header.seq)?;
        if !statements.contains(id) {
            statements.push(*id);
        }
        Ok(statements)
    }

    /// Two of the statements at a position: the same two for all who have the same.
    fn statements(&self, log: &LogId, seq: u64) -> Result<Vec<StatementId>, StoreError> {
        let mut leaves = self.leaves_at(log, seq, RIVALS_MAX)?;
        leaves.sort_by_key(|leaf| leaf.hash);
        Ok(leaves.into_iter().filter_map(|leaf| leaf.statement).take(RIVALS_MAX).collect())
    }

    fn decision(
        &self,
        subject: &Subject,
        evidence: &Evidence,
    ) -> Result<Option<(Decision, Timestamp)>, StoreError> {
        let key = subject.key();
        let Some(row) = get(&self.rows(DECISIONS)?, &key)? else { return Ok(None) };
        let (_, decision, proof, at) = decision_of_row(&key, &row)?;
        Ok((proof == evidence.proof()).then_some((decision, at)))
    }

    /// The release that a person chose for a contested version.
    pub(in crate::store) fn chosen(
        &self,
        package: &PackageId,
        version: &semver::Version,
    ) -> Result<Option<ReleaseId>, StoreError> {
        let subject = Subject::Version { package: package.clone(), version: version.clone() };
        let conflict = self.conflict(&subject)?;
        match conflict.and_then(|conflict| conflict.decided) {
            Some((Decision::KeepRelease(id), _)) => Ok(Some(id)),
            _ => Ok(None),
        }
    }
}

impl Evidence {
    /// What a decision about it is bound to: a fork is decided for the statements or heads that
    /// prove it, whatever comes on top of the log; a version whatever else is signed for it.
    pub(super) fn proof(&self) -> [u8; 32] {
        match self {
            Self::Fork { heads, statements } if statements.is_empty() => {
                heads.last().map_or([0; 32], |head| *item_of_head(head).as_bytes())
            }
            Self::Fork { statements, .. } => {
                let ids: Vec<u8> = statements.iter().flat_map(|id| *id.as_bytes()).collect();
                *Digest::of(&ids).as_bytes()
            }
            Self::Releases(_) | Self::Statements(_) | Self::Moves(_) => [0; 32],
        }
    }
}
