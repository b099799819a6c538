//! The table of everything that can go wrong: a stable number, an exit code and an explanation.
//!
//! Scripts depend on both, so a number is never given a second meaning and an exit code never
//! changes. What a manifest can get wrong has its own numbers, `CAT01xx`
//! ([`catalog::manifest::explain`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How the process ends. Frozen: scripts read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It failed, and none of the others says why.
    Failed = 1,
    /// The command line, the settings or a manifest is wrong.
    Usage = 2,
    /// What was named does not exist here.
    NotFound = 3,
    /// It exists, but nothing fits this hardware or budget.
    NothingFits = 4,
    /// The network or a peer; trying again may help.
    Network = 5,
    /// Bytes, a signature or a peer is not what it should be.
    Integrity = 6,
    /// Not allowed, or a key is missing.
    NotPermitted = 7,
    /// The disk is full, or a quota is.
    Disk = 8,
    /// Another process owns the store.
    Busy = 9,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 11] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::NothingFits,
        Self::Network,
        Self::Integrity,
        Self::NotPermitted,
        Self::Disk,
        Self::Busy,
        Self::Interrupted,
    ];
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}

impl TryFrom<u8> for Exit {
    type Error = UnknownExit;

    fn try_from(number: u8) -> Result<Self, UnknownExit> {
        Self::ALL.into_iter().find(|&exit| u8::from(exit) == number).ok_or(UnknownExit(number))
    }
}

/// A number that is none of our exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an exit code of catalog")]
pub struct UnknownExit(u8);

/// The number of a kind of failure, shown as `CAT0301`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Code(u16);

impl Code {
    /// What is known about this number; `None` for the manifest's own, `CAT01xx`.
    pub fn topic(self) -> Option<&'static Topic> {
        TOPICS.iter().find(|topic| topic.code == self)
    }

    /// Every topic, in the order of the numbers.
    pub fn topics() -> &'static [Topic] {
        TOPICS
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAT{:04}", self.0)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let digits = text
            .get(..3)
            .filter(|head| head.eq_ignore_ascii_case("CAT"))
            .and_then(|_| text.get(3..))
            .filter(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).map(Self).ok_or(CodeError)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

impl TryFrom<String> for Code {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}

/// The text is not `CAT` and four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code is CAT and four digits, such as CAT0301")]
pub struct CodeError;

/// What `catalog explain CATnnnn` says.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Topic {
    /// The number.
    pub code: Code,
    /// How a command ends that fails this way.
    pub exit: Exit,
    /// One line.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
}

macro_rules! codes {
    ($($name:ident = $number:literal, $exit:ident: $title:literal, $text:literal;)+) => {
        impl Code {
            $(#[doc = $title] pub const $name: Self = Self($number);)+
        }

        static TOPICS: &[Topic] = &[
            $(Topic { code: Code($number), exit: Exit::$exit, title: $title, text: $text },)+
        ];
    };
}

codes! {
    INTERNAL = 1, Failed: "a promise inside catalog was broken",
        "This is a fault in catalog itself. Nothing that was acknowledged is lost. Run the command \
        again with `-vv` and report what it prints.";
    INTERRUPTED = 2, Interrupted: "interrupted",
        "The command was stopped from the keyboard. What was fetched so far is kept, and the same \
        command goes on from there. Nothing half-finished is visible.";

    USAGE = 201, Usage: "the command line is wrong",
        "An argument is missing, misspelt or has a value that cannot be used. `catalog help COMMAND` \
        shows what a command takes, with examples.";
    NEEDS_YES = 202, Usage: "the command asks first, and nobody is there to answer",
        "Without a terminal a question could never be answered, so the command stops instead of \
        hanging. Give `-y` to say yes beforehand, or `--dry-run` to see what would be done.";
    CONFIG_BROKEN = 203, Usage: "a settings file cannot be read",
        "The file is not valid TOML; perhaps a program was stopped while it wrote it. The message \
        names the file and the line. Nothing was changed. `--no-config` runs a command without any \
        settings file; `catalog config set` writes whole files only, never half of one.";
    CONFIG_KEY = 204, Usage: "a setting that catalog does not know",
        "Unknown settings are refused, because a misspelt one would silently do nothing. \
        `catalog config list` shows every setting with its value and where the value comes from.";
    CONFIG_VALUE = 205, Usage: "a setting has a value that cannot be used",
        "The message says what the setting takes and where the value was found: on the command \
        line, in the environment, or in one of the settings files.";
    CONFIG_PROJECT = 206, Usage: "a setting that a project folder may not decide",
        "`catalog.config.toml` in the current folder may belong to somebody else, so it may set \
        how things are shown and chosen, but not what the network can reach. Put the setting into \
        your own settings file: `catalog config set`.";
    NO_HOME = 207, Usage: "no home folder is known",
        "Neither `--home` nor `CATALOG_HOME` nor `HOME` says where the catalog of this user lies.";
    REFERENCE = 208, Usage: "not a reference to a package",
        "A reference is `publisher/name`, optionally with `@version` and `#variant`: \
        `acme/graphdb`, `acme/graphdb@^1.4`, `acme/graphdb@1.4.0#low-x86`. The publisher is a \
        petname or a full id, `cat1…`. `name` alone works while only one publisher has it.";
    PROFILE = 209, Usage: "not a profile, or not a fact of one",
        "`--profile` takes a name that `catalog profile list` shows, or a file that \
        `catalog profile export` wrote. `--set` takes `key=value`, such as `--set cores=4`; \
        `catalog profile show` lists the keys.";
    IMPORT = 210, Usage: "a file cannot be imported",
        "The file is not a package of the family named, or the files do not belong to one release. \
        Nothing was published. The message names the file and what is wrong with it.";
    UNSAFE_IMPORT = 211, Integrity: "an archive is not safe to unpack",
        "The archive holds an entry that a harmless one never has: a path that leaves its folder, \
        a link out of the tree, a device, the same path twice, or far more data than it declares. \
        Nothing outside the work folder was written, and nothing was published.";
    TICKET = 212, Usage: "not a ticket",
        "A ticket starts with `catalog1` and is printed by `catalog peer ticket` on the other \
        node. It has a checksum: if part of it was lost on the way, copy all of it again.";
    SOURCE_FILE = 213, Failed: "a file of the package cannot be read",
        "A file that the manifest names could not be read, or changed while it was read. Nothing \
        was published.";
    RELEASE_TOO_LARGE = 214, Usage: "the release is too large to sign",
        "A signed release holds at most 64 KiB of metadata, a variant at most 100,000 entries. \
        Shorten the description, or split the package.";
    NAME = 215, Usage: "not a usable name",
        "Package names, channels and petnames are 1 to 64 bytes of `a-z`, `0-9`, `.`, `_` and `-`, \
        starting with a letter or digit. Names that some systems keep for devices are refused.";
    NOT_A_PROOF = 216, Usage: "not a proof",
        "The file does not begin as a proof does. `catalog prove REF -o FILE` writes one: text that \
        begins with `c2sp.org/tlog-proof@v1`. If it was sent as a message, save it again as it came.";
    NOT_A_SIDE = 217, Usage: "not one of the things that are at odds",
        "`catalog resolve` takes one of the sides that `catalog conflicts` shows, spelt in full: the \
        root of a history, the id of a release, or the version that a channel points to. A forked \
        publisher can also be let go on as it is: `--lift`.";

    NO_PACKAGE = 301, NotFound: "no such package",
        "Neither our own store nor what we learnt from peers knows a package of this name. \
        `catalog search` forgives typing mistakes; `catalog peer add` brings more packages.";
    NO_VERSION = 302, NotFound: "no such version",
        "The package is known, but no version of it matches. `catalog info` lists the versions.";
    AMBIGUOUS = 303, NotFound: "more than one package has this name",
        "Several publishers have a package of this name, and catalog never guesses which one is \
        meant. Write the publisher in front: `publisher/name`.";
    NO_PATH = 304, NotFound: "no such file in the package",
        "The variant has no file or folder at this path. Paths are written with `/` and as the \
        package has them, upper and lower case included.";
    NO_VARIANT = 305, NotFound: "no such variant",
        "The release exists, but none of its variants has this id. `catalog explain` lists them.";
    NOT_INSTALLED = 306, NotFound: "not installed",
        "The package is not installed here. `catalog list` shows what is.";
    NO_PEER = 307, NotFound: "no such peer or publisher",
        "`catalog peer list` shows the peers, `catalog key show` the publishers with a petname.";
    NO_TOPIC = 308, NotFound: "no such code",
        "`catalog explain` with no further words lists every code.";
    NO_MANIFEST = 309, NotFound: "no catalog.toml here",
        "`publish` and `lint` read `catalog.toml` in the current folder, or in the one you name. \
        `catalog new` writes one.";
    NO_ROLLBACK = 310, NotFound: "nothing to go back to",
        "Only one version of the package was installed here so far.";
    NO_SETTING = 311, NotFound: "the setting has no value",
        "Nobody set it and it has no default. `catalog config list` shows all of them.";
    UNVOUCHED = 312, NotFound: "no head vouches for the release yet",
        "A proof needs a head that the publisher signed over its log up to the release, and the \
        hash of every statement before it. Both come with the records of a peer that has the whole \
        log: `catalog peer ping` asks for news.";
    NO_ROOT = 313, NotFound: "no such moment",
        "A root names what the catalog came to when it was shown, by `catalog status`, `catalog \
        sync` or `catalog changes`. This node remembers the last thousand. Numbers of changes \
        never go out of date, except that rebuilding the store begins again at 1.";
    NO_CONFLICT = 314, NotFound: "nothing is at odds",
        "Nobody contradicts anybody about what was named, so there is nothing to decide. \
        `catalog conflicts` lists what is at odds here.";
    DISPUTED = 315, NotFound: "the channel points to more than one version",
        "Two keys of the publisher moved the channel, neither knowing of the other, and catalog \
        never guesses which one is meant. Name the version, decide with `catalog resolve`, or set a \
        policy: `catalog config set node.policies acme=newest-wins`. The publisher ends it by moving \
        the channel once more.";

    NOT_HELD = 316, NotFound: "nothing of it is held for others",
        "`catalog mirror list` shows what this node holds for others, whether it was added by hand \
        or chosen by the mirror itself.";

    NOTHING_FITS = 401, NothingFits: "no variant fits this machine",
        "Each variant was refused for the reason shown, with the amount that is missing. \
        `catalog explain REF` prints every check; `--profile` and `--set` choose for another \
        machine.";

    UNREACHABLE = 501, Network: "a peer cannot be reached",
        "The peer is not running, its address changed, or a firewall stands between. The ticket \
        holds the address it had: `catalog peer ticket` on the other node prints the newest one.";
    UNAVAILABLE = 502, Network: "no reachable peer has the files",
        "The signed release is known, but nobody who holds its files answers right now. What was \
        fetched so far is kept; the same command goes on from there.";
    OFFLINE = 503, Network: "this node cannot open the network",
        "No socket could be opened on the address asked for. Another program may have it: see \
        `catalog config get node.listen`.";
    PROTOCOL = 504, Network: "the peer speaks another version",
        "The two nodes have no protocol version in common. Update the older one.";
    BROKEN_OFF = 505, Network: "the conversation broke off",
        "The peer, or the running node behind the control socket, went away in the middle. \
        Nothing half-finished is visible; the same command goes on from there.";

    CORRUPT = 601, Integrity: "the bytes are not what was signed",
        "What arrived, or what lies in the store, does not have the digest that the publisher \
        signed. It was not used. `catalog verify --repair` fetches good bytes from a peer.";
    IMPOSTOR = 602, Integrity: "the peer is not who it should be",
        "At this address answers a node with another key than the ticket names. Nothing was \
        exchanged.";
    FORGED = 603, Integrity: "a signed statement does not verify",
        "A record has a signature that does not match, or is not in the form that was signed. It \
        was rejected. If it lies in the store, `catalog verify` shows which one it is.";
    FAULTS = 604, Integrity: "verify found faults",
        "Some bytes in the store or in an installed package are not what was signed. They are \
        never served or installed. `catalog verify --repair` fetches them again from a peer.";
    STORE_BROKEN = 605, Integrity: "the store cannot be read",
        "A file of the store is damaged or was written by a newer catalog. Nothing was changed. \
        Keep the folder; `catalog doctor` says what can be saved.";
    FROZEN = 606, Integrity: "the publisher contradicts itself",
        "Its key signed two histories of its log that exclude each other: it was stolen, or a copy \
        of it was used elsewhere. Nothing of it is installed or updated until you decide. \
        `catalog conflicts` shows both histories, `catalog resolve` says which one to go on with.";
    FALSE_PROOF = 607, Integrity: "the proof is false",
        "The file is a proof, but a signature, the statement, its place in the log or the head in \
        it does not hold, or the file was changed or cut on its way. It proves nothing. The cause \
        line names the part.";
    STALE = 608, Integrity: "a peer shows what is too old",
        "Every peer answered, and what it came up with was kept. But its newest head of a \
        publisher that is pinned here is older than `--max-age`, or older than what is known here: \
        the peer may be cut off from the publisher, or kept in the past on purpose. Ask another \
        peer, or the publisher's own node.";

    NO_IDENTITY = 701, NotPermitted: "there is no identity to sign with",
        "Reading and installing need none; publishing does. `catalog init --alias NAME` makes one.";
    KEY_EXPOSED = 702, NotPermitted: "others can read a secret key",
        "The file of a secret key must be readable by its owner only (mode 0600). It was not \
        used. If another person may have read it, publish under a new identity.";
    PETNAME_TAKEN = 703, NotPermitted: "the petname belongs to somebody else",
        "A petname is pinned to one publisher when it is first used, so that nobody can slip under \
        a known name. Choose another petname.";
    REFUSED = 704, NotPermitted: "the other side does not allow it",
        "The peer did not give what was asked. What is absent and what is restricted look the \
        same from outside, on purpose.";
    CONTROL_DENIED = 705, NotPermitted: "the control interface refused the request",
        "Over HTTP every request needs the token of the running node and a Host of this machine. \
        That keeps web pages out. The Unix socket needs neither, but belongs to one user.";
    FILE_DENIED = 706, NotPermitted: "the operating system does not allow it",
        "A file or folder belongs to somebody else or is read-only. The message names it.";
    VERSION_TAKEN = 707, NotPermitted: "this version was published with other bytes",
        "A version that was published stays what it is for good: others may already have it. \
        Raise `version` in catalog.toml. Publishing the same bytes again is always fine.";
    UNATTESTED = 708, NotPermitted: "too few trusted publishers attest the release",
        "Its publisher marked it `verified`: it is installed only where enough other publishers say \
        that they looked at it and had nothing against it. Only the word of publishers that you \
        pinned counts, each once. `catalog key trust` pins one; `install.attestations` says how \
        many are needed, 1 by default. An attestation is a person's word, not a proof.";
    NOT_GRANTED = 709, NotPermitted: "nothing is granted to the node",
        "A revocation takes back what was granted, and nothing was granted to this node: no grant \
        and no release names it. Revoking all the same would tell the node that there is \
        something. `catalog grants` lists who may read what.";
    NOT_ATTESTABLE = 710, NotPermitted: "the release is not one to attest",
        "Attested are releases of other publishers that everybody may read: a publisher's word for \
        its own releases says nothing more, and to attest what only some may read would tell \
        everybody that it exists.";
    SEALED = 711, NotPermitted: "the release is sealed, and this node has no key",
        "What is not for everybody is encrypted, and its key is handed to each node that may read it. \
        This node knows of the release and was handed no key: its grant has not arrived yet, or it \
        was revoked. Ask the publisher to run `catalog grant` for this node, then `catalog sync`.";
    NOT_TO_CARRY = 712, NotPermitted: "the release cannot be handed over to be carried",
        "Only its publisher hands a release to nodes that carry it without reading it, and only what \
        is sealed: what everybody may read, everybody can carry. Releases that were published before \
        contents were sealed stay as they are; their next version is sealed.";
    NOT_PUBLIC = 713, NotPermitted: "not everybody may read it, so it is not mirrored",
        "A mirror holds what everybody may read. The nodes that a restricted release lists fetch it \
        from each other: `catalog fetch` keeps it here for them.";

    DISK_FULL = 801, Disk: "the disk is full",
        "There is not enough space to finish. Nothing half-written is visible and nothing that \
        was acknowledged is lost. `catalog gc --dry-run` shows what could go.";
    QUOTA = 802, Disk: "the quota is used up",
        "The files would let the store grow beyond `node.quota`. Raise it with \
        `catalog config set node.quota`, or make room with `catalog gc`.";
    IO = 803, Failed: "a file could not be read or written",
        "The operating system reported an error that is not about space or permission. The cause \
        line has its words.";
    BUDGET = 804, Disk: "the budget of the mirror is used up",
        "What is held for others may take as much room as `mirror.budget` says, or as was said \
        with `catalog mirror start --max`. Allow more, or make room: `catalog mirror drop`.";

    STORE_HELD = 901, Busy: "another process owns the store",
        "One process owns a store at a time. Commands talk to a running node by themselves; this \
        one runs without a control socket, or was still busy after ten seconds. The message names \
        its process id.";
    NO_DAEMON = 902, NotFound: "no node is running here",
        "`catalog daemon start` starts one. Most commands do not need it; others can reach your \
        packages only while it runs.";
    DAEMON_RUNS = 903, Busy: "a node is already running",
        "`catalog daemon status` shows it, `catalog daemon stop` ends it.";
    DAEMON_FAILED = 904, Failed: "the node did not start",
        "The background process ended before it was ready. `catalog daemon logs` shows its last \
        words; `catalog daemon start --foreground` shows them as they come.";
    DAEMON_OTHER = 905, Busy: "the running node is another version",
        "The running node does not know this request. Restart it: `catalog daemon stop`, then \
        `catalog daemon start`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_frozen() {
        let numbers: Vec<u8> = Exit::ALL.into_iter().map(u8::from).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
        for exit in Exit::ALL {
            assert_eq!(Exit::try_from(u8::from(exit)), Ok(exit));
        }
        assert_eq!(Exit::try_from(42), Err(UnknownExit(42)));
    }

    #[test]
    fn numbers_rise_and_leave_the_manifest_its_own_hundred() {
        for pair in TOPICS.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} comes before {}", pair[0].code, pair[1].code);
        }
        assert!(TOPICS.iter().all(|topic| !(100..200).contains(&topic.code.0)));
    }

    #[test]
    fn every_code_reads_back_from_what_it_shows() {
        for topic in TOPICS {
            assert_eq!(topic.code.to_string().parse(), Ok(topic.code));
        }
        assert_eq!("cat0301".parse(), Ok(Code::NO_PACKAGE));
        for wrong in ["", "CAT", "CAT301", "CAT03011", "CATé301", "DOG0301", "CAT+301"] {
            assert_eq!(wrong.parse::<Code>(), Err(CodeError), "{wrong}");
        }
    }
}
