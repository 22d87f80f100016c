//! What stands in an address after its `?`. The router's own map takes escapes out of a value twice, so that a `%2F` that
//! somebody types would become a slash.

/// The value of a name, the last one where there are several; `None`: the name does not stand there.
pub fn value(query: &str, name: &str) -> Option<String> {
    let pairs = query.trim_start_matches('?').split('&').rev();
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(one, _)| decoded(one) == name).map(|(_, value)| decoded(value))
}

/// Adds a name to an address, and its value where that is not empty.
pub fn add(address: &mut String, name: &str, value: &str) {
    address.push(if address.contains('?') { '&' } else { '?' });
    address.push_str(name);
    if !value.is_empty() {
        address.push('=');
        escape(address, value);
    }
}

/// Writes a text so that it stands for itself in any part of an address.
fn escape(address: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => address.push(char::from(byte)),
            _ => *address += &format!("%{byte:02X}"),
        }
    }
}

/// A text as forms write it: a plus is a space, and an escape is a byte. What is no escape stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(match (escaped, byte) {
            (Some(escaped), _) => escaped,
            (None, b'+') => b' ',
            (None, other) => *other,
        });
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::{add, decoded, value};

    #[test]
    fn what_is_written_is_read() {
        for text in ["https%3A%2F%2Fshop", "a&b=c d+e", "100 %", "%", "%2", "%zz", "ä🎉", ""] {
            let mut address = "/events?bulk=cancel".to_owned();
            add(&mut address, "text", text);
            let query = address.trim_start_matches("/events");
            assert_eq!(value(query, "text").as_deref(), Some(text), "{address}");
            assert_eq!(value(query, "bulk").as_deref(), Some("cancel"));
        }
        let mut address = "/events".to_owned();
        add(&mut address, "add", "");
        add(&mut address, "id", "0198f0c4-~_.");
        assert_eq!(address, "/events?add&id=0198f0c4-~_.");
    }

    #[test]
    fn forms_and_people_write_in_their_own_ways() {
        assert_eq!(decoded("a+b%20c%C3%A4%2B%zz%4"), "a b cä+%zz%4");
        assert_eq!(decoded("%E4"), "\u{fffd}");
        assert_eq!(value("add&q=one&q=two", "q").as_deref(), Some("two"));
        assert_eq!(value("add&q=one", "add").as_deref(), Some(""));
        assert_eq!(value("add&q=one", "one"), None);
        assert_eq!(value("", "q"), None);
    }
}
