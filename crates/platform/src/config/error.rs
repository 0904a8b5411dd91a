//! Why a configuration can't be used.

/// Stands for a value that must not be shown.
pub(crate) const MASK: &str = "***";

/// Why a configuration can't be used, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting has a value that can't be used.
    #[error("{setting}={value} can't be used{}{}", part(": ", .cause), part("; wanted: ", .wanted))]
    Unusable {
        /// The variable or the flag.
        setting: String,
        /// Its value, masked if secret.
        value: String,
        /// What is wrong with it; not said of a secret, since it may repeat the value.
        cause: Option<String>,
        /// What would be right.
        wanted: Option<String>,
    },
    /// A setting without a default is not set.
    #[error("{setting} is not set{}", part("; wanted: ", .wanted))]
    Missing {
        /// The variable.
        setting: String,
        /// What would be right.
        wanted: Option<String>,
    },
    /// Help was asked for, or the flags can't be understood: to be shown as clap shows it.
    #[error(transparent)]
    Command(#[from] clap::Error),
}

impl Error {
    /// The same, said of a setting that goes by another name.
    #[must_use]
    pub fn about(self, name: impl Into<String>) -> Self {
        let setting = name.into();
        match self {
            Self::Unusable { value, cause, wanted, .. } => Self::Unusable { setting, value, cause, wanted },
            Self::Missing { wanted, .. } => Self::Missing { setting, wanted },
            Self::Command(error) => Self::Command(error),
        }
    }
}

fn part(before: &str, text: &Option<String>) -> String {
    text.as_ref().map(|text| format!("{before}{text}")).unwrap_or_default()
}
