//! The committed corpus, and every prefix of it: most of what a fuzzer finds first.

use std::path::Path;

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a corpus") {
        let input = std::fs::read(file.expect("a file").path()).expect("a file");
        (0..=input.len()).for_each(|length| check(&input[..length]));
        count += 1;
    }
    assert!(count >= 5, "{target} has a corpus of {count}");
}

#[test]
fn requests() {
    run("request", fuzz::request);
}

#[test]
fn target_urls() {
    run("target_url", fuzz::target_url);
}

#[test]
fn retries() {
    run("retry", fuzz::retry);
}
