//! A progress bar on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// How far the work has come.
pub struct Progress(ProgressBar);

impl Progress {
    /// For so many pieces of work. Where there is no terminal nothing is drawn.
    pub fn new(title: &str, pieces: usize) -> Self {
        let bar = ProgressBar::new(pieces as u64);
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        bar.tick();
        Progress(bar)
    }

    /// One piece is done.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// The bar goes, so that the table has the terminal for itself.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
