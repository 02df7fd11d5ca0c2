//! Start-up options.

use super::startup;

#[test]
fn startup_options_are_settings() {
    let parsed = startup::parse_options(r"-c a=1 --lock-timeout=5s -cb=x\ y").unwrap();
    let pairs = [("a", "1"), ("lock_timeout", "5s"), ("b", "x y")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(parsed, pairs);
    assert!(startup::parse_options("-x").is_err());
}
