//! Server cookies: a client that gives one back really is at its address, so its replies cannot be
//! meant for somebody else.
//!
//! Made as RFC 9018 says (SipHash-2-4 under a secret), so that several resolvers behind one address
//! can share the secret.

use std::net::IpAddr;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use crate::wire::COOKIE_OCTETS_CLIENT;

/// A client's cookie with ours behind it.
pub type WholeCookie = [u8; COOKIE_OCTETS_CLIENT + SERVER_OCTETS];

/// Version, three octets that are reserved, four of time, eight of hash (RFC 9018 section 4).
const SERVER_OCTETS: usize = 16;
const VERSION: u8 = 1;
/// How old a cookie may be, and how far its time may lie ahead, in seconds (RFC 9018 section 4.3).
const AGE_S_MAX: u32 = 3600;
const AHEAD_S_MAX: u32 = 300;
const SECRET_OCTETS: usize = 16;
/// The longest file of secrets, in octets.
const FILE_OCTETS_MAX: usize = 4096;

/// The secrets: the first makes cookies, all are good for checking them (RFC 9018 section 5).
pub struct Cookies {
    secrets: Vec<Zeroizing<[u8; SECRET_OCTETS]>>,
}

/// Whether a client's cookie is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieProof {
    /// It is, made for this address, not long ago.
    Valid,
    /// It has none yet, or one that says nothing.
    None,
}

impl Cookies {
    /// With a secret that nobody else has, new at each start.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; SECRET_OCTETS]);
        getrandom::fill(&mut *secret)?;
        Ok(Self {
            secrets: vec![secret],
        })
    }

    /// With the secrets in a file: 32 hexadecimal digits a line, the one in use first; or what is
    /// wrong with it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let refuse = |why: &str| {
            format!(
                "{}: {why}: write one or two secrets of 32 hexadecimal digits, one a line",
                file.display()
            )
        };
        let text = Zeroizing::new(
            std::fs::read(file).map_err(|error| refuse(&format!("cannot be read ({error})")))?,
        );
        let lines: Vec<&[u8]> = text
            .split(|octet| *octet == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .collect();
        if text.len() > FILE_OCTETS_MAX || !(1..=2).contains(&lines.len()) {
            return Err(refuse("has none, or too many"));
        }
        let mut secrets = Vec::new();
        for line in lines {
            let octets = HEXLOWER_PERMISSIVE.decode(line).map(Zeroizing::new);
            let octets = octets.map_err(|_| refuse("has a line that is none"))?;
            secrets.push(Zeroizing::new(
                <[u8; SECRET_OCTETS]>::try_from(octets.as_slice())
                    .map_err(|_| refuse("has a line that is none"))?,
            ));
        }
        Ok(Self { secrets })
    }

    /// Check a client's cookie, with or without a server's behind it, and make the one that it is
    /// to send from now on.
    ///
    /// Nothing where it is too short to be one.
    pub fn answer(
        &self,
        cookie: &[u8],
        client: IpAddr,
        now_s: u32,
    ) -> Option<(CookieProof, WholeCookie)> {
        let (own, server) = cookie.split_first_chunk::<COOKIE_OCTETS_CLIENT>()?;
        let mut whole = [0; COOKIE_OCTETS_CLIENT + SERVER_OCTETS];
        let (head, hash) = whole.split_at_mut(COOKIE_OCTETS_CLIENT + 8);
        let (place, time) = head.split_at_mut(COOKIE_OCTETS_CLIENT);
        place.copy_from_slice(own);
        let [a, b, c, d] = now_s.to_be_bytes();
        time.copy_from_slice(&[VERSION, 0, 0, 0, a, b, c, d]);
        hash.copy_from_slice(&hash_of(self.secrets.first()?, head, client));
        let is_valid = <[u8; SERVER_OCTETS]>::try_from(server)
            .is_ok_and(|server| self.is_valid(own, &server, client, now_s));
        Some((
            if is_valid {
                CookieProof::Valid
            } else {
                CookieProof::None
            },
            whole,
        ))
    }

    fn is_valid(
        &self,
        own: &[u8; COOKIE_OCTETS_CLIENT],
        server: &[u8; SERVER_OCTETS],
        client: IpAddr,
        now_s: u32,
    ) -> bool {
        let [version, _, _, _, a, b, c, d, hash @ ..] = *server;
        // Serial number arithmetic, as the time has 32 bits (RFC 1982).
        let age_s = now_s.wrapping_sub(u32::from_be_bytes([a, b, c, d]));
        let is_current = age_s <= AGE_S_MAX || age_s.wrapping_neg() <= AHEAD_S_MAX;
        let mut head = [0; COOKIE_OCTETS_CLIENT + 8];
        head.iter_mut()
            .zip(own.iter().chain(server))
            .for_each(|(place, octet)| *place = *octet);
        let is_ours = |secret: &Zeroizing<_>| {
            u64::from_le_bytes(hash_of(secret, &head, client)) ^ u64::from_le_bytes(hash) == 0
        };
        version == VERSION && is_current && self.secrets.iter().any(is_ours)
    }
}

fn hash_of(secret: &[u8; SECRET_OCTETS], head: &[u8], client: IpAddr) -> [u8; 8] {
    let mut octets = [0; COOKIE_OCTETS_CLIENT + 8 + 16];
    let mut len = 0;
    let mut put = |part: &[u8]| {
        octets
            .iter_mut()
            .skip(len)
            .zip(part)
            .for_each(|(place, octet)| *place = *octet);
        len += part.len();
    };
    put(head);
    match client {
        IpAddr::V4(address) => put(&address.octets()),
        IpAddr::V6(address) => put(&address.octets()),
    }
    SipHasher24::new_with_key(secret)
        .hash(octets.get(..len).unwrap_or_default())
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn with_secrets(text: &str) -> Result<Cookies, String> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("secrets");
        std::fs::write(&file, text).unwrap();
        Cookies::read(&file)
    }

    fn octets(hex: &str) -> Vec<u8> {
        HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()
    }

    /// RFC 9018 appendix A.1.
    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const OWN: &str = "2464c4abcf10c957";
    const MADE: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
    const AT_S: u32 = 1_559_731_985;

    fn client() -> IpAddr {
        "198.51.100.100".parse().unwrap()
    }

    #[test]
    fn cookies_are_those_of_the_standard() {
        let cookies = with_secrets(SECRET).unwrap();
        assert_eq!(
            cookies.answer(&octets(OWN), client(), AT_S),
            Some((CookieProof::None, octets(MADE).try_into().unwrap()))
        );
        let proof = |cookie: &str, client: &str, now_s| {
            cookies
                .answer(&octets(cookie), client.parse().unwrap(), now_s)
                .map(|(proof, _)| proof)
        };
        for (now_s, want) in [
            (AT_S, CookieProof::Valid),
            (AT_S + 3600, CookieProof::Valid),
            (AT_S + 3601, CookieProof::None),
            (AT_S - 300, CookieProof::Valid),
            (AT_S - 301, CookieProof::None),
        ] {
            assert_eq!(proof(MADE, "198.51.100.100", now_s), Some(want), "{now_s}");
        }
        assert_eq!(
            proof(MADE, "198.51.100.101", AT_S),
            Some(CookieProof::None),
            "somebody else's"
        );
        assert_eq!(
            proof(&MADE.replace("80", "81"), "198.51.100.100", AT_S),
            Some(CookieProof::None)
        );
        assert_eq!(
            proof(&format!("{MADE}00"), "198.51.100.100", AT_S),
            Some(CookieProof::None)
        );
        assert_eq!(proof("2464", "198.51.100.100", AT_S), None);
        let v6 = "2001:db8::1".parse().unwrap();
        let (_, made) = cookies.answer(&octets(OWN), v6, AT_S).unwrap();
        assert_eq!(
            cookies.answer(&made, v6, AT_S + 1).unwrap().0,
            CookieProof::Valid
        );
    }

    #[test]
    fn a_secret_can_be_replaced_without_a_gap() {
        let both = with_secrets(&format!("00112233445566778899aabbccddeeff\n{SECRET}\n")).unwrap();
        let (proof, made) = both.answer(&octets(MADE), client(), AT_S).unwrap();
        assert_eq!(proof, CookieProof::Valid);
        assert_ne!(made[..], octets(MADE), "the first secret makes new ones");
        assert_eq!(
            with_secrets(SECRET)
                .unwrap()
                .answer(&made, client(), AT_S)
                .unwrap()
                .0,
            CookieProof::None
        );
    }

    #[test]
    fn a_file_without_secrets_is_refused() {
        for text in [
            "",
            "00",
            &format!("{SECRET}\n{SECRET}\n{SECRET}"),
            &SECRET.replace('e', "x"),
        ] {
            let refused = with_secrets(text).err().unwrap();
            assert!(
                refused.contains("32 hexadecimal digits") && !refused.contains("e973"),
                "{refused}"
            );
        }
        assert!(
            Cookies::read(Path::new("/nowhere"))
                .err()
                .unwrap()
                .contains("cannot be read")
        );
    }
}
