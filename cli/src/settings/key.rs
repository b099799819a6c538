//! The settings there are: name, environment variable, kind and default.

use std::net::SocketAddr;

use catalog::name::{NodeName, Region};
use catalog::size::ByteSize;
use catalog_node::conflicts::Rules;
use catalog_node::control::{Code, Failure};
use catalog_node::shaping::Rate;
use catalog_node::shaping::policy::Schedule;

use crate::near;
use crate::span::Span;

use super::mirrored::{Copies, Mirrored};
use super::nodes::Nodes;
use super::only::Only;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its name in files and on the command line.
    pub name: &'static str,
    /// The variable that decides it.
    pub env: &'static str,
    /// Its value when nobody says anything.
    pub default: Option<&'static str>,
    /// Whether a project folder may set it.
    pub in_project: bool,
    /// One line about it.
    pub about: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    OneOf(&'static [&'static str]),
    Text,
    Switch,
    Address,
    LoopbackAddress,
    Size,
    Rate,
    Schedule,
    Time,
    Copies,
    Selection,
    Mirrored,
    Policies,
    Name,
    Nodes,
    Count,
}

/// Every setting, by name.
pub static KEYS: &[Key] = &[
    Key {
        name: "color",
        env: "CATALOG_COLOR",
        default: Some("auto"),
        in_project: true,
        about: "when to use colour",
        kind: Kind::OneOf(&["auto", "always", "never"]),
    },
    Key {
        name: "daemon.http",
        env: "CATALOG_DAEMON_HTTP",
        default: None,
        in_project: false,
        about: "a loopback address on which the daemon serves its API too, with a token",
        kind: Kind::LoopbackAddress,
    },
    Key {
        name: "download.burst",
        env: "CATALOG_DOWNLOAD_BURST",
        default: Some("5MB"),
        in_project: false,
        about: "what peers may send here at once after a silence, before a limit holds",
        kind: Kind::Size,
    },
    Key {
        name: "download.limit",
        env: "CATALOG_DOWNLOAD_LIMIT",
        default: Some("none"),
        in_project: false,
        about: "how much all peers together may send here in a second",
        kind: Kind::Rate,
    },
    Key {
        name: "download.limit_per_peer",
        env: "CATALOG_DOWNLOAD_LIMIT_PER_PEER",
        default: Some("none"),
        in_project: false,
        about: "how much each peer may send here in a second",
        kind: Kind::Rate,
    },
    Key {
        name: "format",
        env: "CATALOG_FORMAT",
        default: Some("auto"),
        in_project: true,
        about: "how to print data",
        kind: Kind::OneOf(&["auto", "human", "json", "jsonl", "plain"]),
    },
    Key {
        name: "install.attestations",
        env: "CATALOG_INSTALL_ATTESTATIONS",
        default: Some("1"),
        in_project: false,
        about: "how many trusted publishers must attest what is published as verified",
        kind: Kind::Count,
    },
    Key {
        name: "line.background",
        env: "CATALOG_LINE_BACKGROUND",
        default: Some("false"),
        in_project: false,
        about: "whether all but what a person waits for yields to the line's other traffic",
        kind: Kind::Switch,
    },
    Key {
        name: "line.metered",
        env: "CATALOG_LINE_METERED",
        default: Some("false"),
        in_project: false,
        about: "whether bytes cost money here, so that what others want waits",
        kind: Kind::Switch,
    },
    Key {
        name: "line.pause_on_battery",
        env: "CATALOG_LINE_PAUSE_ON_BATTERY",
        default: Some("false"),
        in_project: false,
        about: "whether what others want waits while the machine runs on battery",
        kind: Kind::Switch,
    },
    Key {
        name: "line.schedule",
        env: "CATALOG_LINE_SCHEDULE",
        default: Some("none"),
        in_project: false,
        about: "other limits by the time of day, such as 08:00-18:00 upload=1MB/s download=none",
        kind: Kind::Schedule,
    },
    Key {
        name: "mirror.backbone",
        env: "CATALOG_MIRROR_BACKBONE",
        default: Some("false"),
        in_project: false,
        about: "whether this mirror serves everybody, and is asked when no other is enough",
        kind: Kind::Switch,
    },
    Key {
        name: "mirror.budget",
        env: "CATALOG_MIRROR_BUDGET",
        default: Some("10GiB"),
        in_project: false,
        about: "how much space a mirror's copies may take",
        kind: Kind::Size,
    },
    Key {
        name: "mirror.factor",
        env: "CATALOG_MIRROR_FACTOR",
        default: Some("3"),
        in_project: false,
        about: "how many copies of everything mirrors keep together at least, 1 to 16",
        kind: Kind::Copies,
    },
    Key {
        name: "mirror.interval",
        env: "CATALOG_MIRROR_INTERVAL",
        default: Some("1m"),
        in_project: false,
        about: "how often a mirror decides what to hold",
        kind: Kind::Time,
    },
    Key {
        name: "mirror.lease",
        env: "CATALOG_MIRROR_LEASE",
        default: Some("30m"),
        in_project: false,
        about: "how long others count on a mirror that they hear nothing of",
        kind: Kind::Time,
    },
    Key {
        name: "mirror.only",
        env: "CATALOG_MIRROR_ONLY",
        default: None,
        in_project: false,
        about: "what a mirror may hold, such as `profile:pi-low tag:graph`",
        kind: Kind::Mirrored,
    },
    Key {
        name: "mirror.strategy",
        env: "CATALOG_MIRROR_STRATEGY",
        default: Some("adaptive"),
        in_project: false,
        about: "by what it is decided which copies there should be",
        kind: Kind::OneOf(&["popularity", "geographic", "access-pattern", "priority", "adaptive"]),
    },
    Key {
        name: "node.announce",
        env: "CATALOG_NODE_ANNOUNCE",
        default: Some("true"),
        in_project: false,
        about: "whether other nodes are told what this one runs and how much it holds",
        kind: Kind::Switch,
    },
    Key {
        name: "node.friends",
        env: "CATALOG_NODE_FRIENDS",
        default: None,
        in_project: false,
        about: "the ids of nodes that get as much of a full line as if they had given much",
        kind: Kind::Nodes,
    },
    Key {
        name: "node.lan",
        env: "CATALOG_NODE_LAN",
        default: Some("false"),
        in_project: false,
        about: "whether to find and be found by nodes on the local network",
        kind: Kind::Switch,
    },
    Key {
        name: "node.listen",
        env: "CATALOG_NODE_LISTEN",
        default: None,
        in_project: false,
        about: "the UDP address to listen on",
        kind: Kind::Address,
    },
    Key {
        name: "node.name",
        env: "CATALOG_NODE_NAME",
        default: None,
        in_project: false,
        about: "what this node calls itself when it is announced",
        kind: Kind::Name,
    },
    Key {
        name: "node.patches",
        env: "CATALOG_NODE_PATCHES",
        default: Some("true"),
        in_project: false,
        about: "whether updates may come as patches, which are made for others too",
        kind: Kind::Switch,
    },
    Key {
        name: "node.policies",
        env: "CATALOG_NODE_POLICIES",
        default: None,
        in_project: false,
        about: "how conflicts are answered, such as acme=newest-wins,*/graphdb=manual",
        kind: Kind::Policies,
    },
    Key {
        name: "node.quota",
        env: "CATALOG_NODE_QUOTA",
        default: None,
        in_project: false,
        about: "how much space fetched files may take",
        kind: Kind::Size,
    },
    Key {
        name: "node.region",
        env: "CATALOG_NODE_REGION",
        default: None,
        in_project: false,
        about: "where this node says that it is when it is announced, such as eu-west",
        kind: Kind::Name,
    },
    Key {
        name: "preference",
        env: "CATALOG_PREFERENCE",
        default: Some("high-performance"),
        in_project: true,
        about: "which of several variants that fit to choose",
        kind: Kind::OneOf(&["high-performance", "low-resource"]),
    },
    Key {
        name: "profile",
        env: "CATALOG_PROFILE",
        default: None,
        in_project: true,
        about: "the named profile to choose for, instead of this machine",
        kind: Kind::Text,
    },
    Key {
        name: "progress",
        env: "CATALOG_PROGRESS",
        default: Some("auto"),
        in_project: true,
        about: "how to show progress",
        kind: Kind::OneOf(&["auto", "bar", "plain", "json", "none"]),
    },
    Key {
        name: "sync.interval",
        env: "CATALOG_SYNC_INTERVAL",
        default: Some("5m"),
        in_project: false,
        about: "how often a running node looks at its peers when it hears nothing",
        kind: Kind::Time,
    },
    Key {
        name: "sync.only",
        env: "CATALOG_SYNC_ONLY",
        default: None,
        in_project: false,
        about: "the releases to hold instead of all, such as `tag:graph kind:service`",
        kind: Kind::Selection,
    },
    Key {
        name: "transfer.backbones",
        env: "CATALOG_TRANSFER_BACKBONES",
        default: None,
        in_project: false,
        about: "the ids of nodes that are asked for contents only when no other is enough",
        kind: Kind::Nodes,
    },
    Key {
        name: "transfer.drain",
        env: "CATALOG_TRANSFER_DRAIN",
        default: Some("5s"),
        in_project: false,
        about: "how long a node that ends serves those on who have not turned to others",
        kind: Kind::Time,
    },
    Key {
        name: "transfer.features",
        env: "CATALOG_TRANSFER_FEATURES",
        default: None,
        in_project: false,
        about: "a file that says what forecasts of providers are made from, 16 MiB at most",
        kind: Kind::Text,
    },
    Key {
        name: "transfer.forecast",
        env: "CATALOG_TRANSFER_FORECAST",
        default: Some("true"),
        in_project: false,
        about: "whether less is asked of providers that are expected to fail",
        kind: Kind::Switch,
    },
    Key {
        name: "transfer.strategy",
        env: "CATALOG_TRANSFER_STRATEGY",
        default: Some("lowest-latency"),
        in_project: true,
        about: "whom to ask first for contents",
        kind: Kind::OneOf(&[
            "shortest",
            "lowest-latency",
            "highest-bandwidth",
            "geographic",
            "load-balanced",
            "fault-tolerant",
        ]),
    },
    Key {
        name: "upload.burst",
        env: "CATALOG_UPLOAD_BURST",
        default: Some("5MB"),
        in_project: false,
        about: "what peers may be sent at once after a silence, before a limit holds",
        kind: Kind::Size,
    },
    Key {
        name: "upload.limit",
        env: "CATALOG_UPLOAD_LIMIT",
        default: Some("none"),
        in_project: false,
        about: "how much all peers together are sent in a second",
        kind: Kind::Rate,
    },
    Key {
        name: "upload.limit_per_peer",
        env: "CATALOG_UPLOAD_LIMIT_PER_PEER",
        default: Some("none"),
        in_project: false,
        about: "how much each peer is sent in a second",
        kind: Kind::Rate,
    },
    Key {
        name: "usage.count",
        env: "CATALOG_USAGE_COUNT",
        default: Some("true"),
        in_project: false,
        about: "whether uses are counted here, for the order of results; no count leaves this machine",
        kind: Kind::Switch,
    },
];

impl Key {
    /// The setting of this name, or a suggestion.
    pub fn named(name: &str) -> Result<&'static Self, Failure> {
        KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let failure = Failure::new(Code::CONFIG_KEY, format_args!("no setting {name:?}"));
            match near::nearest(name, KEYS.iter().map(|key| key.name)) {
                Some(known) => failure.hint(format_args!("did you mean {known}?")),
                None => failure.hint("catalog config list shows every setting"),
            }
        })
    }

    /// Whether the value can be used; else what the setting takes.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let (fits, wanted) = match self.kind {
            Kind::OneOf(words) => (words.contains(&value), one_of(words)),
            Kind::Text => (!value.is_empty(), "some text".to_owned()),
            Kind::Switch => (["true", "false"].contains(&value), "true or false".to_owned()),
            Kind::Address => {
                (value.parse::<SocketAddr>().is_ok(), "an address such as 0.0.0.0:4433".to_owned())
            }
            Kind::LoopbackAddress => (
                value.parse::<SocketAddr>().is_ok_and(|addr| addr.ip().is_loopback()),
                "an address of this machine only, such as 127.0.0.1:8585".to_owned(),
            ),
            Kind::Rate => {
                (value.parse::<Rate>().is_ok(), "a rate such as 5MB/s, or none".to_owned())
            }
            Kind::Schedule => match value.parse::<Schedule>() {
                Ok(_) => (true, String::new()),
                Err(error) => {
                    (false, format!("windows such as 08:00-18:00 upload=1MB/s, or none: {error}"))
                }
            },
            Kind::Time => {
                (value.parse::<Span>().is_ok(), "a time such as 30s, 5m or 1h".to_owned())
            }
            Kind::Copies => {
                (value.parse::<Copies>().is_ok(), "a number of copies from 1 to 16".to_owned())
            }
            Kind::Mirrored => (
                value.parse::<Mirrored>().is_ok(),
                "words such as profile:pi-low, variant:linux-x86, tag:graph, kind:service, \
                 package:graph* or publisher:cat1…"
                    .to_owned(),
            ),
            Kind::Selection => (
                value.parse::<Only>().is_ok(),
                "words such as tag:graph, kind:service, fits:linux-x86_64 or publisher:cat1…"
                    .to_owned(),
            ),
            Kind::Policies => (
                value.parse::<Rules>().is_ok(),
                "publisher/package=policy, separated by commas; a policy is newest-wins, \
                 consensus-wins, merge, keep-both or manual"
                    .to_owned(),
            ),
            Kind::Name => (
                value.parse::<NodeName>().is_ok() && value.parse::<Region>().is_ok(),
                "a name of a-z, 0-9 and inside also . _ -".to_owned(),
            ),
            Kind::Nodes => {
                (value.parse::<Nodes>().is_ok(), "node ids, separated by commas".to_owned())
            }
            Kind::Count => (value.parse::<u8>().is_ok(), "a number from 0 to 255".to_owned()),
            Kind::Size => (value.parse::<ByteSize>().is_ok(), "a size such as 10GiB".to_owned()),
        };
        if fits { Ok(()) } else { Err(wanted) }
    }

    /// Whether the value is written to a file without quotes.
    pub fn is_switch(&self) -> bool {
        matches!(self.kind, Kind::Switch)
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_the_key_accepts() {
        for key in KEYS {
            if let Some(default) = key.default {
                assert_eq!(key.check(default), Ok(()), "{}", key.name);
            }
            let env = format!("CATALOG_{}", key.name.to_uppercase().replace('.', "_"));
            assert_eq!(key.env, env);
        }
    }

    #[test]
    fn a_misspelt_setting_gets_a_suggestion() {
        let failure = Key::named("node.lisen").unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("did you mean node.listen?"));
    }

    /// Threat row 56: the HTTP side cannot be opened to other machines.
    #[test]
    fn the_control_interface_stays_on_this_machine() {
        let key = Key::named("daemon.http").unwrap();
        assert!(key.check("127.0.0.1:8585").is_ok());
        assert!(key.check("[::1]:8585").is_ok());
        assert!(key.check("0.0.0.0:8585").is_err());
        assert!(key.check("192.168.1.2:8585").is_err());
    }
}
