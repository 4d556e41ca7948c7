//! The kernel settings that a profile wants: the very files of `tuning/sysctl.d`.

/// A profile of `tuning/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As many requests as the machine can serve.
    #[default]
    Throughput,
    /// Answers as soon as possible, at the price of CPU time.
    Latency,
    /// Server and load generator on one machine.
    Dev,
    /// A machine that is only measured.
    BenchUnsafe,
}

impl Profile {
    /// All, with the names that `--profile` takes.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("throughput", Self::Throughput),
        ("latency", Self::Latency),
        ("dev", Self::Dev),
        ("bench-unsafe", Self::BenchUnsafe),
    ];

    /// Returns the profile of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, profile)| *profile)
    }

    /// Keys with the values that it wants, in the order of the file.
    pub fn sysctls(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let text = match self {
            Self::Throughput => include_str!("../../tuning/sysctl.d/90-pixeld-throughput.conf"),
            Self::Latency => include_str!("../../tuning/sysctl.d/90-pixeld-latency.conf"),
            Self::Dev => include_str!("../../tuning/sysctl.d/90-pixeld-dev.conf"),
            Self::BenchUnsafe => include_str!("../../tuning/sysctl.d/90-pixeld-bench-unsafe.conf"),
        };
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        settings.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
    }
}
