//! Keeps a publisher's secret keys on disk, where nobody else can read them.
//!
//! Two small text files: the identity (inception and signing key) and, beside it, the next key,
//! which its owner may move to a safer place. A backup is one text with everything.
//!
//! Guarantees: files appear whole or not at all, with mode 0600, and never replace another key;
//! a file that others can read, or that holds a key of somebody else, is refused; no error and no
//! `Debug` shows a secret.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::{Inception, KeyState, PublisherId, next_commitment};
use crate::defence::{self, Defence};
use crate::name::Petname;
use crate::signature::SecretKey;
use crate::statement::{SealedStatement, Statement};
use crate::time::Timestamp;

/// A key file is some 700 bytes; what is larger is something else.
const FILE_BYTES_MAX: u64 = 16 * 1024;
const IDENTITY_TITLE: &str = "catalog identity v1";
const NEXT_TITLE: &str = "catalog next key v1";
const BACKUP_TITLE: &str = "catalog identity backup v1";

/// A publisher of our own: its inception, the key that signs, and the key that may take over.
#[derive(Clone)]
pub struct Identity {
    sealed: SealedStatement,
    state: KeyState,
    inception: Inception,
    secret: SecretKey,
    next: Option<SecretKey>,
}

/// Why an identity could not be kept or taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no such file: nobody ran `init` here.
    #[error("there is no identity at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A key is there already, and keys are never replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Other users of the machine can read or change the file.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// The exposed file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is not one of ours, or its parts do not belong together.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file, or `backup`.
        path: PathBuf,
        /// What is wrong with it; never what it says.
        what: &'static str,
    },
    /// The operating system refused.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Identity {
    /// Makes a new publisher with one signing key and one next key, committed to in advance.
    pub fn generate(alias: Option<Petname>, now: Timestamp) -> Self {
        Self::of_keys(SecretKey::generate(), SecretKey::generate(), alias, now)
    }

    /// The publisher that these two keys found; equal keys and times give the same one.
    pub fn of_keys(
        secret: SecretKey,
        next: SecretKey,
        alias: Option<Petname>,
        now: Timestamp,
    ) -> Self {
        let commitment = next_commitment(&[next.public()], 1);
        let inception = Inception::new(vec![secret.public()], 1, commitment, now, alias)
            .expect("one key and a threshold of one keep every rule of an inception");
        let sealed = SealedStatement::seal(&Statement::Inception(inception.clone()), &secret)
            .expect("an inception is its body");
        let state = KeyState::of(&inception);
        Self { sealed, state, inception, secret, next: Some(next) }
    }

    /// The id under which it publishes.
    pub fn publisher(&self) -> PublisherId {
        self.state.publisher
    }

    /// The key that signs statements and heads.
    pub fn key(&self) -> &SecretKey {
        &self.secret
    }

    /// The keys that others check its statements with.
    pub fn state(&self) -> &KeyState {
        &self.state
    }

    /// What it would like to be called.
    pub fn alias(&self) -> Option<&Petname> {
        self.inception.alias()
    }

    /// The signed inception: leaf 0 of its log.
    pub fn inception(&self) -> &SealedStatement {
        &self.sealed
    }

    /// The key that may take over, unless its owner moved it elsewhere.
    pub fn next_key(&self) -> Option<&SecretKey> {
        self.next.as_ref()
    }

    /// Where the next key lies beside an identity at `path`: `identity.key` has `identity-next.key`.
    pub fn next_path(path: &Path) -> PathBuf {
        let mut name = path.file_stem().unwrap_or_default().to_os_string();
        name.push("-next");
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        path.with_file_name(name)
    }

    /// Writes the identity to `path` and the next key beside it, both with mode 0600.
    ///
    /// Each file appears whole and durable, the identity last: a crash leaves no identity, never
    /// half of one.
    ///
    /// # Errors
    /// [`IdentityError::Exists`] when either file is there already.
    pub fn save(&self, path: &Path) -> Result<(), IdentityError> {
        if path.exists() {
            return Err(IdentityError::Exists { path: path.into() });
        }
        if let Some(next) = &self.next {
            let text = secret_file(NEXT_TITLE, &[("publisher", &self.publisher())], next);
            write_new(&Self::next_path(path), &text)?;
        }
        write_new(path, &self.text(IDENTITY_TITLE))
    }

    /// Reads the identity at `path`, and the next key beside it when it is there.
    ///
    /// # Errors
    /// [`IdentityError`] when it is missing, exposed or damaged; the keys must belong together.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let text = read_private(path)?;
        let damaged = |what| IdentityError::Damaged { path: path.into(), what };
        let mut identity = Self::parse(&text, IDENTITY_TITLE).map_err(damaged)?;
        let next_path = Self::next_path(path);
        let next_text = match read_private(&next_path) {
            Err(IdentityError::Missing { .. }) => return Ok(identity),
            other => other?,
        };
        let next = Lines::of(&next_text, NEXT_TITLE)
            .and_then(|lines| lines.secret("secret"))
            .and_then(|next| identity.check_next(&next).map(|()| next))
            .map_err(|what| IdentityError::Damaged { path: next_path, what })?;
        identity.next = Some(next);
        Ok(identity)
    }

    /// Everything in one text, to be kept offline; wiped from memory when dropped.
    pub fn backup_text(&self) -> Zeroizing<String> {
        let mut text = self.text(BACKUP_TITLE);
        if let Some(next) = &self.next {
            push_secret(&mut text, "next", next);
        }
        text
    }

    /// Takes up the identity that [`backup_text`](Self::backup_text) wrote.
    ///
    /// # Errors
    /// [`IdentityError::Damaged`] when a line is missing or the keys do not belong together.
    pub fn from_backup(text: &str) -> Result<Self, IdentityError> {
        Self::parse(text, BACKUP_TITLE)
            .map_err(|what| IdentityError::Damaged { path: "backup".into(), what })
    }

    fn text(&self, title: &str) -> Zeroizing<String> {
        let inception = BASE64.encode(self.sealed.encode());
        secret_file(
            title,
            &[("publisher", &self.publisher()), ("inception", &inception)],
            &self.secret,
        )
    }

    fn parse(text: &str, title: &str) -> Result<Self, &'static str> {
        let lines = Lines::of(text, title)?;
        let bytes =
            BASE64.decode(lines.value("inception")?).map_err(|_| "the inception is not base64")?;
        let sealed = SealedStatement::decode(&bytes).map_err(|_| "the inception is unreadable")?;
        let inception = sealed.open_inception().map_err(|_| "the inception is not signed right")?;
        let state = KeyState::of(&inception);
        if state.publisher.to_string() != lines.value("publisher")? {
            return Err("the inception is of another publisher");
        }
        let secret = lines.secret("secret")?;
        if !state.keys.contains(&secret.public()) {
            return Err("the secret key is not the publisher's");
        }
        let mut identity = Self { sealed, state, inception, secret, next: None };
        if lines.value("next").is_ok() {
            let next = lines.secret("next")?;
            identity.check_next(&next)?;
            identity.next = Some(next);
        }
        Ok(identity)
    }

    fn check_next(&self, next: &SecretKey) -> Result<(), &'static str> {
        if next_commitment(&[next.public()], 1) == self.inception.next() {
            Ok(())
        } else {
            Err("the next key is not the one that the inception commits to")
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("publisher", &self.publisher())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// A title line, then `name value` lines in any order; `#` starts a remark.
struct Lines<'t>(Vec<(&'t str, &'t str)>);

impl<'t> Lines<'t> {
    fn of(text: &'t str, title: &str) -> Result<Self, &'static str> {
        let mut lines =
            text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        if lines.next() != Some(title) {
            return Err("the first line is not the expected title");
        }
        lines
            .map(|line| line.split_once(' ').ok_or("a line has no value"))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn value(&self, name: &str) -> Result<&'t str, &'static str> {
        let mut found = self.0.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.trim());
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err("a line is missing"),
            (Some(_), Some(_)) => Err("a line is there twice"),
        }
    }

    fn secret(&self, name: &str) -> Result<SecretKey, &'static str> {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(self.value(name)?, seed.as_mut())
            .map_err(|_| "the secret key is not 64 hex digits")?;
        Ok(SecretKey::from_bytes(&seed))
    }
}

fn secret_file(
    title: &str,
    facts: &[(&str, &dyn fmt::Display)],
    secret: &SecretKey,
) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    text.push_str(title);
    text.push_str("\n# Whoever reads this file can publish as its owner. Keep it secret.\n");
    for (name, value) in facts {
        text.push_str(&format!("{name} {value}\n"));
    }
    push_secret(&mut text, "secret", secret);
    text
}

/// Appends without a copy that would outlive the wiping.
fn push_secret(text: &mut String, name: &str, secret: &SecretKey) {
    let mut digits = Zeroizing::new([0; 64]);
    hex::encode_to_slice(secret.to_bytes().as_ref(), digits.as_mut())
        .expect("64 digits hold 32 bytes");
    text.push_str(name);
    text.push(' ');
    text.extend(digits.iter().map(|&digit| char::from(digit)));
    text.push('\n');
}

fn write_new(path: &Path, text: &str) -> Result<(), IdentityError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |source| IdentityError::Io { path: path.into(), source };
    // A temporary file of this kind is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => IdentityError::Exists { path: path.into() },
        _ => failed(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, IdentityError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => IdentityError::Missing { path: path.into() },
        _ => IdentityError::Io { path: path.into(), source },
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if defence::on(Defence::KeyMode) && mode & 0o077 != 0 {
        return Err(IdentityError::Exposed { path: path.into(), mode });
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(IdentityError::Damaged { path: path.into(), what: "it is too large" });
    }
    // Reserved at once, so that growing leaves no copies of a secret behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData => {
            IdentityError::Damaged { path: path.into(), what: "it is not text" }
        }
        _ => failed(source),
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests;
