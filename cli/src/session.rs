//! What every command works with: the screen, the settings, the folders, and the node to ask.

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use catalog::profile::{Override, Profile};
use catalog::resolve::Preference;
use catalog_node::NodeConfig;
use catalog_node::TransferProgress;
use catalog_node::control::requests::{Choice, Fits, LongRequest};
use catalog_node::control::{Code, Control, Failure};
use catalog_node::mirror::Terms;
use catalog_node::shaping::policy::Policy;
use catalog_node::shaping::{self, Limits};
use catalog_node::topology::Strategy;

use crate::args::{ChoiceArgs, Global};
use crate::bars::Bars;
use crate::line::Line;
use crate::near;
use crate::places::{Places, path_of};
use crate::screen::Screen;
use crate::settings::{Copies, Mirrored, Nodes, Only, Settings};
use crate::span::Span;
use crate::stop::Stop;

/// The most threads a command runs: one endpoint and one blob store keep no more busy.
const WORKERS_MAX: usize = 4;

/// One run of the program.
#[derive(Debug)]
pub struct Session {
    /// Where things lie.
    pub places: Places,
    /// What was decided.
    pub settings: Settings,
    /// Where results and words go.
    pub screen: Screen,
    global: Global,
}

impl Session {
    /// Finds the folders and reads the settings.
    pub fn open(global: Global) -> Result<Self, Failure> {
        let places = Places::find(global.home.as_deref())?;
        let settings = Settings::load(&global, &places)?;
        let screen = Screen::new(&settings, global.quiet);
        Ok(Self { places, settings, screen, global })
    }

    /// The node of this user.
    pub fn node_config(&self) -> NodeConfig {
        let mut config = NodeConfig::new(self.places.home.clone());
        if let Some(addr) = self.settings.parsed("node.listen") {
            config = config.listen(addr);
        }
        if let Some(quota) = self.settings.parsed("node.quota") {
            config = config.quota(quota);
        }
        if let Some(Span(interval)) = self.settings.parsed("sync.interval") {
            config = config.sync_interval(interval);
        }
        if let Some(Only(selection)) = self.settings.parsed("sync.only") {
            config = config.select(selection);
        }
        if let Some(policies) = self.settings.parsed("node.policies") {
            config = config.answer_conflicts_by(policies);
        }
        if let Some(name) = self.settings.parsed("node.name") {
            config = config.called(name);
        }
        if let Some(region) = self.settings.parsed("node.region") {
            config = config.located_in(region);
        }
        if let Some(strategy) = self.settings.parsed("transfer.strategy") {
            config = config.choose_sources_by(strategy);
        }
        if let Some(Nodes(backbones)) = self.settings.parsed("transfer.backbones") {
            config = config.backbone(backbones);
        }
        if let Some(Nodes(friends)) = self.settings.parsed("node.friends") {
            config = config.befriend(friends);
        }
        if let Some(file) = self.settings.text("transfer.features") {
            config = config.log_features(file.into());
        }
        if let Some(count) = self.settings.parsed::<u8>("install.attestations") {
            config = config.want_attestations(count.into());
        }
        let config = config.mirror_by(self.mirror());
        let config = config.use_line(self.policy()).patches(self.settings.is_on("node.patches"));
        let config = config.heed_forecasts(self.settings.is_on("transfer.forecast"));
        let config = config.count_usage(self.settings.is_on("usage.count"));
        let config = config.announce(self.settings.is_on("node.announce"));
        config.lan_discovery(self.settings.is_on("node.lan"))
    }

    /// On which terms others' packages are held.
    fn mirror(&self) -> Terms {
        let (settings, usual) = (&self.settings, Terms::default());
        let time = |name: &str| settings.parsed(name).map(|Span(time)| time);
        Terms {
            budget: settings.parsed("mirror.budget").unwrap_or(usual.budget),
            factor: settings.parsed("mirror.factor").map_or(usual.factor, |Copies(count)| count),
            strategy: settings.parsed("mirror.strategy").unwrap_or(usual.strategy),
            filter: settings.parsed("mirror.only").map_or(usual.filter, |Mirrored(only)| only),
            interval: time("mirror.interval").unwrap_or(usual.interval),
            lease: time("mirror.lease").unwrap_or(usual.lease),
            backbone: settings.is_on("mirror.backbone"),
        }
    }

    /// How the line is used.
    fn policy(&self) -> Policy {
        let settings = &self.settings;
        let limits = |direction: &str| Limits {
            total: settings.parsed(&format!("{direction}.limit")).unwrap_or_default(),
            peer: settings.parsed(&format!("{direction}.limit_per_peer")).unwrap_or_default(),
            burst: settings.parsed(&format!("{direction}.burst")).unwrap_or(shaping::BURST),
        };
        Policy {
            upload: limits("upload"),
            download: limits("download"),
            schedule: settings.parsed("line.schedule").unwrap_or_default(),
            background: settings.is_on("line.background").into(),
            on_battery: settings.is_on("line.pause_on_battery").into(),
            metered: settings.is_on("line.metered").into(),
        }
    }

    /// Runs `work`, which asks the running node, or one that is opened for it.
    ///
    /// Interrupted from the keyboard, it lets go of the node in good order first.
    pub fn ask<T>(&self, work: impl AsyncFnOnce(&Control) -> Result<T, Stop>) -> Result<T, Stop> {
        self.block_on(async {
            let control = tokio::select! {
                control = Control::open(self.node_config(), |pid| self.tell_waiting(pid)) => control?,
                () = interrupt() => return Err(interrupted()),
            };
            let result = tokio::select! {
                result = work(&control) => result,
                () = interrupt() => Err(interrupted()),
            };
            tokio::select! {
                () = control.close() => {}
                () = interrupt() => {}
            }
            result
        })
    }

    /// Runs asynchronous work to its end.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let workers = std::thread::available_parallelism().map_or(1, |count| count.get());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers.min(WORKERS_MAX))
            .enable_all()
            .build()
            .map_err(|error| Failure::of(Code::IO, &error))?;
        let result = runtime.block_on(work);
        // A thread may still wait for somebody to type; everything else has ended.
        runtime.shutdown_background();
        result
    }

    /// Says whom we are waiting for.
    pub fn tell_waiting(&self, pid: Option<u32>) {
        let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
        self.screen.say(&Line::from(format!("waiting for {who}, which owns the store…")));
    }

    /// The progress of a long command.
    pub fn bars(&self) -> Bars {
        Bars::new(&self.screen, &self.settings, self.global.quiet)
    }

    /// Asks for something that moves contents, and shows how far it is; a dry run moves nothing.
    pub async fn transfer<Q>(
        &self,
        control: &Control,
        request: &Q,
        is_dry_run: bool,
    ) -> Result<Q::Reply, Failure>
    where
        Q: LongRequest<Progress = TransferProgress>,
    {
        let mut bars = self.bars();
        let show = |event: TransferProgress| {
            if !is_dry_run {
                bars.transfer(&event);
            }
        };
        let reply = control.follow(request, show).await;
        bars.end();
        reply
    }

    /// Whether a question is to be asked; `false` when the answer was given beforehand.
    ///
    /// # Errors
    /// [`Code::NEEDS_YES`] when there is nobody to ask.
    pub fn must_ask(&self) -> Result<bool, Stop> {
        let is_there = io::stdin().is_terminal() && io::stderr().is_terminal();
        if self.global.yes || (is_there && !self.global.no_input) {
            return Ok(!self.global.yes);
        }
        let failure =
            Failure::new(Code::NEEDS_YES, "this asks for a yes, and there is nobody to ask")
                .hint("-y says yes beforehand; --dry-run shows what would be done");
        Err(failure.into())
    }

    /// Asks a question that must be answered with yes.
    ///
    /// # Errors
    /// [`Code::NEEDS_YES`] when the answer is anything else.
    pub async fn confirm(&self, question: &str) -> Result<(), Stop> {
        let _ = write!(io::stderr(), "{} [y/N] ", crate::escape::visible(question));
        // On a thread of its own, so that Ctrl-C is heard meanwhile.
        let read = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            let _ = io::stdin().lock().read_line(&mut answer);
            answer
        });
        match read.await.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(Code::NEEDS_YES, "not confirmed; nothing was done").into()),
        }
    }

    /// For which machine to choose, and by what.
    pub fn choice(&self, args: &ChoiceArgs) -> Result<Choice, Failure> {
        let mut settings = self.settings.clone();
        settings.flag("profile", "--profile", args.profile.clone())?;
        settings.flag("preference", "--preference", args.preference.clone())?;
        let preference: Preference = settings.parsed("preference").unwrap_or_default();
        let changes = overrides(&args.set)?;
        let named = settings.text("profile").map(profile).transpose()?;
        let profile = match (named, changes.is_empty()) {
            (named, true) => named,
            (named, false) => {
                let base = named.unwrap_or_else(|| self.this_machine());
                Some(base.with_overrides(&changes).map_err(wrong_profile)?)
            }
        };
        Ok(Choice { profile, preference })
    }

    /// By what it is chosen whom to ask for contents: what a flag says, else what is set.
    pub fn strategy(&self, flag: Option<&String>) -> Result<Option<Strategy>, Failure> {
        let mut settings = self.settings.clone();
        settings.flag("transfer.strategy", "--strategy", flag.cloned())?;
        Ok(settings.parsed("transfer.strategy"))
    }

    /// The machine we run on, with what was set by hand in the environment.
    pub fn fits_here(&self) -> Result<Fits, Failure> {
        let changes = overrides(&[])?;
        if changes.is_empty() {
            return Ok(Fits::Here);
        }
        let profile = self.this_machine().with_overrides(&changes).map_err(wrong_profile)?;
        Ok(Fits::On(Box::new(profile)))
    }

    /// The flags that lead another run of this program to the same folders and settings, with
    /// absolute paths.
    pub fn again(&self) -> Vec<OsString> {
        let mut flags = Vec::new();
        let mut path = |flag: &str, path: Option<PathBuf>| {
            if let Some(path) = path {
                flags.push(OsString::from(flag));
                flags.push(std::path::absolute(&path).unwrap_or(path).into());
            }
        };
        path("--home", self.global.home.clone().or_else(|| path_of("CATALOG_HOME")));
        path("--config", self.global.config.clone().or_else(|| path_of("CATALOG_CONFIG")));
        if self.global.no_config {
            flags.push("--no-config".into());
        }
        flags.extend((0..self.global.verbose).map(|_| OsString::from("-v")));
        flags
    }

    /// The facts about the machine we run on, without any overrides.
    pub fn this_machine(&self) -> Profile {
        Profile::detect(&self.places.home.data)
    }
}

/// The facts set by `CATALOG_SET_…`, then those set by `--set`.
pub fn overrides(flags: &[String]) -> Result<Vec<Override>, Failure> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut changes = Override::from_variables(variables).map_err(wrong_profile)?;
    for flag in flags {
        changes.push(flag.parse().map_err(wrong_profile)?);
    }
    Ok(changes)
}

/// A named profile, or one from a file.
pub fn profile(name: &str) -> Result<Profile, Failure> {
    if let Some(profile) = Profile::named(name) {
        return Ok(profile);
    }
    let path = Path::new(name);
    if !path.is_file() {
        let failure = Failure::new(Code::PROFILE, format_args!("no profile {name:?}"));
        return Err(match near::nearest(name, Profile::names()) {
            Some(known) => failure.hint(format_args!("did you mean {known}?")),
            None => failure.hint("catalog profile list shows the named ones; a file works too"),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(Code::PROFILE, format_args!("cannot read {name}")).caused_by(Some(&error))
    })?;
    Profile::from_toml(&text).map_err(|error| {
        Failure::new(Code::PROFILE, format_args!("{name} is not a profile")).caused_by(Some(&error))
    })
}

/// A profile or an override that cannot be used.
pub fn wrong_profile(error: impl std::error::Error + 'static) -> Failure {
    Failure::of(Code::PROFILE, &error).hint("catalog profile show lists the facts and their values")
}

/// Waits for Ctrl-C.
pub async fn interrupt() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process by itself.
        std::future::pending::<()>().await;
    }
}

/// The failure of a command that was interrupted.
pub fn interrupted() -> Stop {
    Failure::new(Code::INTERRUPTED, "interrupted")
        .hint("what was fetched so far is kept: the same command goes on from there")
        .into()
}
