//! Draws the hours of several runs as one picture (SVG): hit rate, latency, packages in danger.
//!
//! Only whole numbers are written, so that equal runs give equal bytes.

use std::fmt::Write;

use super::outcome::{Run, Way};
use super::world::Hour;

const WIDTH: u64 = 860;
const LEFT: u64 = 70;
const RIGHT: u64 = 20;
const TOP: u64 = 60;
const PANEL: u64 = 170;
const GAP: u64 = 50;
/// Where at most so many hours are marked below.
const MARKS: u64 = 8;

/// What a panel shows, and of an hour, how much.
type Panel = (&'static str, fn(&Hour) -> u64);

const PANELS: [Panel; 3] = [
    ("served inside the region, %", |hour| hour.served.hit_rate() / 100),
    ("time to first byte, 95th percentile, ms", |hour| hour.served.p95_ms.into()),
    ("packages with too few live copies", |hour| hour.below),
];

/// Colours that stay apart for everybody (Okabe and Ito, 2008), and dashes for paper.
const fn ink(way: Way) -> (&'static str, &'static str) {
    match way {
        Way::Planned => ("#0072b2", "none"),
        Way::Static => ("#009e73", "6 3"),
        Way::Random => ("#e69f00", "2 3"),
        Way::Lru => ("#d55e00", "10 3 2 3"),
    }
}

/// The picture.
///
/// - `title`: shown above, escaped here.
pub fn svg(title: &str, runs: &[Run]) -> String {
    let height = TOP + PANELS.len() as u64 * (PANEL + GAP);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    text(&mut out, (LEFT, 22), "start", &escaped(title));
    for (at, run) in runs.iter().enumerate() {
        let (x, (color, dashes)) = (LEFT + at as u64 * 130, ink(run.way));
        let _ = writeln!(
            out,
            "<path d=\"M{x} 38h28\" stroke=\"{color}\" stroke-dasharray=\"{dashes}\" \
             stroke-width=\"2\"/>"
        );
        text(&mut out, (x + 34, 42), "start", run.way.name());
    }
    for (at, panel) in PANELS.iter().enumerate() {
        draw(&mut out, TOP + at as u64 * (PANEL + GAP), panel, runs);
    }
    out += "</svg>\n";
    out
}

fn draw(out: &mut String, top: u64, (name, amount): &Panel, runs: &[Run]) {
    let hours = runs.iter().map(|run| run.hours.len()).max().unwrap_or(0).max(2) as u64;
    let amounts = || runs.iter().flat_map(|run| run.hours.iter().map(amount));
    let most = round_up(amounts().max().unwrap_or(0).max(1));
    let (wide, bottom) = (WIDTH - LEFT - RIGHT, top + PANEL);
    let x = |hour: u64| LEFT + wide * hour / (hours - 1);
    let y = |amount: u64| bottom - PANEL * amount / most;
    text(out, (LEFT, top - 6), "start", name);
    for quarter in 0..=4 {
        let (line, value) = (bottom - PANEL * quarter / 4, most * quarter / 4);
        let _ = writeln!(out, "<path d=\"M{LEFT} {line}h{wide}\" stroke=\"#dddddd\"/>");
        text(out, (LEFT - 6, line + 4), "end", &value.to_string());
    }
    let step = (hours.div_ceil(MARKS * 6) * 6).max(1);
    for hour in (0..hours).step_by(step as usize) {
        text(out, (x(hour), bottom + 16), "middle", &format!("{hour} h"));
    }
    for run in runs {
        let (color, dashes) = ink(run.way);
        let points: Vec<_> = run
            .hours
            .iter()
            .enumerate()
            .map(|(hour, of)| format!("{},{}", x(hour as u64), y(amount(of))))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" \
             stroke-dasharray=\"{dashes}\"/>",
            points.join(" ")
        );
    }
}

fn text(out: &mut String, (x, y): (u64, u64), anchor: &str, words: &str) {
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The next of 4, 8, 12, 20, 40, 80, 100, 200, 400, …: quarters of it are easy to read.
fn round_up(amount: u64) -> u64 {
    let mut ten = 1_u64;
    loop {
        let middle = if ten == 1 { 12 } else { 10 };
        for step in [4, 8, middle, 20] {
            if ten.saturating_mul(step) >= amount {
                return ten.saturating_mul(step);
            }
        }
        ten = ten.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Served;
    use super::*;

    #[test]
    fn a_picture_has_a_line_for_each_run_in_each_panel() {
        let run = |way| Run {
            way,
            hours: vec![Hour { below: 17, ..Hour::default() }; 30],
            whole: Served::default(),
            findings: Vec::new(),
            copied: Vec::new(),
        };
        let picture = svg("a < b & c", &[run(Way::Planned), run(Way::Lru)]);
        assert_eq!(picture.matches("<polyline").count(), 2 * PANELS.len());
        assert!(picture.contains("a &lt; b &amp; c") && picture.ends_with("</svg>\n"));
        assert!(picture.contains(">mirrors</text>") && picture.contains(">24 h</text>"));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (amount, end) in [(1, 4), (5, 8), (9, 12), (13, 20), (95, 100), (101, 200), (350, 400)]
        {
            assert_eq!(round_up(amount), end, "{amount}");
        }
        assert!(round_up(u64::MAX) == u64::MAX);
    }
}
