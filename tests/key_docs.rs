//! docs/keys.md word for word: its commands run in its order and print what it says.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const PAGE: &str = include_str!("../docs/keys.md");

#[test]
fn the_page_on_keys_says_what_happens() {
    let folder = TempDir::new().expect("a folder");
    let mut commands = 0;
    for block in PAGE.split("```\n").skip(1).step_by(2) {
        for (command, printed) in commands_of(block) {
            commands += 1;
            assert_eq!(
                normalize(&run(folder.path(), command)),
                normalize(&printed),
                "{command}"
            );
        }
    }
    assert!(commands > 30, "{commands} commands were found");
}

/// Each command of a block, behind `$ `, with what it prints.
fn commands_of(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, printed))) => printed.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    commands
}

fn run(folder: &Path, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_wardline"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let before = program.parent().expect("a folder").to_path_buf();
    let all = std::iter::once(before).chain(std::env::split_paths(&path));
    let output = Command::new("sh")
        .args(["-c", command])
        .env("PATH", std::env::join_paths(all).expect("a path"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{command}: {stderr}"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Keys, hashes, entry numbers and times are others each time: of a key its name is left. The
/// order of a holder's keys follows from their ids, so words stand sorted.
fn normalize(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words: Vec<String> = line.split_whitespace().map(normalize_word).collect();
        if line.contains('+') {
            words.sort();
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}

fn normalize_word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| matches!(c, '(' | ')' | ',' | ';' | ':'));
    if let Some((name, _)) = bare.split_once('+') {
        return format!("{name}+KEY");
    }
    if bare.starts_with("age1") {
        return "AGE".to_owned();
    }
    if bare.parse::<u32>().is_ok_and(|number| number > 999_999) {
        return "NUMBER".to_owned();
    }
    if bare.starts_with("20") && bare.ends_with('Z') {
        return "TIME".to_owned();
    }
    match bare.rsplit_once('/') {
        Some((folder, file)) if file.contains(".entries") => format!("{folder}/ENTRIES"),
        _ => bare.to_owned(),
    }
}
