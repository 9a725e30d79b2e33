//! An export of the audit log as the regulator gets it from somebody who may want to deceive:
//! leaves, checkpoints, proofs, whole folders.
#![cfg_attr(fuzzing, no_main)]

#[path = "../kit/folder.rs"]
mod folder;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use wardline::audit::{
    Commitments, Demands, ExportPart, Folder, LogExporter, PublishedReport, Verified, read_pin,
    verify,
};
use wardline::count::Openings;
use wardline::record::Leaf;
use wardline::seal::checkpoint::Checkpoint;
use wardline::seal::tree::{self, Tree};
use wardline::seal::{SigningKey, VerifyKey};

const ORIGIN: &str = "provider.example/one";

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder::of_process().join("log"));
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(ORIGIN).expect("a key"));

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// The first octet chooses what the rest is: `t` a text, `p` a proof, `f` a folder.
pub(crate) fn run(input: &[u8]) -> &'static str {
    match input.split_first() {
        Some((b't', octets)) => read_text(octets),
        Some((b'p', octets)) => read_proof(octets),
        Some((b'f', octets)) => verify_folder(octets),
        _ => "nothing",
    }
}

fn read_text(octets: &[u8]) -> &'static str {
    if let Ok(leaf) = Leaf::parse(octets) {
        // An event of a kind or a body that is not known is read, and not written.
        if let Ok(written) = leaf.write() {
            assert_eq!(written, octets);
        }
        let _ = (leaf.time(), leaf.seq());
        return "leaf";
    }
    let text = str::from_utf8(octets).unwrap_or_default();
    if let Ok(read) = Checkpoint::parse(text) {
        assert_eq!(read.to_string(), text);
        return "checkpoint";
    }
    if let Ok(openings) = Openings::parse(octets) {
        assert!(
            Openings::parse(&openings.to_json().expect("JSON")).is_ok_and(|read| read == openings)
        );
        Commitments::default().open(&openings);
        return "openings";
    }
    let _ = read_pin(octets, &[KEY.public()], "checkpoint");
    "refused"
}

/// An index and a size of eight octets each, and hashes.
fn read_proof(octets: &[u8]) -> &'static str {
    let Some((&numbers, octets)) = octets.split_first_chunk::<16>() else {
        return "too short";
    };
    let numbers = u128::from_be_bytes(numbers);
    let (index, size) = ((numbers >> 64) as u64, numbers as u64);
    if let Some(tree) = Tree::from_peaks(size, octets) {
        tree.root();
        return "tree";
    }
    match octets.as_chunks::<32>().0 {
        [root, leaf, proof @ ..] if tree::is_included(leaf, index, size, root, proof) => "included",
        [root, old, proof @ ..] if tree::is_consistent((index, old), (size, root), proof) => {
            "consistent"
        }
        _ => "refused",
    }
}

/// A folder that its author signed: its leaves, one a line, and behind an octet 0 a published
/// report.
fn verify_folder(octets: &[u8]) -> &'static str {
    let mut parts = octets.splitn(2, |octet| *octet == 0);
    let (leaves, report) = (parts.next(), parts.next());
    let demands = Demands {
        keys: vec![KEY.public()],
        ..Demands::default()
    };
    write_folder(leaves.unwrap_or_default(), &KEY.public());
    let mut reached = "refused";
    for folder in Folder::find(&FOLDER).expect("a log") {
        let mut report = report.map(PublishedReport::read);
        let verified = verify(&folder, &demands, report.as_mut());
        let Verified { log, until, .. } = verified;
        if verified.totals.is_none() {
            continue;
        }
        reached = match report {
            Some(report) => {
                report.check(until);
                "report"
            }
            None if log.findings.is_empty() => "verified",
            None => "read",
        };
    }
    reached
}

fn write_folder(leaves: &[u8], key: &VerifyKey) {
    let _ = fs::remove_dir_all(&*FOLDER);
    let mut writer =
        LogExporter::create(&FOLDER, ORIGIN, ExportPart::Whole).expect("an empty folder");
    let mut tree = Tree::default();
    for leaf in leaves.split(|octet| *octet == b'\n') {
        writer.leaf(leaf).expect("room");
        tree.append(tree::leaf_hash(leaf));
    }
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    let note = checkpoint.sign(&KEY).expect("a note").to_string();
    let checkpoints = [(1_800_000_000, note)];
    writer
        .finish(&key.to_string(), &checkpoints)
        .expect("a log");
}
