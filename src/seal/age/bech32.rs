//! Bech32, the letters in which age writes its keys (BIP 173), without its bound on length.

const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [
    0x3b6a_57b2,
    0x2650_8e6d,
    0x1ea1_19fa,
    0x3d42_33dd,
    0x2a14_62b3,
];
const CHECK_LETTERS: usize = 6;

/// Write octets behind a prefix, in lower case.
pub(super) fn encode(prefix: &str, octets: &[u8]) -> String {
    let mut data = regroup(octets, 8, 5, true).unwrap_or_default();
    let mut checked = spread(prefix);
    checked.extend(&data);
    checked.extend([0; CHECK_LETTERS]);
    let check = checksum(&checked) ^ 1;
    data.extend((0..CHECK_LETTERS).map(|at| (check >> (5 * (CHECK_LETTERS - 1 - at)) & 31) as u8));
    let letters = data
        .iter()
        .filter_map(|five| LETTERS.get(usize::from(*five)))
        .map(|letter| char::from(*letter));
    prefix.chars().chain(['1']).chain(letters).collect()
}

/// Read what [`encode`] writes, in lower or upper case but not in both; `prefix` is in lower case.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return None;
    }
    let letters = lower.strip_prefix(prefix)?.strip_prefix('1')?;
    let five = |letter: u8| {
        LETTERS
            .iter()
            .position(|known| *known == letter)
            .and_then(|at| u8::try_from(at).ok())
    };
    let data = letters.bytes().map(five).collect::<Option<Vec<u8>>>()?;
    let mut checked = spread(prefix);
    checked.extend(&data);
    let end = data.len().checked_sub(CHECK_LETTERS)?;
    if checksum(&checked) != 1 {
        return None;
    }
    regroup(data.get(..end)?, 5, 8, false)
}

/// The prefix as it goes into the checksum.
fn spread(prefix: &str) -> Vec<u8> {
    prefix
        .bytes()
        .map(|octet| octet >> 5)
        .chain([0])
        .chain(prefix.bytes().map(|octet| octet & 31))
        .collect()
}

fn checksum(fives: &[u8]) -> u32 {
    fives.iter().fold(1, |sum, five| {
        let top = sum >> 25;
        let shifted = (sum & 0x01ff_ffff) << 5 ^ u32::from(*five);
        GENERATOR
            .iter()
            .enumerate()
            .fold(
                shifted,
                |sum, (bit, part)| if top >> bit & 1 == 1 { sum ^ part } else { sum },
            )
    })
}

/// Cut a run of bits into groups of another width; bits left over must be padding of zeros.
fn regroup(groups: &[u8], from: u32, to: u32, is_padded: bool) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for group in groups {
        held = (held << from | u32::from(*group)) & 0xfff;
        bits += from;
        while bits >= to {
            bits -= to;
            out.push((held >> bits & ((1 << to) - 1)) as u8);
        }
    }
    let rest = held & ((1 << bits) - 1);
    if is_padded {
        if bits > 0 {
            out.push((rest << (to - bits)) as u8);
        }
    } else if bits >= from || rest != 0 {
        return None;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_the_standard_are_read() {
        assert_eq!(encode("a", &[]), "a12uel5l");
        assert_eq!(decode("a", "A12UEL5L"), Some(Vec::new()));
        for bad in ["a12UEL5L", "a12uel5m", "b12uel5l", "a12uel5", "", "a1"] {
            assert_eq!(decode("a", bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn written_octets_are_read_again(octets: Vec<u8>) {
            let text = encode("age", &octets);
            prop_assert_eq!(decode("age", &text), Some(octets.clone()));
            prop_assert_eq!(decode("age", &text.to_uppercase()), Some(octets));
        }
    }
}
