//! The operating system's figures of this process: `process_*`.

use prometheus::{
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::{Counter, MetricFamily},
};
use rustix::time::{ClockId, clock_gettime};

const CPU: &str = "process_cpu_seconds_total";

/// The crate's collector, with CPU time in nanoseconds: the crate counts whole seconds, whose rate over a minute is too
/// coarse to compare with a limit of some hundred millicores.
pub(super) struct Process(ProcessCollector);

impl Process {
    pub(super) fn this() -> Self {
        Self(ProcessCollector::for_self())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        for family in families.iter_mut().filter(|family| family.name() == CPU) {
            for metric in family.mut_metric() {
                let mut counter = Counter::default();
                counter.set_value(cpu_seconds());
                metric.set_counter(counter);
            }
        }
        families
    }
}

/// User and system time of all threads.
#[allow(
    clippy::cast_precision_loss,
    reason = "a double counts nanoseconds exactly for three months of CPU time"
)]
fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_has_fractions_of_a_second_and_never_decreases() {
        let mut last = 0.0_f64;
        for _ in 0..100 {
            let families = Process::this().collect();
            let cpu = families.iter().find(|family| family.name() == CPU).expect("a family");
            let seconds = cpu.get_metric().first().expect("one series").get_counter().get_value();
            assert!(seconds > last, "{seconds} after {last}");
            last = seconds;
        }
        assert!(last.fract() > 0.0, "{last}");
    }
}
