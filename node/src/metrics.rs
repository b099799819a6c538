//! Writes what [`stats`](crate::stats) says as text for Prometheus.
//!
//! # Source
//! The text-based exposition format, version 0.0.4, of the Prometheus project.

use std::fmt::Write;

use crate::meter::Count;
use crate::node::Node;
use crate::stats::Stats;

/// The media type of what is written.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4";

/// What is added up, or goes up and down.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// Text in the making.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// Writes a metric: one sample for each label, or one without.
    fn metric(&mut self, kind: Kind, name: &str, help: &str, samples: &[(Option<&str>, f64)]) {
        let (kind, total) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
        };
        let name = format!("catalog_{name}{total}");
        // A string takes whatever is written to it.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (label, value) in samples {
            let _ = match label {
                Some(label) => writeln!(self.0, "{name}{{{label}}} {value}"),
                None => writeln!(self.0, "{name} {value}"),
            };
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.metric(Kind::Gauge, name, help, &[(None, value)]);
    }
}

/// The text.
pub(crate) fn text(node: &Node, stats: &Stats) -> String {
    let mut out = Exposition::default();
    for (what, name, help) in Count::ALL {
        out.metric(Kind::Counter, name, help, &[(None, node.0.meter.of(what) as f64)]);
    }
    out.gauge("uptime_seconds", "How long the node runs", stats.uptime_ms as f64 / 1000.0);
    let (shared, mirrored) = (stats.shared, stats.mirrored);
    let both = |shared: f64, mirrored: f64| {
        [(Some("held=\"shared\""), shared), (Some("held=\"mirrored\""), mirrored)]
    };
    let packages = both(shared.packages as f64, mirrored.packages as f64);
    out.metric(Kind::Gauge, "packages", "Packages with contents here", &packages);
    let variants = both(shared.variants as f64, mirrored.variants as f64);
    out.metric(Kind::Gauge, "variants", "Variants whose contents are here", &variants);
    let bytes = both(shared.bytes.as_u64() as f64, mirrored.bytes.as_u64() as f64);
    out.metric(Kind::Gauge, "held_bytes", "The size of these contents", &bytes);
    out.gauge("peers_known", "Peers that are known", stats.peers as f64);
    out.gauge("peers_connected", "Peers that are connected", stats.connected as f64);
    out.gauge("health_score", "How well the node does, from 0 to 1", stats.health.score);
    let terms = stats.health.terms.iter();
    let terms: Vec<_> = terms.map(|term| (format!("term=\"{}\"", term.name), term.value)).collect();
    let terms: Vec<_> = terms.iter().map(|(label, value)| (Some(label.as_str()), *value)).collect();
    out.metric(Kind::Gauge, "health", "What the health score is made of", &terms);
    out.0
}
