//! The text form of an age file, for where a file's octets must be text (age-encryption.org/v1,
//! ASCII armor; RFC 7468).

use data_encoding::BASE64;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;

/// Is it meant as an armoured file?
pub fn is_armored(octets: &[u8]) -> bool {
    octets.starts_with(BEGIN.as_bytes())
}

/// A file's octets as text.
pub fn armor(octets: &[u8]) -> String {
    let base64 = BASE64.encode(octets);
    let lines = base64
        .as_bytes()
        .chunks(COLUMNS)
        .map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("{BEGIN}\n{body}{END}\n")
}

/// The octets behind such a text; none where it is not whole.
pub fn unarmor(text: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(text).ok()?.trim_end();
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let base64: String = body.lines().map(str::trim_end).collect();
    BASE64.decode(base64.as_bytes()).ok()
}

/// The armoured file that a text begins with, and what stands behind the line of its end; none
/// where it has no end.
pub fn split_armored(text: &str) -> Option<(&str, &str)> {
    if !is_armored(text.as_bytes()) {
        return None;
    }
    let ends = text.split_inclusive('\n').scan(0, |end, line| {
        *end += line.len();
        Some((line, *end))
    });
    let (_, end) = { ends }.find(|(line, _)| line.trim_end() == END)?;
    text.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_armored_comes_back() {
        for length in [0, 1, 47, 48, 49, 1000] {
            let octets: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let text = armor(&octets);
            assert!(
                is_armored(text.as_bytes()) && text.lines().all(|line| line.len() <= COLUMNS),
                "{text}"
            );
            assert_eq!(unarmor(text.as_bytes()), Some(octets.clone()));
            assert_eq!(unarmor(text.replace('\n', "\r\n").as_bytes()), Some(octets));
            assert_eq!(
                unarmor(&text.as_bytes()[..text.len() - 2]),
                None,
                "half of it"
            );
        }
        assert!(!is_armored(b"wardline-removal/v1\n"));
    }

    #[test]
    fn one_file_ends_where_the_next_begins() {
        let [one, two] = [armor(b"one"), armor(&[2; 100])];
        let both = one.clone() + &two;
        assert_eq!(split_armored(&both), Some((one.as_str(), two.as_str())));
        assert_eq!(split_armored(two.trim_end()), Some((two.trim_end(), "")));
        assert_eq!(split_armored(&one[..one.len() - 3]), None, "no end");
        assert_eq!(split_armored("text"), None);
    }
}
