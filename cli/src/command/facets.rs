//! How many of the packages that were found are of each kind.

use catalog_node::search::{Count, Facets};

use super::publish::counted;
use crate::line::{Ink, Line, Table};

/// Values that are shown of each facet.
pub const SHOWN: usize = 10;

/// The counts, one facet a line, in the words that narrow a query.
pub fn lines(facets: &Facets) -> Vec<Line> {
    let packages = counted(facets.packages, "package");
    let head = if facets.partial { format!("at least {packages}") } else { packages };
    let mut table = Table::bare();
    let rows = [
        ("kind", &facets.kind),
        ("tag", &facets.tag),
        ("license", &facets.license),
        ("publisher", &facets.publisher),
        ("hardware", &facets.hardware),
    ];
    for (name, counts) in rows {
        if !counts.is_empty() {
            table.row([Line::new().ink(Ink::Dim, name), values(counts)]);
        }
    }
    [Line::new(), head.into()].into_iter().chain(table.lines(2)).collect()
}

fn values(counts: &[Count]) -> Line {
    (0..).zip(counts).fold(Line::new(), |line, (at, count)| {
        let gap = if at == 0 { "" } else { "   " };
        line.text(gap).text(&count.value).ink(Ink::Dim, format!(" {}", count.packages))
    })
}
