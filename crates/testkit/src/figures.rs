//! What a suite has to tell besides that it passed.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// The variable that names the file.
pub const FILE: &str = "OXCART_FIGURES";

/// Prints the figures of a suite, and appends them as a line to the file that [`FILE`] names, if it does: what tests
/// print is kept from whoever runs all of them.
///
/// # Panics
/// If the file can't be written.
#[expect(clippy::print_stdout, reason = "it is for who runs one suite")]
pub fn tell(suite: &str, figures: impl Display) {
    let line = format!("{suite}: {figures}\n");
    print!("{line}");
    if let Ok(path) = std::env::var(FILE) {
        // One write, so that the lines of processes do not mix.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the file of figures can be written");
    }
}
