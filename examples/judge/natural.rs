//! The order in which people count: `2` before `10`.

use std::cmp::Ordering;

/// Compares runs of digits as numbers, all else by character. Names that differ only in leading zeros are in
/// the order of their characters.
pub fn order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(one), Some(other)) = (left.chars().next(), right.chars().next()) {
        let compared = if one.is_ascii_digit() && other.is_ascii_digit() {
            numbers(take_number(&mut left), take_number(&mut right))
        } else {
            left = &left[one.len_utf8()..];
            right = &right[other.len_utf8()..];
            one.cmp(&other)
        };
        if compared.is_ne() {
            return compared;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Numbers of any length.
fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    number
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn numbers_are_in_the_order_of_their_values() {
        let sorted =
            ["", "01", "1", "1a", "2", "10", "10.5", "100000000000000000000000", "a", "a2", "a10", "b"];
        for (place, one) in sorted.iter().enumerate() {
            for (other_place, other) in sorted.iter().enumerate() {
                assert_eq!(order(one, other), place.cmp(&other_place), "{one:?} {other:?}");
            }
        }
    }
}
