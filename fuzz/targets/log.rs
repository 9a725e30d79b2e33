//! An export of the audit log as the regulator gets it from somebody who may want to deceive:
//! leaves, checkpoints, proofs, whole folders.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardline::audit::{Commitments, Demands, Folder, PublishedReport, read_pin, verify};
use wardline::count::{Leaf, Openings};
use wardline::seal::checkpoint::Checkpoint;
use wardline::seal::tree::{self, Tree};

/// In memory, where the system has such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = if PathBuf::from("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    let folder = base.join(format!("wardline-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join("tile/entries")).expect("a folder");
    folder
});

fuzz_target!(|input: (u64, u64, &str, &[u8])| {
    let (index, size, checkpoint, octets) = input;
    if let Ok(leaf) = Leaf::parse(octets) {
        assert_eq!(leaf.to_json(), octets);
        let _ = (leaf.time(), leaf.seq());
    }
    if let Ok(read) = Checkpoint::parse(checkpoint) {
        assert_eq!(read.to_string(), checkpoint);
    }
    if let Ok(openings) = Openings::parse(octets) {
        assert!(
            Openings::parse(&openings.to_json().expect("JSON")).is_ok_and(|read| read == openings)
        );
        Commitments::default().open(&openings);
    }
    let hashes: Vec<tree::Hash> = octets.as_chunks::<32>().0.to_vec();
    if let Some((root, proof)) = hashes.split_first() {
        tree::is_included(root, index, size, root, proof);
        tree::is_consistent((index, root), (size, root), proof);
    }
    if let Some(tree) = Tree::from_peaks(size, octets) {
        tree.root();
    }
    verify_folder(checkpoint, octets);
});

fn verify_folder(checkpoint: &str, entries: &[u8]) {
    let count = entries.first().copied().unwrap_or_default();
    fs::write(FOLDER.join("checkpoint"), checkpoint).expect("a file");
    let bundle = FOLDER.join(format!("tile/entries/000.p/{count}"));
    fs::create_dir_all(FOLDER.join("tile/entries/000.p")).expect("a folder");
    fs::write(&bundle, entries).expect("a file");
    let _ = read_pin(checkpoint.as_bytes(), &[], "checkpoint");
    for folder in Folder::find(&FOLDER).expect("a log") {
        let verified = verify(&folder, &Demands::default());
        if let (Ok(report), Some(totals)) = (
            serde_json::from_slice::<PublishedReport>(entries),
            &verified.totals,
        ) {
            report.check(totals);
        }
    }
    let _ = fs::remove_file(bundle);
}
