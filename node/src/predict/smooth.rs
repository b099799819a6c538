//! Smoothed values and their trends, from readings at equal distances.

/// An exponentially weighted average.
#[derive(Clone, Debug)]
pub(super) struct Smooth {
    weight: f64,
    value: Option<f64>,
}

impl Smooth {
    /// An average in which the newest value has `weight`, from 0 to 1.
    pub(super) fn new(weight: f64) -> Self {
        Self { weight, value: None }
    }

    pub(super) fn observe(&mut self, value: f64) {
        let last = self.value.unwrap_or(value);
        self.value = Some(last + self.weight * (value - last));
    }

    /// The average; 0 before the first value.
    pub(super) fn value(&self) -> f64 {
        self.value.unwrap_or(0.0)
    }
}

/// A smoothed value and how much it changes from one reading to the next (Holt's method).
#[derive(Clone, Debug)]
pub(super) struct Trend {
    level: Smooth,
    slope: Smooth,
}

impl Trend {
    /// - `level`, `slope`: the weights of the newest value in each, from 0 to 1.
    pub(super) fn new(level: f64, slope: f64) -> Self {
        let mut slope = Smooth::new(slope);
        slope.observe(0.0);
        Self { level: Smooth::new(level), slope }
    }

    pub(super) fn observe(&mut self, value: f64) {
        let Some(last) = self.level.value else { return self.level.observe(value) };
        // The level is expected to have moved by the slope.
        self.level.value = Some(last + self.slope.value());
        self.level.observe(value);
        self.slope.observe(self.level.value() - last);
    }

    /// The value that is expected `readings` after the last.
    pub(super) fn ahead(&self, readings: f64) -> f64 {
        self.level.value() + readings * self.slope.value()
    }
}

/// The lowest value of late: at least the last `span` readings, at most twice as many.
#[derive(Clone, Debug)]
pub(super) struct Lowest {
    span: u32,
    seen: u32,
    before: f64,
    now: f64,
}

impl Lowest {
    pub(super) fn new(span: u32) -> Self {
        Self { span, seen: 0, before: f64::INFINITY, now: f64::INFINITY }
    }

    /// Takes a value; returns the lowest of late, itself included.
    pub(super) fn observe(&mut self, value: f64) -> f64 {
        if self.seen == self.span {
            (self.seen, self.before, self.now) = (0, self.now, f64::INFINITY);
        }
        self.seen += 1;
        self.now = self.now.min(value);
        self.now.min(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_forecast_where_it_will_be() {
        let mut trend = Trend::new(0.3, 0.1);
        (0..200).for_each(|n| trend.observe(f64::from(n) * 0.01));
        assert!((trend.ahead(10.0) - 2.09).abs() < 0.01, "{}", trend.ahead(10.0));
    }

    #[test]
    fn a_constant_has_no_trend() {
        let mut trend = Trend::new(0.3, 0.1);
        assert_eq!(trend.ahead(10.0), 0.0);
        (0..50).for_each(|_| trend.observe(0.5));
        assert!((trend.ahead(100.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_lowest_value_is_forgotten_in_time() {
        let mut lowest = Lowest::new(10);
        assert_eq!(lowest.observe(1.0), 1.0);
        (0..10).for_each(|_| assert_eq!(lowest.observe(2.0), 1.0));
        assert_eq!((0..10).map(|_| lowest.observe(2.0)).last(), Some(2.0));
        assert_eq!(lowest.observe(3.0), 2.0);
    }
}
