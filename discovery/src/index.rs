//! Keeps the index on disk and lets readers and one writer share it.
//!
//! In: documents, removals, and the cursor into the store that they bring the index up to. Out:
//! a view to search in. The cursor travels inside the commit, so index and cursor cannot disagree:
//! after a crash the index is late, never wrong.
//!
//! Guarantees: an index that is damaged, of another version or of another store is emptied and
//! starts over, because everything in it can be read from the store again.
//! Not here: what a query means ([`search`](crate::search)) and which release of a package is
//! indexed ([`follow`](crate::follow)).

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use catalog::release::PackageId;
use tantivy::directory::MmapDirectory;
use tantivy::{IndexReader, IndexSettings, ReloadPolicy, TantivyError};

use crate::cursor::Cursor;
use crate::doc::{Doc, PackageKey};
use crate::mend::Anew;
use crate::opened::Opened;
use crate::schema::Fields;
use crate::words;
use crate::writer::Writer;

/// Unpacked blocks of stored releases that a reader keeps: a page of hits, and little memory.
const STORED_BLOCKS: usize = 10;

/// The file that lists all others.
const META: &str = "meta.json";

/// The search index of one store. Cheap to open; it can be shared between threads.
pub struct Index {
    dir: PathBuf,
    view: RwLock<Arc<View>>,
    // Opened at the first write: a command that only searches never starts a writer's threads.
    writer: Mutex<Option<Writer>>,
    following: Mutex<()>,
    // Why it started over, until somebody was told.
    anew: Mutex<Option<Anew>>,
}

/// One opened state of the files.
pub(crate) struct View {
    pub index: tantivy::Index,
    reader: IndexReader,
    pub opened: Opened,
    cursor: Cursor,
}

/// Why the index could not be opened, written or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The disk refused: full, read-only or failing.
    #[error("cannot use the search index in {}", dir.display())]
    Io {
        /// Where the index is.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes to it.
    #[error("the search index in {} is being written by another process", dir.display())]
    Busy {
        /// Where the index is.
        dir: PathBuf,
    },
    /// Its files are damaged: [`Index::reset`] and following the store again mends it.
    #[error("the search index in {} is damaged: {reason}", dir.display())]
    Damaged {
        /// Where the index is.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Index {
    /// Opens the index in `dir`, which belongs to it alone; makes an empty one where there is none
    /// or where the old one cannot be used. Look at [`Index::cursor`] to see how far it is.
    ///
    /// # Errors
    /// [`IndexError::Io`] when the disk refuses.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let (view, anew) = match sound(|| View::open(dir)) {
            Ok(Some(view)) => (view, None),
            _ if !View::has_files(dir) => (View::create(dir)?, None),
            Ok(None) if dir.join(META).exists() => (View::create(dir)?, Some(Anew::OtherVersion)),
            Ok(None) => (View::create(dir)?, Some(Anew::Damaged(format!("no {META}")))),
            Err(error) => {
                let why = match sort_error(dir, error) {
                    IndexError::Damaged { reason, .. } => reason,
                    other => other.to_string(),
                };
                (View::create(dir)?, Some(Anew::Damaged(why)))
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            view: RwLock::new(Arc::new(view)),
            writer: Mutex::new(None),
            following: Mutex::new(()),
            anew: Mutex::new(anew),
        })
    }

    /// How far in the store's changes the index is.
    pub fn cursor(&self) -> Cursor {
        self.view().cursor
    }

    /// How many packages it holds.
    pub fn packages(&self) -> u64 {
        self.view().opened.searcher.num_docs()
    }

    /// Adds a package, or replaces what was known of it. Seen by searches after
    /// [`Index::commit`].
    pub fn put(&self, doc: &Doc) -> Result<(), IndexError> {
        let view = self.view();
        self.write(|writer| writer.put(&view.opened, doc))
    }

    /// Forgets a package. Seen by searches after [`Index::commit`].
    pub fn remove(&self, package: &PackageId) -> Result<(), IndexError> {
        let view = self.view();
        self.write(|writer| writer.remove(&view.opened, &PackageKey::of(package)))
    }

    /// Makes everything since the last commit durable and visible, as of `cursor`.
    pub fn commit(&self, cursor: Cursor) -> Result<(), IndexError> {
        self.write(|writer| writer.commit(cursor))?;
        self.reload(cursor)
    }

    /// Joins the files that many commits left into one set, which is searched fastest. Takes as long
    /// as writing it all; searches go on meanwhile.
    pub fn join(&self) -> Result<(), IndexError> {
        let mut slot = self.writer();
        let view = self.view();
        let joined = (|| -> tantivy::Result<()> {
            slot.take().map_or(Ok(()), Writer::close)?;
            let segments = view.index.searchable_segment_ids()?;
            if segments.len() > 1 {
                let mut writer = Writer::open(&view.index)?;
                writer.join(&segments)?;
                writer.close()?;
            }
            Ok(())
        })();
        joined.map_err(|error| self.error(error))?;
        drop(slot);
        self.reload(view.cursor)
    }

    /// Empties the index; its cursor is back at the start.
    pub fn reset(&self) -> Result<(), IndexError> {
        let mut writer = self.writer();
        drop(writer.take());
        self.set_view(View::create(&self.dir)?);
        Ok(())
    }

    /// Reads every file of the index and compares checksums. Takes as long as reading it all.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] names the first damaged file.
    pub fn check(&self) -> Result<(), IndexError> {
        let damaged = self.view().index.validate_checksum().map_err(|error| self.error(error))?;
        match damaged.iter().min() {
            None => Ok(()),
            Some(file) => Err(self.damaged(format!("{} has another checksum", file.display()))),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Held by whoever follows the store: two at a time would read everything twice.
    pub(crate) fn following(&self) -> MutexGuard<'_, ()> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers why the index starts over; the first reason is the one to tell.
    pub(crate) fn start_over(&self, why: Anew) {
        self.anew.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    /// Why it started over, told once.
    pub(crate) fn why_anew(&self) -> Option<Anew> {
        self.anew.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn damaged(&self, reason: String) -> IndexError {
        IndexError::Damaged { dir: self.dir.clone(), reason }
    }

    pub(crate) fn error(&self, error: TantivyError) -> IndexError {
        sort_error(&self.dir, error)
    }

    /// Looks at the files as they are now.
    fn reload(&self, cursor: Cursor) -> Result<(), IndexError> {
        let old = self.view();
        let view = sound(|| {
            old.reader.reload()?;
            let opened = Opened::new(old.reader.searcher(), old.opened.fields)?;
            Ok(View { index: old.index.clone(), reader: old.reader.clone(), opened, cursor })
        });
        self.set_view(view.map_err(|error| self.error(error))?);
        Ok(())
    }

    fn set_view(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the writer, opening it when needed. A writer that failed is dropped with
    /// everything it had not committed: the next one starts from the last commit.
    fn write(
        &self,
        work: impl FnOnce(&mut Writer) -> tantivy::Result<()>,
    ) -> Result<(), IndexError> {
        let mut slot = self.writer();
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => Writer::open(&self.view().index).map_err(|error| self.error(error))?,
        };
        work(&mut writer).map_err(|error| self.error(error))?;
        *slot = Some(writer);
        Ok(())
    }
}

impl View {
    /// The index in `dir`; `None` when there is none, or one of another version.
    fn open(dir: &Path) -> tantivy::Result<Option<Self>> {
        let files = MmapDirectory::open(dir)?;
        if !tantivy::Index::exists(&files)? {
            return Ok(None);
        }
        let index = tantivy::Index::open(files)?;
        let (schema, fields) = Fields::schema();
        let metas = index.load_metas()?;
        let cursor = match metas.payload {
            Some(text) => text.parse().ok(),
            None if metas.segments.is_empty() => Some(Cursor::default()),
            None => None,
        };
        match cursor {
            Some(cursor) if metas.schema == schema => Self::of(index, fields, cursor).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether something was written in `dir` once; what begins with a dot is there before that.
    fn has_files(dir: &Path) -> bool {
        let hidden = |name: std::ffi::OsString| name.as_encoded_bytes().starts_with(b".");
        match fs::read_dir(dir) {
            Ok(entries) => entries.flatten().any(|entry| !hidden(entry.file_name())),
            Err(_) => dir.exists(),
        }
    }

    /// An empty index in `dir`; whatever was there is gone.
    fn create(dir: &Path) -> Result<Self, IndexError> {
        let io = |source| IndexError::Io { dir: dir.to_owned(), source };
        match fs::remove_dir_all(dir) {
            // A file in the place of the folder.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                fs::remove_file(dir).and_then(|()| fs::create_dir_all(dir)).map_err(io)?;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => fs::create_dir_all(dir).map_err(io)?,
        }
        let (schema, fields) = Fields::schema();
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..Default::default() };
        tantivy::Index::builder()
            .schema(schema)
            .settings(settings)
            .create_in_dir(dir)
            .and_then(|index| Self::of(index, fields, Cursor::default()))
            .map_err(|error| sort_error(dir, error))
    }

    fn of(index: tantivy::Index, fields: Fields, cursor: Cursor) -> tantivy::Result<Self> {
        words::register(&index);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader: IndexReader = reader.doc_store_cache_num_blocks(STORED_BLOCKS).try_into()?;
        let opened = Opened::new(reader.searcher(), fields)?;
        Ok(Self { index, reader, opened, cursor })
    }
}

/// Reads what may be damaged in any way: a panic of the library below is damage, too.
pub(crate) fn sound<T>(read: impl FnOnce() -> tantivy::Result<T>) -> tantivy::Result<T> {
    // Nothing that outlives a panic in here is left half-changed: it is only read.
    let damaged = || TantivyError::InternalError("a file in it cannot be read".to_owned());
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged()))
}

/// Tells a refusing disk from damaged files.
fn sort_error(dir: &Path, error: TantivyError) -> IndexError {
    let dir = dir.to_owned();
    match error {
        TantivyError::IoError(source) => {
            // A file that ends early is damage; anything else is the disk's own word.
            let kind = source.kind();
            if matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) {
                return IndexError::Damaged { dir, reason: source.to_string() };
            }
            IndexError::Io { dir, source: io::Error::new(kind, source) }
        }
        TantivyError::LockFailure(..) => IndexError::Busy { dir },
        other => IndexError::Damaged { dir, reason: other.to_string() },
    }
}
