//! Lengths that favour no phase of a clock.

use std::time::Duration;

/// A sequence of lengths, evenly spread over a range however many are taken: steps of the golden ratio.
#[derive(Clone)]
pub struct Spread {
    least: Duration,
    width: Duration,
    place: f64,
}

impl Spread {
    pub fn new(least: Duration, width: Duration) -> Self {
        Spread { least, width, place: 0.0 }
    }

    pub fn next(&mut self) -> Duration {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        self.place = (self.place + GOLDEN).fract();
        self.least + self.width.mul_f64(self.place)
    }
}
