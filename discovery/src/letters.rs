//! Keeps names in columns of numbers, where ranking can read hundreds of them in microseconds.
//!
//! Names have an alphabet of 39 characters, so that twelve of them, and the end of a short one, fit
//! into 64 bits. A column of strings would be read through a compressed dictionary instead, which
//! took ten times as long as all the rest of a query.

use catalog::name::NAME_BYTES_MAX;

/// The alphabet of names, in order, so that numbers stand in the order of their names; a place in
/// it, counted from 1, is a digit. 0 is the end.
const ALPHABET: &[u8; 39] = b"-.0123456789_abcdefghijklmnopqrstuvwxyz";
const BASE: u64 = ALPHABET.len() as u64 + 1;
/// Characters in a number: 40^12 is below 2^64.
const GROUP: usize = 12;
/// Numbers of the longest name.
pub(crate) const GROUPS_MAX: usize = NAME_BYTES_MAX.div_ceil(GROUP);

/// The numbers that a name is kept as, in order.
pub(crate) fn pack(name: &str) -> impl Iterator<Item = u64> {
    name.as_bytes().chunks(GROUP).map(|group| {
        let digit = |at: usize| {
            let byte = group.get(at)?;
            ALPHABET.iter().position(|letter| letter == byte).map(|place| place as u64 + 1)
        };
        (0..GROUP).fold(0, |number, at| number * BASE + digit(at).unwrap_or(0))
    })
}

/// Writes the name of these numbers into `name`, instead of what was there.
pub(crate) fn unpack(numbers: impl Iterator<Item = u64>, name: &mut String) {
    name.clear();
    for mut number in numbers {
        let mut group = [0; GROUP];
        for place in group.iter_mut().rev() {
            *place = (number % BASE) as usize;
            number /= BASE;
        }
        let letters = group.into_iter().take_while(|&digit| digit > 0);
        name.extend(letters.map(|digit| char::from(ALPHABET[digit - 1])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_kept_as_these_numbers() {
        assert_eq!(pack("0").collect::<Vec<_>>(), [3 * BASE.pow(11)]);
        assert_eq!(pack("libpng16-tools").count(), 2);
    }

    #[test]
    fn numbers_stand_in_the_order_of_their_names() {
        proptest!(|(a in "[a-z0-9][a-z0-9._-]{0,30}", b in "[a-z0-9][a-z0-9._-]{0,30}")| {
            prop_assert_eq!(pack(&a).cmp(pack(&b)), a.cmp(&b));
        });
    }

    #[test]
    fn what_was_packed_comes_out_again() {
        proptest!(|(name in "[a-z0-9][a-z0-9._-]{0,62}[a-z0-9]")| {
            let mut read = "something else".to_owned();
            unpack(pack(&name), &mut read);
            prop_assert_eq!(read, name);
        });
    }
}
