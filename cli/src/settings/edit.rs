//! Changes one setting in a file: comments and order stay, and the file is never half-written.

use std::io::Write;
use std::path::Path;
use std::{fs, io};

use catalog_node::control::{Code, Failure};
use tempfile::NamedTempFile;
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Key, parse};

/// Sets `key` to `new`, or takes it out when there is no `new`.
///
/// # Errors
/// A file that cannot be read as TOML is left exactly as it is.
pub fn change(path: &Path, key: &Key, new: Option<&str>) -> Result<(), Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let mut document = parse(&text, path)?.into_mut();
    match new {
        Some(new) => set(&mut document, key, new).ok_or_else(|| {
            Failure::new(
                Code::CONFIG_VALUE,
                format_args!("{} has a part that is no table", key.name),
            )
            .cause(path.display())
        })?,
        None => unset(&mut document, key),
    }
    write_whole(path, &document.to_string()).map_err(|error| cannot("write", path, &error))
}

fn set(document: &mut DocumentMut, key: &Key, new: &str) -> Option<()> {
    let (tables, leaf) = split(key.name);
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for name in tables {
        table =
            table.entry(name).or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()?;
    }
    let mut item = if key.is_switch() { value(new == "true") } else { value(new) };
    // The comment behind the old value belongs to the setting, not to the value.
    if let Some(decor) = table.get(leaf).and_then(Item::as_value).map(|old| old.decor().clone())
        && let Some(fresh) = item.as_value_mut()
    {
        *fresh.decor_mut() = decor;
    }
    match table.get_mut(leaf) {
        Some(old) => *old = item,
        None => {
            table.insert(leaf, item);
        }
    }
    Some(())
}

fn unset(document: &mut DocumentMut, key: &Key) {
    let (tables, leaf) = split(key.name);
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for name in tables {
        match table.get_mut(name).and_then(Item::as_table_like_mut) {
            Some(inner) => table = inner,
            None => return,
        }
    }
    table.remove(leaf);
}

fn split(name: &str) -> (impl Iterator<Item = &str>, &str) {
    let (tables, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    (tables.split('.').filter(|part| !part.is_empty()), leaf)
}

/// Writes a whole file beside the old one and swaps them, so that a crash leaves one of the two.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(dir)?.sync_all()
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::IO, format_args!("cannot {verb} {}", path.display())).caused_by(Some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, key: &str, new: Option<&str>) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, before).unwrap();
        change(&path, Key::named(key).unwrap(), new).unwrap();
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn comments_and_order_survive_a_change() {
        let before = "# mine\nformat = \"json\" # for scripts\n\n[node]\nlan = true\n# end\n";
        assert_eq!(
            changed(before, "format", Some("plain")),
            "# mine\nformat = \"plain\" # for scripts\n\n[node]\nlan = true\n# end\n"
        );
        assert_eq!(
            changed(before, "node.lan", Some("false")),
            "# mine\nformat = \"json\" # for scripts\n\n[node]\nlan = false\n# end\n"
        );
        assert_eq!(
            changed(before, "node.lan", None),
            "# mine\nformat = \"json\" # for scripts\n\n[node]\n# end\n"
        );
    }

    #[test]
    fn a_new_setting_gets_its_table() {
        assert_eq!(changed("", "node.quota", Some("10GiB")), "[node]\nquota = \"10GiB\"\n");
        assert_eq!(changed("", "color", Some("never")), "color = \"never\"\n");
    }

    #[test]
    fn a_half_written_file_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let half = "[node]\nlisten = \"0.0.0";
        fs::write(&path, half).unwrap();
        let failure = change(&path, Key::named("color").unwrap(), Some("never")).unwrap_err();
        assert_eq!(failure.code, Code::CONFIG_BROKEN);
        assert!(failure.cause[0].starts_with("line 2: "), "{:?}", failure.cause);
        assert_eq!(fs::read_to_string(&path).unwrap(), half);
    }
}
