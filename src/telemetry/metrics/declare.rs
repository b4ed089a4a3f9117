//! How a metric is declared: one prefix, one registry, every label set resolved once.
//!
//! Handles of closed label sets are kept beside their label, so that a hot path neither hashes
//! labels nor can add one. Knows no metric by name.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Handles of one closed label set, each with its label.
pub(super) type Closed<T> = Vec<(&'static str, T)>;

/// Declares metrics under the relay's prefix.
pub(super) struct Declare<'a>(pub(super) &'a Registry);

impl Declare<'_> {
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(opts(name, help), labels)?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(opts(name, help), labels)?)
    }

    pub(super) fn int_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(opts(name, help), labels)?)
    }

    pub(super) fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(opts(name, help))?)
    }

    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, labels)?)
    }

    fn register<C>(&self, collector: C) -> Result<C, prometheus::Error>
    where
        C: prometheus::core::Collector + Clone + 'static,
    {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("siem_relay_{name}"), help)
}

/// The counters of one closed label set, all at zero. `name` is the label before it.
pub(super) fn counters(
    family: &IntCounterVec,
    name: &str,
    labels: &[&'static str],
) -> Closed<IntCounter> {
    let resolve = |label: &&'static str| (*label, family.with_label_values(&[name, *label]));
    labels.iter().map(resolve).collect()
}

/// Adds to the counter of a label. A label outside the set is a mistake in the relay, which
/// tests must see and which must not cost a delivery.
pub(super) fn add(counters: &Closed<IntCounter>, label: &'static str, by: u64) {
    let counter = counters.iter().find(|(name, _)| *name == label);
    debug_assert!(counter.is_some(), "label {label} is not declared");
    if let Some((_, counter)) = counter {
        counter.inc_by(by);
    }
}

/// Sets the gauge of a label to 1 and all others of the set to 0.
pub(super) fn select(gauges: &Closed<IntGauge>, label: &'static str) {
    let known = gauges.iter().any(|(name, _)| *name == label);
    debug_assert!(known, "label {label} is not declared");
    for (name, gauge) in gauges {
        gauge.set(i64::from(*name == label));
    }
}
