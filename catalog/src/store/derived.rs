//! What follows from a statement: packages, versions, channels, yanks, content roots.
//!
//! Every rule here gives the same rows whatever the order in which statements arrive, except one
//! that is flagged: of two releases of one version the first to arrive is the current one, and the
//! version is contested for everybody.

use redb::ReadableTable;

use super::batch::record;
use super::holds::{HoldReason, hold_key};
use super::rows::{ChannelRow, RIVALS_MAX, Standing, Trust, YankRow, decode_ids, encode_ids};
use super::tables::{Tables, get, name_key, package_item_key, put};
use super::{StoreError, grants, parcels, publishers};
use crate::Digest;
use crate::defence::{self, Defence};
use crate::name::VariantId;
use crate::release::{PackageId, Release};
use crate::statement::{ChannelMove, Statement, StatementId, Yank};
use crate::time::Timestamp;

/// Writes what follows from a statement; a second time changes nothing.
pub(super) fn apply(
    tables: &mut Tables<'_>,
    id: &StatementId,
    statement: &Statement,
    now: Timestamp,
) -> Result<(), StoreError> {
    match statement {
        Statement::Inception(inception) => {
            publishers::meet(tables, &inception.id(), inception.alias(), Trust::Seen, now)
        }
        Statement::Release(release) => put_release(tables, id, release),
        Statement::Channel(moved) => put_channel(tables, id, moved),
        Statement::Yank(yank) => put_yank(tables, id, yank),
        Statement::Grant(grant) => grants::put_grant(tables, id, grant),
        Statement::Attestation(made) => grants::put_attestation(tables, id, made),
        Statement::Parcel(parcel) => parcels::put_parcel(tables, parcel),
    }
}

fn put_release(
    tables: &mut Tables<'_>,
    id: &StatementId,
    release: &Release,
) -> Result<(), StoreError> {
    let package = release.package();
    let key = package_item_key(&package, &release.version.to_string());
    let (mut ids, mut standing) = match get(&tables.versions, &key)? {
        Some(row) => decode_ids(&row)?,
        None => (Vec::new(), Standing::Sound),
    };
    if !ids.contains(id) {
        match ids.first() {
            None => ids.push(*id),
            Some(_) if !defence::on(Defence::ImmutableVersions) => ids = vec![*id],
            // The same content, signed again: nobody is misled.
            Some(first) if release.same_content(&self::release(&tables.records, first)?) => {}
            Some(_) => {
                standing = Standing::Contested;
                if ids.len() < RIVALS_MAX {
                    ids.push(*id);
                } else if is_news(tables, &ids, release)? {
                    ids[RIVALS_MAX - 1] = *id;
                }
            }
        }
    }
    put(&mut tables.versions, &key, &encode_ids(&ids, standing))?;
    put(&mut tables.names, &name_key(&package), &[])?;
    for variant in &release.variants {
        let key = root_key(&variant.root, id, &variant.id);
        put(&mut tables.roots, &key, &[])?;
    }
    grants::put_listed(tables, id, release)
}

/// Whether a release is the first of its version that everybody may read. Whether there is one
/// decides what may be said of the version, so it must not depend on what came first.
fn is_news(
    tables: &Tables<'_>,
    ids: &[StatementId],
    release: &Release,
) -> Result<bool, StoreError> {
    for id in ids {
        if self::release(&tables.records, id)?.permission.is_open() {
            return Ok(false);
        }
    }
    Ok(release.permission.is_open())
}

/// Marks the version of a release whose position in the log has a rival.
pub(super) fn contest(tables: &mut Tables<'_>, statement: &Statement) -> Result<(), StoreError> {
    let Statement::Release(release) = statement else { return Ok(()) };
    let key = package_item_key(&release.package(), &release.version.to_string());
    if let Some(row) = get(&tables.versions, &key)? {
        let (ids, _) = decode_ids(&row)?;
        let row = encode_ids(&ids, Standing::Contested);
        put(&mut tables.versions, &key, &row)?;
    }
    Ok(())
}

fn put_channel(
    tables: &mut Tables<'_>,
    id: &StatementId,
    moved: &ChannelMove,
) -> Result<(), StoreError> {
    let package = PackageId { publisher: moved.publisher, name: moved.name.clone() };
    let key = package_item_key(&package, moved.channel.as_str());
    let row = ChannelRow { seq: moved.seq, statement: *id, version: moved.version.clone() };
    if let Some(there) = get(&tables.channels, &key)? {
        let there = ChannelRow::decode(&there)?;
        if (there.seq, there.statement) >= (row.seq, row.statement) {
            return Ok(());
        }
    }
    put(&mut tables.channels, &key, &row.encode())?;
    Ok(())
}

/// The highest position holds; of two at one position, the one that withdraws.
fn put_yank(tables: &mut Tables<'_>, id: &StatementId, yank: &Yank) -> Result<(), StoreError> {
    let package = PackageId { publisher: yank.publisher, name: yank.name.clone() };
    let key = package_item_key(&package, &yank.version.to_string());
    let row = YankRow { seq: yank.seq, yanked: yank.yanked, statement: *id };
    if let Some(there) = get(&tables.yanks, &key)? {
        let there = YankRow::decode(&there)?;
        let rank = |row: &YankRow| (row.seq, row.yanked, row.statement);
        if rank(&there) >= rank(&row) {
            return Ok(());
        }
    }
    put(&mut tables.yanks, &key, &row.encode())?;
    Ok(())
}

/// Keeps the content of a release that we published from being collected.
pub(super) fn hold_published(
    tables: &mut Tables<'_>,
    release: &Release,
    now: Timestamp,
) -> Result<(), StoreError> {
    for variant in &release.variants {
        let key = hold_key(&variant.root, HoldReason::Published);
        put(&mut tables.holds, &key, &now.as_millis().to_be_bytes())?;
    }
    Ok(())
}

/// The statement with this id, which must be there. Its signature was checked when it came in.
pub(super) fn statement(
    records: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &StatementId,
) -> Result<Statement, StoreError> {
    let sealed = record(records, id)?.ok_or(StoreError::damaged("a missing record"))?;
    Statement::decode(sealed.kind(), sealed.body()).map_err(|_| StoreError::damaged("a record"))
}

/// The release with this id, which must be there.
pub(super) fn release(
    records: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &StatementId,
) -> Result<Release, StoreError> {
    match statement(records, id)? {
        Statement::Release(release) => Ok(release),
        _ => Err(StoreError::damaged("a release")),
    }
}

/// Content root, release, variant.
pub(super) fn root_key(root: &Digest, release: &StatementId, variant: &VariantId) -> Vec<u8> {
    [root.as_bytes(), release.as_bytes(), variant.as_str().as_bytes()].concat()
}
