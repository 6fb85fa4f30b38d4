//! Sizes and times as people write them.

use std::time::Duration;

use serde::Deserialize;

/// A number of bytes: `65536`, `64K`, `64M`, `2G`, by units of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

/// A time with its unit: `500ms`, `1.5s`, `1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (number, unit) = split_unit(&text);
        let shift = match unit {
            "" => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            _ => return Err(format!("`{text}` is no size such as \"64M\"")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is no size such as \"64M\""))?;
        number.checked_mul(1 << shift).map(Size).ok_or_else(|| format!("`{text}` is too large"))
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time such as \"500ms\" or \"1.5s\"");
        let (number, unit) = split_unit(&text);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        Duration::try_from_secs_f64(number * seconds).map(Time).map_err(|_| wrong())
    }
}

/// `1.5s` is `1.5` and `s`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// Whole milliseconds, rounded up: what took any time took at least one.
pub fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_micros().div_ceil(1000))
}

/// Mebibytes with one decimal place.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
