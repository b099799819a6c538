//! Where things lie: the five folders, and the settings files.

use std::env;
use std::path::{Path, PathBuf};

use catalog_node::Home;
use catalog_node::control::{Code, Failure};
use etcetera::BaseStrategy;
use etcetera::base_strategy::Xdg;

/// The settings file of a project, in its folder.
pub const PROJECT_FILE: &str = "catalog.config.toml";
/// The settings file of the whole machine.
const SYSTEM_FILE: &str = "/etc/catalog/config.toml";

/// The folders of this user's catalog.
#[derive(Clone, Debug)]
pub struct Places {
    /// The five folders.
    pub home: Home,
    /// Whether all of them lie in one folder that was named.
    pub is_portable: bool,
}

impl Places {
    /// The folders under `--home`, else under `CATALOG_HOME`, else where XDG says.
    pub fn find(flag: Option<&Path>) -> Result<Self, Failure> {
        let named = flag.map(Path::to_path_buf).or_else(|| path_of("CATALOG_HOME"));
        match named {
            Some(dir) => {
                let dir = std::path::absolute(&dir).map_err(|error| {
                    Failure::of(Code::NO_HOME, &error).cause(dir.display().to_string())
                })?;
                Ok(Self { home: Home::at(&dir), is_portable: true })
            }
            None => Self::xdg(),
        }
    }

    fn xdg() -> Result<Self, Failure> {
        let xdg = Xdg::new().map_err(|error| {
            Failure::of(Code::NO_HOME, &error).hint("set CATALOG_HOME, or give --home DIR")
        })?;
        let own = |dir: PathBuf| dir.join("catalog");
        let state = own(xdg.state_dir().unwrap_or_else(|| xdg.data_dir()));
        // Without a login manager there is no runtime folder; ours under `state` is as private.
        let runtime = xdg.runtime_dir().map_or_else(|| state.join("run"), own);
        let home = Home {
            config: own(xdg.config_dir()),
            data: own(xdg.data_dir()),
            cache: own(xdg.cache_dir()),
            state,
            runtime,
        };
        Ok(Self { home, is_portable: false })
    }

    /// This user's settings file.
    pub fn user_file(&self) -> PathBuf {
        self.home.config.join("config.toml")
    }

    /// The machine's settings file; a portable home is on its own.
    pub fn system_file(&self) -> Option<PathBuf> {
        (!self.is_portable).then(|| PathBuf::from(SYSTEM_FILE))
    }

    /// Where the background node writes its log.
    pub fn log_file(&self) -> PathBuf {
        self.home.state.join("daemon.log")
    }
}

/// Where the units of this user lie.
pub fn systemd_folder() -> Result<PathBuf, Failure> {
    let xdg = Xdg::new().map_err(|error| Failure::of(Code::NO_HOME, &error))?;
    Ok(xdg.config_dir().join("systemd/user"))
}

/// An environment variable that names a path; an empty one counts as not set.
pub fn path_of(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
