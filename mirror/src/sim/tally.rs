//! Counts what people got, hour by hour and over the whole time.

use std::time::Duration;

use catalog::ByteSize;

/// A request that waited longer, or was never answered, counts as one that waited so long.
pub const LATENCY_MS_MAX: usize = 10_000;

/// How long until the first byte, of many requests, to the millisecond.
#[derive(Clone, Debug)]
struct Latencies {
    counts: Vec<u32>,
    total: u64,
}

impl Latencies {
    fn new() -> Self {
        Self { counts: vec![0; LATENCY_MS_MAX + 1], total: 0 }
    }

    fn note(&mut self, latency: Duration) {
        self.counts[(latency.as_millis() as usize).min(LATENCY_MS_MAX)] += 1;
        self.total += 1;
    }

    /// The latency that so many of a hundred requests stay within; zero when there are none.
    fn percentile(&self, percent: u64) -> u32 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.unwrap_or(0) as u32
    }
}

/// What people got in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// What was asked for.
    pub requests: u64,
    /// Served by a node of the same region.
    pub local: u64,
    /// Served by a node of another region.
    pub remote: u64,
    /// Served by nobody.
    pub failed: u64,
    /// Half of the requests had their first byte so soon, in milliseconds.
    pub p50_ms: u32,
    /// 95 of 100 requests had.
    pub p95_ms: u32,
    /// Bytes given to people, from their own region and from others.
    pub served: ByteSize,
    /// Bytes of these that crossed a border between regions.
    pub crossed: ByteSize,
    /// Bytes copied between mirrors.
    pub moved: ByteSize,
    /// Bytes of leases, holdings and demand that nodes sent and took, all together.
    pub control: ByteSize,
}

impl Served {
    /// The share of requests that a node of the same region served, in hundredths of a percent.
    pub fn hit_rate(&self) -> u64 {
        (self.local * 10_000).checked_div(self.requests).unwrap_or(0)
    }
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Local,
    Remote,
    Failed,
}

/// Counts some time.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    served: u64,
    crossed: u64,
    moved: u64,
    control: u64,
    endings: [u64; 3],
    latencies: Latencies,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            served: 0,
            crossed: 0,
            moved: 0,
            control: 0,
            endings: [0; 3],
            latencies: Latencies::new(),
        }
    }

    pub(super) fn request(&mut self, ending: Ending, latency: Duration, bytes: ByteSize) {
        self.endings[ending as usize] += 1;
        self.latencies.note(latency);
        match ending {
            Ending::Local => self.served += bytes.as_u64(),
            Ending::Remote => {
                self.served += bytes.as_u64();
                self.crossed += bytes.as_u64();
            }
            Ending::Failed => {}
        }
    }

    pub(super) fn moved(&mut self, bytes: ByteSize) {
        self.moved += bytes.as_u64();
    }

    pub(super) fn control(&mut self, bytes: u64) {
        self.control += bytes;
    }

    pub(super) fn served(&self) -> Served {
        let [local, remote, failed] = self.endings;
        Served {
            requests: local + remote + failed,
            local,
            remote,
            failed,
            p50_ms: self.latencies.percentile(50),
            p95_ms: self.latencies.percentile(95),
            served: ByteSize::bytes(self.served),
            crossed: ByteSize::bytes(self.crossed),
            moved: ByteSize::bytes(self.moved),
            control: ByteSize::bytes(self.control),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact_and_failures_wait_longest() {
        let mut tally = Tally::new();
        for ms in 1..=99 {
            tally.request(Ending::Local, Duration::from_millis(ms), ByteSize::kib(1));
        }
        tally.request(Ending::Failed, Duration::from_secs(60), ByteSize::kib(1));
        let served = tally.served();
        assert_eq!((served.p50_ms, served.p95_ms), (50, 95));
        assert_eq!((served.requests, served.failed, served.hit_rate()), (100, 1, 9_900));
        assert_eq!(served.served, ByteSize::kib(99));
        assert_eq!(tally.latencies.percentile(100) as usize, LATENCY_MS_MAX);
        assert_eq!(Tally::new().served().p95_ms, 0);
    }
}
