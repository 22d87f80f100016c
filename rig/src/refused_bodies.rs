//! Bodies that the queue API refuses.

/// Numbers and texts that are no moment of the calendar.
const TIMESTAMPS: [&str; 11] = [
    "1e308",
    "-1e308",
    "1e999999",
    "253402300800000",
    r#""NaN""#,
    r#""Infinity""#,
    r#""10000-01-01T00:00:00Z""#,
    r#""9999-12-31T23:59:59-23:59""#,
    "[1]",
    "{}",
    "true",
];
/// In seconds: negative, past the end of the calendar, or no number.
const DELAYS: [&str; 6] = ["-1", "-1e-300", "1e308", "1e999999", r#""1""#, "3155760001"];

/// Ten thousand levels of nesting.
pub fn nested(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(10_000), close.repeat(10_000))
}

/// An event with a further member.
fn with(member: &str) -> Vec<u8> {
    format!(r#"{{"type":"t",{member}}}"#).into_bytes()
}

/// Bodies, each with the status of the answer.
pub fn refused_bodies() -> Vec<(Vec<u8>, u16)> {
    let malformed = malformed().into_iter().map(|body| (body, 400));
    malformed.chain(wrong().into_iter().map(|body| (body, 422))).collect()
}

fn malformed() -> Vec<Vec<u8>> {
    vec![
        nested("[", "").into_bytes(),
        nested("{\"a\":", "").into_bytes(),
        "[".repeat(1_000_000).into_bytes(),
        b"{\"type\":\"t\xff\"}".to_vec(),
        b"\xef\xbb\xbf{\"type\":\"t\"}".to_vec(),
        b"{\"type\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"type\":\"t\"}\0".to_vec(),
        b"{\"type\":\"t\"}{\"type\":\"t\"}".to_vec(),
        with("\"data\":\"\u{1}\""),
        with("\"timestamp\":NaN"),
        with("\"timestamp\":Infinity"),
        with("\"delay\":-Infinity"),
        with("\"data\":01"),
    ]
}

fn wrong() -> Vec<Vec<u8>> {
    let mut bodies = vec![
        br#"{"type":"t","type":"t"}"#.to_vec(),
        with("\"data\":1,\"data\":2"),
        br#"{"type":"\ud800"}"#.to_vec(),
        br#"{"type":"\u0000"}"#.to_vec(),
        br#"{"type":"t","\ud800":1}"#.to_vec(),
        nested("[", "]").into_bytes(),
        with("\"isSynchronous\":1e999999"),
        with("\"idempotencyKey\":\"\\u0000\""),
    ];
    for timestamp in TIMESTAMPS {
        bodies.push(with(&format!("\"timestamp\":{timestamp}")));
    }
    for delay in DELAYS {
        bodies.push(with(&format!("\"delay\":{delay}")));
    }
    bodies.push(with("\"timestamp\":253402300799999,\"delay\":1"));
    bodies
}
