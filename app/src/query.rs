//! What stands in an address after its `?`. The router's own map takes escapes out of a value twice, so that a `%2F` that
//! somebody types would become a slash.

/// The value of a name, the last one where there are several; `None`: the name does not stand there.
pub fn value(query: &str, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    pairs.filter(|(one, _)| one == name).last().map(|(_, value)| value.into_owned())
}

/// Adds a name to an address, and its value where that is not empty.
pub fn add(address: &mut String, name: &str, value: &str) {
    address.push(if address.contains('?') { '&' } else { '?' });
    address.push_str(name);
    if !value.is_empty() {
        address.push('=');
        address.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::{add, value};

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
        add(&mut address, "id", "0198f0c4-_.");
        assert_eq!(address, "/events?add&id=0198f0c4-_.");
    }

    #[test]
    fn forms_and_people_write_in_their_own_ways() {
        assert_eq!(value("q=a+b%20c%C3%A4%2B%zz%4", "q").as_deref(), Some("a b cä+%zz%4"));
        assert_eq!(value("q=%E4", "q").as_deref(), Some("\u{fffd}"));
        assert_eq!(value("add&q=one&q=two", "q").as_deref(), Some("two"));
        assert_eq!(value("add&q=one", "add").as_deref(), Some(""));
        assert_eq!(value("add&q=one", "one"), None);
        assert_eq!(value("", "q"), None);
    }
}
