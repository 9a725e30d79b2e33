//! A configuration file: whatever it says, problems with their places or a configuration.
#![cfg_attr(fuzzing, no_main)]

#[path = "../kit/folder.rs"]
mod folder;

use std::path::PathBuf;
use std::sync::LazyLock;

use wardline::config::Config;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = folder::of_process().join("config");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("wardline.toml")
});

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    run(text);
});

pub(crate) fn run(text: &[u8]) -> &'static str {
    std::fs::write(&*FILE, text).expect("a file");
    match Config::load(Some(&FILE)) {
        Ok(config) => {
            config.check_files();
            "loaded"
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(
                    problem.to_string().contains("wardline-fuzz-"),
                    "a problem without its file"
                );
            }
            "refused"
        }
    }
}
