/// A whole number as people read it, its digits in groups of three: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many digits after its point. In the browser the browser does it: Rust's way there would be a tenth of all
/// the code that a page loads.
pub fn fixed(value: f64, digits: u8) -> String {
    #[cfg(feature = "ssr")]
    {
        format!("{value:.*}", usize::from(digits))
    }
    #[cfg(not(feature = "ssr"))]
    {
        web_sys::js_sys::Number::from(value).to_fixed(digits).map(String::from).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn long_numbers_are_in_groups_of_three() {
        let texts = [0, 999, 1_000, 12_345, 123_456, 1_000_000].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "123,456", "1,000,000"]);
    }
}
