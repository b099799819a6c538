//! Every move of a channel, for readers that judge a disputed one by more than the newest word.
//!
//! A channel can be disputed only where its publisher signs several logs, or one that is forked.
//! Everywhere else the highest position holds, and one row says which that is
//! ([`Store::channel`]); nothing here is read then.

use super::batch::{record, rival_of_row};
use super::rows::{Leaf, LogRow};
use super::tables::{
    CHANNELS, LEAVES, LOGS, LogId, RECORDS, RIVALS, all, of_package_key, with_prefix,
};
use super::{Store, StoreError, View};
use crate::identity::PublisherId;
use crate::name::ChannelName;
use crate::release::PackageId;
use crate::signature::PublicKey;
use crate::statement::{ChannelMove, Statement, StatementId, StatementKind};

/// A move of a channel and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedMove {
    /// The statement.
    pub id: StatementId,
    /// The key whose log it stands in.
    pub log: PublicKey,
    /// What it says.
    pub moved: ChannelMove,
}

impl Store {
    /// The keys of a publisher that keep a log here, if its channels can be disputed: several, or
    /// one that is forked. `None` when the highest position says it all.
    pub fn disputable_logs(
        &self,
        publisher: &PublisherId,
    ) -> Result<Option<Vec<PublicKey>>, StoreError> {
        self.read()?.disputable_logs(publisher)
    }

    /// The channels whose publisher keeps several logs, or a forked one; in the order of their keys.
    pub fn disputable_channels(&self) -> Result<Vec<(PackageId, ChannelName)>, StoreError> {
        let view = self.read()?;
        let mut channels = Vec::new();
        let mut last = None;
        for row in all(&view.rows(CHANNELS)?)? {
            let (package, channel) = of_channel_key(row?.0.value())?;
            let publisher = package.publisher;
            let disputable = match last {
                Some((same, disputable)) if same == publisher => disputable,
                _ => view.disputable_logs(&publisher)?.is_some(),
            };
            last = Some((publisher, disputable));
            if disputable {
                channels.push((package, channel));
            }
        }
        Ok(channels)
    }

    /// Every move of a channel, in the order of logs and positions.
    ///
    /// Reads every statement of its publisher.
    pub fn channel_moves(
        &self,
        package: &PackageId,
        channel: &ChannelName,
    ) -> Result<Vec<PlacedMove>, StoreError> {
        self.read()?.channel_moves(package, channel)
    }
}

impl View {
    pub(super) fn disputable_logs(
        &self,
        publisher: &PublisherId,
    ) -> Result<Option<Vec<PublicKey>>, StoreError> {
        let (mut keys, mut forked) = (Vec::new(), false);
        for row in with_prefix(&self.rows(LOGS)?, publisher.as_bytes())? {
            let (key, row) = row?;
            keys.push(LogId::of_row_key(key.value())?.key);
            forked |= LogRow::decode(row.value())?.is_forked();
        }
        Ok((forked || keys.len() > 1).then_some(keys))
    }

    pub(super) fn channel_moves(
        &self,
        package: &PackageId,
        channel: &ChannelName,
    ) -> Result<Vec<PlacedMove>, StoreError> {
        let (leaves, rivals) = (self.rows(LEAVES)?, self.rows(RIVALS)?);
        let mut placed = Vec::new();
        for row in with_prefix(&leaves, package.publisher.as_bytes())? {
            let (key, row) = row?;
            let log = super::tables::of_leaf_key(key.value())?.0.key;
            placed.extend(Leaf::decode_all(row.value())?.into_iter().map(|leaf| (log, leaf)));
        }
        for row in with_prefix(&rivals, package.publisher.as_bytes())? {
            let (key, id) = row?;
            let log = super::tables::of_rival_key(key.value())?.0.key;
            placed.push((log, rival_of_row(key.value(), id.value())?));
        }
        let (records, mut moves) = (self.rows(RECORDS)?, Vec::new());
        for (log, leaf) in placed {
            let Some(id) = leaf.statement else { continue };
            let sealed = record(&records, &id)?.ok_or(StoreError::damaged("a record"))?;
            if sealed.kind() != StatementKind::Channel {
                continue;
            }
            let statement = Statement::decode(sealed.kind(), sealed.body());
            if let Ok(Statement::Channel(moved)) = statement
                && moved.name == package.name
                && moved.channel == *channel
            {
                moves.push(PlacedMove { id, log, moved });
            }
        }
        // The policies may tell the first from the last: in the same order everywhere.
        moves.sort_by_key(|one| (one.log, one.moved.seq, one.id));
        Ok(moves)
    }
}

/// Takes the key of a channel's row apart.
pub(super) fn of_channel_key(key: &[u8]) -> Result<(PackageId, ChannelName), StoreError> {
    let (package, channel) = of_package_key(key)?;
    let channel = std::str::from_utf8(channel).ok().and_then(|channel| channel.parse().ok());
    Ok((package, channel.ok_or(StoreError::damaged("a channel"))?))
}

#[cfg(test)]
mod tests {
    use super::super::conflicts::{Decision, Evidence, Subject};
    use super::super::testing::{NOW, channel, publisher, store};
    use super::super::{DecideError, Incoming};
    use super::*;
    use crate::digest::Digest;
    use crate::identity::Inception;
    use crate::signature::SecretKey;
    use crate::statement::SealedStatement;

    #[test]
    fn a_channel_of_one_log_is_not_disputable() {
        let (store, acme) = (store(), publisher("acme"));
        store.publish(&acme, "graphdb", "1.0.0");
        store.append(&acme, NOW, |seq| channel(&acme, seq, "graphdb", "stable", "1.0.0")).unwrap();
        assert_eq!(store.disputable_logs(&acme.publisher()).unwrap(), None);
        assert!(store.disputable_channels().unwrap().is_empty());
    }

    /// Threat row 17: of two targets of a channel a person picks one; more words reopen nothing.
    #[test]
    fn a_channel_of_two_keys_shows_every_move_and_takes_a_decision() {
        let store = store();
        let keys = [1, 2].map(|n| SecretKey::from_bytes(&[n; 32]));
        let publics = keys.iter().map(SecretKey::public).collect();
        let inception = Inception::new(publics, 1, Digest::of(b"next"), NOW, None).unwrap();
        let package = PackageId { publisher: inception.id(), name: "graphdb".parse().unwrap() };
        let sealed = |version: &str, key: &SecretKey| {
            let (channel, version) = ("stable".parse().unwrap(), version.parse().unwrap());
            let (publisher, name) = (package.publisher, package.name.clone());
            let after = Default::default();
            let moved = ChannelMove { publisher, seq: 1, time: NOW, name, channel, version, after };
            SealedStatement::seal(&Statement::Channel(moved), key).unwrap()
        };
        let moves = [sealed("1.0.0", &keys[0]), sealed("2.0.0", &keys[1])];
        let inception = SealedStatement::seal(&Statement::Inception(inception), &keys[0]).unwrap();
        let sent = [inception].into_iter().chain(moves.clone()).map(Incoming::Statement);
        store.accept(sent.collect(), NOW).unwrap();

        let stable: ChannelName = "stable".parse().unwrap();
        let logs = store.disputable_logs(&package.publisher).unwrap().unwrap();
        assert_eq!(logs.len(), 2);
        assert_eq!(store.disputable_channels().unwrap(), [(package.clone(), stable.clone())]);
        let found = store.channel_moves(&package, &stable).unwrap();
        let mut versions: Vec<_> = found.iter().map(|one| one.moved.version.to_string()).collect();
        versions.sort();
        assert_eq!(versions, ["1.0.0", "2.0.0"]);
        assert!(store.channel_moves(&package, &"beta".parse().unwrap()).unwrap().is_empty());

        let subject = Subject::Channel { package, channel: stable };
        let conflict = store.conflict(&subject).unwrap().unwrap();
        let Evidence::Moves(ids) = &conflict.evidence else { panic!("{conflict:?}") };
        assert!(moves.iter().all(|one| ids.contains(&one.id())));
        let keep = Decision::KeepMove(moves[1].id());
        store.decide(&subject, &keep, NOW).unwrap();
        assert_eq!(store.conflict(&subject).unwrap().unwrap().decided, Some((keep, NOW)));
        let strange = Decision::KeepMove(StatementId::of(b"another"));
        assert!(matches!(store.decide(&subject, &strange, NOW), Err(DecideError::NotInvolved)));
        assert!(store.undecide(&subject).unwrap());
        assert_eq!(store.verify().unwrap(), []);
    }
}
