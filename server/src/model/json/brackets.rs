use super::outside_strings;

/// The bracket before or after a place in text, and its partner: their places in bytes, the opening one first. Brackets in
/// strings are none; `None` where there is no bracket, or it has no partner.
pub fn pair_at(text: &str, place: usize) -> Option<(usize, usize)> {
    let bracket = |at: usize| text.as_bytes().get(at).is_some_and(|byte| b"{}[]".contains(byte));
    let before = place.checked_sub(1).filter(|at| bracket(*at)).and_then(|at| pair_of(text, at));
    before.or_else(|| bracket(place).then(|| pair_of(text, place)).flatten())
}

fn pair_of(text: &str, wanted: usize) -> Option<(usize, usize)> {
    let mut open = Vec::new();
    for (at, byte) in outside_strings(text) {
        match byte {
            b'{' => open.push((at, b'}')),
            b'[' => open.push((at, b']')),
            b'}' | b']' => {
                let (opening, closing) = open.pop()?;
                if opening == wanted || at == wanted {
                    return (closing == byte).then_some((opening, at));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::pair_at;

    #[test]
    fn partners_find_each_other() {
        let text = r#"{"é}": [1, {"a": "\"]"}, 2]}"#;
        let array = (text.find('[').expect("it is there"), text.rfind(']').expect("it is there"));
        for place in [array.0, array.0 + 1, array.1, array.1 + 1] {
            assert_eq!(pair_at(text, place), Some(array), "{place}");
        }
        assert_eq!(pair_at(text, 0), Some((0, text.len() - 1)));
    }

    #[test]
    fn of_two_brackets_the_one_before_the_caret_counts() {
        assert_eq!(pair_at("[[]]", 1), Some((0, 3)));
        assert_eq!(pair_at("[[]]", 3), Some((1, 2)));
    }

    #[test]
    fn what_is_no_bracket_has_no_partner() {
        for (text, place) in [("", 0), ("12", 1), ("[", 1), ("]", 0), ("[}", 1), (r#""[]""#, 2), ("[1]", 9)] {
            assert_eq!(pair_at(text, place), None, "{text} {place}");
        }
    }
}
