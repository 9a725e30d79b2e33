//! One exchange with a witness: a checkpoint is brought, and what comes back is believed only as
//! far as the witness's key goes.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ureq::http::header;

use super::SIZE_TYPE;
use crate::http::{ClientSettings, client, named_addresses, read_authorities};
use crate::seal::submission::{Submission, parse_size};
use crate::seal::{Note, Signature, VerifyKey, checkpoint};

/// How long one exchange may take in all.
const EXCHANGE: Duration = Duration::from_secs(30);
/// The most octets of an answer that are read.
const ANSWER_OCTETS_MAX: u64 = 16 * 1024;
/// How much of a witness's own words is passed on.
const WORDS_MAX: usize = 200;

/// What a witness said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WitnessSaid {
    /// It cosigned, and its signature holds.
    Cosigned(Signature),
    /// It has cosigned another size than it was told.
    Has(u64),
    /// It does not cosign, or what it says does not hold.
    Refused(String),
    /// It could not be reached, or is not able to cosign at present.
    Unreached(String),
}

/// The HTTP client of a witness, which is found at its addresses, or at the one in its URL.
pub(super) fn build(ca: Option<&Path>, addresses: &[SocketAddr]) -> Result<ureq::Agent, String> {
    let read = |file: &Path| {
        read_authorities(file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let settings = ClientSettings {
        roots: ca.map(read).transpose()?.unwrap_or_default(),
        exchange: EXCHANGE,
        is_https_only: false,
    };
    let addresses = addresses.to_vec();
    let find = move |host: &str, port| named_addresses(&addresses, host, port);
    Ok(client(&settings, Box::new(find)))
}

/// Brings a checkpoint to a witness.
pub(super) fn submit(
    agent: &ureq::Agent,
    url: &str,
    key: &VerifyKey,
    submission: &Submission,
) -> WitnessSaid {
    let request = agent.post(url).header("Content-Type", "text/plain");
    let mut reply = match request.send(submission.to_string().as_bytes()) {
        Ok(reply) => reply,
        Err(error) => return WitnessSaid::Unreached(error.to_string()),
    };
    let status = reply.status().as_u16();
    let kind = reply.headers().get(header::CONTENT_TYPE);
    let is_size = kind.is_some_and(|kind| kind.as_bytes() == SIZE_TYPE.as_bytes());
    let body = reply
        .body_mut()
        .with_config()
        .limit(ANSWER_OCTETS_MAX)
        .read_to_string();
    match body {
        Ok(body) => interpret(status, is_size, &body, key, submission),
        Err(error) => WitnessSaid::Unreached(format!("its answer cannot be read: {error}")),
    }
}

/// What an answer means (C2SP tlog-witness, "add-checkpoint").
fn interpret(
    status: u16,
    is_size: bool,
    body: &str,
    key: &VerifyKey,
    submission: &Submission,
) -> WitnessSaid {
    let refused = |why: &str| WitnessSaid::Refused(format!("{why}{}", in_its_words(status, body)));
    match status {
        200 => match find_cosignature(&submission.note, body, key) {
            Ok(cosignature) => WitnessSaid::Cosigned(cosignature),
            Err(fault) => WitnessSaid::Refused(fault.to_owned()),
        },
        409 => {
            let size = body.strip_suffix('\n').and_then(parse_size);
            match size.filter(|_| is_size) {
                Some(size) if size != submission.old => WitnessSaid::Has(size),
                // What it has cosigned at the size that we named is another tree.
                _ => refused(
                    "SPLIT VIEW: it has cosigned another tree of this size than ours: another \
                     resolver signs with this log's key, or its state was copied or restored",
                ),
            }
        }
        422 => refused(
            "SPLIT VIEW: what it has cosigned before is not the start of our log: another \
             resolver signs with this log's key, or its state was copied or restored",
        ),
        403 => refused("it knows this log by another key: give its owner `wardline audit key`"),
        404 => refused("it does not know this log: give its owner `wardline audit key`"),
        400..=499 if status != 408 && status != 429 => refused("it takes no checkpoint from us"),
        _ => WitnessSaid::Unreached(format!(
            "it cannot cosign at present{}",
            in_its_words(status, body)
        )),
    }
}

/// The witness's signature among the lines of its answer, if it holds for the checkpoint. Those of
/// other keys are passed over.
fn find_cosignature(note: &Note, body: &str, key: &VerifyKey) -> Result<Signature, &'static str> {
    let answered = format!("{}\n{body}", note.text());
    let answered = Note::parse(answered.as_bytes())
        .map_err(|_| "its answer holds no signature lines: is this address a witness's?")?;
    let is_its = |signature: &&Signature| signature.id == key.id() && signature.name == key.name();
    let signature = answered.signatures().iter().find(is_its).ok_or(
        "its answer has no signature of the key in [[audit.witness]]: ask its owner for the key",
    )?;
    let holds = key.verify(note.text().as_bytes(), &signature.octets)
        && checkpoint::cosigned_at(signature).is_some_and(|at| at > 0);
    if holds {
        Ok(signature.clone())
    } else {
        Err(
            "its cosignature does not hold: it is not kept, and the witness is not to be \
             relied on until its owner has explained it",
        )
    }
}

/// What the other side says, as a log may show it.
fn in_its_words(status: u16, body: &str) -> String {
    let words = body.lines().next().unwrap_or_default();
    let words: String = words
        .chars()
        .filter(|c| !c.is_control())
        .take(WORDS_MAX)
        .collect();
    format!(" (HTTP {status}: {words:?})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SigningKey;
    use crate::seal::checkpoint::{Checkpoint, cosign};

    fn submission() -> Submission {
        let author = SigningKey::generate("provider.example/one").unwrap();
        let checkpoint = Checkpoint {
            origin: "provider.example/one".into(),
            size: 7,
            root: [7; 32],
        };
        Submission {
            old: 5,
            proof: vec![],
            note: checkpoint.sign(&author).unwrap(),
        }
    }

    /// What a witness with this key answers.
    fn answer(submission: &Submission, key: &SigningKey) -> String {
        let mut note = Note::new(submission.note.text()).unwrap();
        cosign(&mut note, key, 1_767_225_600).unwrap();
        format!("{}\n", note.signatures()[0])
    }

    #[test]
    fn only_a_cosignature_that_holds_is_taken() {
        let (submission, other) = (submission(), submission());
        let key = SigningKey::generate("witness.example").unwrap();
        let stranger = SigningKey::generate("stranger.example").unwrap();
        let said = |body: &str| interpret(200, false, body, &key.public_cosigner(), &submission);
        let good = answer(&submission, &key);
        let strange = answer(&submission, &stranger);
        for body in [good.clone(), format!("{strange}{good}")] {
            let WitnessSaid::Cosigned(signature) = said(&body) else {
                panic!("{body}");
            };
            assert_eq!(format!("{signature}\n"), good);
        }
        let mut note = Note::new(submission.note.text()).unwrap();
        cosign(&mut note, &key, 1_767_225_600).unwrap();
        let mut altered = note.signatures()[0].clone();
        altered.octets[40] ^= 1;
        let cases = [
            (strange, "no signature of the key"),
            (format!("{altered}\n"), "does not hold"),
            (String::new(), "holds no signature lines"),
            ("<html>\n".to_owned(), "holds no signature lines"),
            (good.trim_end().to_owned(), "holds no signature lines"),
        ];
        for (body, words) in cases {
            let said = said(&body);
            let is_it = matches!(&said, WitnessSaid::Refused(why) if why.contains(words));
            assert!(is_it, "{body}: {said:?}");
        }
        // Of another tree.
        let other = Submission {
            note: Checkpoint {
                origin: "provider.example/one".into(),
                size: 8,
                root: [7; 32],
            }
            .sign(&stranger)
            .unwrap(),
            ..other
        };
        assert!(matches!(
            said(&answer(&other, &key)),
            WitnessSaid::Refused(_)
        ));
    }

    #[test]
    fn every_status_has_its_meaning() {
        let (submission, key) = (submission(), SigningKey::generate("w.example").unwrap());
        let said = |status, is_size, body: &str| {
            interpret(status, is_size, body, &key.public_cosigner(), &submission)
        };
        assert_eq!(said(409, true, "9\n"), WitnessSaid::Has(9));
        assert_eq!(said(409, true, "0\n"), WitnessSaid::Has(0));
        for (status, is_size, body, words) in [
            (409, true, "5\n", "SPLIT VIEW"),
            (409, true, "09\n", "SPLIT VIEW"),
            (409, false, "9\n", "SPLIT VIEW"),
            (422, false, "no\n", "SPLIT VIEW"),
            (403, false, "", "another key"),
            (404, false, "", "does not know"),
            (400, false, "\u{1b}[31mbad\n", "(HTTP 400: \"[31mbad\")"),
        ] {
            let said = said(status, is_size, body);
            let is_it = matches!(&said, WitnessSaid::Refused(why) if why.contains(words));
            assert!(is_it, "{status} {body:?}: {said:?}");
        }
        for status in [408, 429, 500, 503] {
            assert!(matches!(said(status, false, ""), WitnessSaid::Unreached(_)));
        }
    }
}
