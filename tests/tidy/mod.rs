//! The rules of the house, held against the real tree: layers, sizes, words, and what must be
//! absent.
//!
//! Each rule lives in a module of its own and is shown there to fire on a made-up sample. A finding
//! says where, what, and what to do.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing it cannot read"
)]

mod absent;
mod circles;
mod dependencies;
mod layers;
mod scan;
mod shape;
mod type_names;
mod wording;

use scan::Source;

/// One thing that a rule refuses: `file:line: what; what to do`.
type Finding = String;

/// Word a finding the same way everywhere.
fn finding(source: &Source, line: usize, what: &str, remedy: &str) -> Finding {
    format!("{}:{line}: {what}; {remedy}", source.path)
}

/// Stop with every finding at once, so that one run shows the whole work.
fn refuse(findings: &[Finding]) {
    assert!(
        findings.is_empty(),
        "{} findings:\n{}\n",
        findings.len(),
        findings.join("\n")
    );
}

#[test]
fn the_tree_is_tidy() {
    let texts = scan::read_tree();
    let sources: Vec<&Source> = texts
        .iter()
        .filter(|text| text.is_rust_under("src/"))
        .collect();
    let root = sources
        .iter()
        .find(|source| source.path == "src/lib.rs")
        .expect("src/lib.rs is readable");
    assert!(
        sources.len() > 2 && texts.len() > sources.len(),
        "the walk over the tree found too little"
    );

    let (layers, mut findings) = layers::read(root);
    for source in &sources {
        findings.extend(layers::check(source, &layers));
        findings.extend(shape::check(source));
        findings.extend(absent::check(source));
    }
    let rust: Vec<&Source> = texts.iter().filter(|text| text.is_rust_under("")).collect();
    findings.extend(rust.iter().flat_map(|source| shape::columns(source)));
    findings.extend(shape::folders(&rust));
    findings.extend(circles::check(&sources));
    findings.extend(type_names::check(&sources));
    for text in &texts {
        findings.extend(wording::check(text));
    }
    refuse(&findings);
}

#[test]
fn every_dependency_is_allowed() {
    refuse(&dependencies::check());
}
