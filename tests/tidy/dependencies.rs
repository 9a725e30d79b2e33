//! Every dependency's licence, name and source, held against deny.toml; needs neither network nor
//! another tool.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value as Json;
use toml::Table;

use super::Finding;

/// The one registry; git sources and other registries are refused.
const REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

pub(super) fn check() -> Vec<Finding> {
    let rules = read_rules();
    let packages = ask_cargo();
    assert!(packages.len() > 1, "cargo names no dependency");
    packages
        .iter()
        .flat_map(|package| check_package(package, &rules))
        .collect()
}

struct Rules {
    licences: Vec<String>,
    banned: Vec<String>,
}

fn read_rules() -> Rules {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml"))
        .expect("deny.toml is readable");
    let table: Table = text.parse().expect("deny.toml is TOML");
    let words = |list: &toml::Value, key: Option<&str>| -> Vec<String> {
        let word = |item: &toml::Value| {
            key.map_or(item, |key| &item[key])
                .as_str()
                .expect("a text")
                .to_owned()
        };
        list.as_array()
            .expect("an array")
            .iter()
            .map(word)
            .collect()
    };
    Rules {
        licences: words(&table["licenses"]["allow"], None),
        banned: words(&table["bans"]["deny"], Some("crate")),
    }
}

/// What was locked for this machine's kind, from what is already on disk.
fn ask_cargo() -> Vec<Json> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let machine = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            &machine,
            "--manifest-path",
        ])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Json = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata["packages"]
        .as_array()
        .expect("cargo names packages")
        .clone()
}

fn check_package(package: &Json, rules: &Rules) -> Vec<Finding> {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    let (name, version, licence) = (text("name"), text("version"), text("license"));
    let mut findings = Vec::new();
    let mut refuse = |what: &str, remedy: &str| {
        findings.push(format!("Cargo.lock: {name} {version}: {what}; {remedy}"))
    };
    if !is_allowed(licence, &rules.licences) {
        refuse(
            &format!("licence `{licence}`"),
            "do without it, or argue for its licence in deny.toml",
        );
    }
    if rules.banned.iter().any(|banned| banned == name) {
        refuse(
            "banned by deny.toml",
            "use the features that take rustls and aws-lc-rs",
        );
    }
    if package["source"]
        .as_str()
        .is_some_and(|source| source != REGISTRY)
    {
        refuse("not from the default registry", "use a published version");
    }
    findings
}

/// Whether an SPDX expression can be met with `allowed` alone; the old `/` means OR, and AND binds
/// before OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ")
        .replace(" WITH ", "+WITH+");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed).is_some_and(|met| met && rest.is_empty())
}

fn any(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while rest.first() == Some(&"OR") {
        *rest = &rest[1..];
        met |= all(rest, allowed)?;
    }
    Some(met)
}

fn all(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while rest.first() == Some(&"AND") {
        *rest = &rest[1..];
        met &= one(rest, allowed)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let (word, after) = rest.split_first()?;
    *rest = after;
    if *word != "(" {
        return Some(
            allowed
                .iter()
                .any(|licence| licence.replace(" WITH ", "+WITH+") == *word),
        );
    }
    let met = any(rest, allowed)?;
    *rest = rest.strip_prefix(&[")"])?;
    Some(met)
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned(), "Apache-2.0".to_owned()];
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "ISC AND (GPL-3.0 OR MIT)",
        "GPL-3.0 AND X OR ISC",
        "MIT OR Y WITH Z",
    ] {
        assert!(is_allowed(met, &allowed), "{met}");
    }
    for unmet in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "Apache-2.0 WITH X",
        "ISC AND (GPL-3.0 OR X)",
        "(MIT",
        "MIT MIT",
        "MIT OR",
    ] {
        assert!(!is_allowed(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn what_is_not_allowed_is_found() {
    let rules = Rules {
        licences: vec!["MIT".to_owned()],
        banned: vec!["bad".to_owned()],
    };
    let package = |name: &str, licence: &str, source: &str| {
        serde_json::json!({
            "name": name, "version": "1.0.0", "license": licence, "source": source,
        })
    };
    assert_eq!(
        check_package(&package("good", "MIT", REGISTRY), &rules),
        Vec::<Finding>::new()
    );
    assert_eq!(
        check_package(&package("good", "GPL-3.0", REGISTRY), &rules).len(),
        1
    );
    assert_eq!(
        check_package(&package("bad", "MIT", REGISTRY), &rules).len(),
        1
    );
    assert_eq!(
        check_package(
            &package("good", "MIT", "git+https://example.test/good"),
            &rules
        )
        .len(),
        1
    );
}
