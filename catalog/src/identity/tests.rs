use super::*;
use crate::statement::fixture::{identity, key};

#[test]
fn a_publisher_id_is_written_in_one_way() {
    let id = identity(1).publisher();
    let text = id.to_string();
    assert_eq!(text.len(), 62);
    assert_eq!(text.parse(), Ok(id));
    for other in [text.to_uppercase(), format!(" {text}"), text[..61].to_owned(), "cat1".into()] {
        assert!(other.parse::<PublisherId>().is_err(), "{other}");
    }
}

#[test]
fn a_mistyped_publisher_id_is_noticed() {
    let text = identity(1).publisher().to_string();
    for at in "cat1".len()..text.len() {
        let mut typed = text.clone().into_bytes();
        typed[at] = if typed[at] == b'q' { b'p' } else { b'q' };
        let typed = String::from_utf8(typed).unwrap();
        assert!(typed.parse::<PublisherId>().is_err(), "{typed}");
    }
}

/// The same data with the checksum of plain bech32, or of another prefix, is not an id of ours.
#[test]
fn another_checksum_or_prefix_is_refused() {
    let bytes = identity(1).publisher();
    let bech32 = bech32::encode::<bech32::Bech32>(HRP, bytes.as_bytes()).unwrap();
    assert!(bech32.parse::<PublisherId>().is_err());
    let other = Hrp::parse("dog").unwrap();
    let other = bech32::encode::<Bech32m>(other, bytes.as_bytes()).unwrap();
    assert!(other.parse::<PublisherId>().is_err());
    let short = bech32::encode::<Bech32m>(HRP, &bytes.as_bytes()[..31]).unwrap();
    assert!(short.parse::<PublisherId>().is_err());
}

#[test]
fn a_fingerprint_shows_100_bits_in_groups_of_four() {
    let fingerprint = identity(1).publisher().fingerprint();
    let groups: Vec<&str> = fingerprint.split(' ').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [4; 5]);
    assert!(identity(1).publisher().to_string().contains(&groups.concat()));
}

#[test]
fn a_commitment_covers_keys_and_threshold_but_not_their_order() {
    let keys = [key(1).public(), key(2).public()];
    let swapped = [keys[1], keys[0]];
    assert_eq!(next_commitment(&keys, 1), next_commitment(&swapped, 1));
    assert_ne!(next_commitment(&keys, 1), next_commitment(&keys, 2));
    assert_ne!(next_commitment(&keys, 1), next_commitment(&keys[..1], 1));
}

#[test]
fn an_alias_is_a_hint_that_is_signed() {
    let inception = identity(1).inception().open_inception().unwrap();
    assert_eq!(inception.alias().map(Petname::as_str), Some("acme"));
    let unnamed =
        Inception::new(vec![key(1).public()], 1, inception.next(), inception.created(), None);
    assert_ne!(unnamed.unwrap().id(), inception.id());
}
