//! A configuration file: whatever it says, problems with their places or a configuration.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardline::config::Config;

/// In memory, where the system has such a place.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let base = if PathBuf::from("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    base.join(format!("wardline-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|text: &[u8]| {
    std::fs::write(&*FILE, text).expect("a file");
    match Config::load(Some(&FILE)) {
        Ok(config) => {
            config.check_files();
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(
                    problem.to_string().contains("wardline-fuzz-"),
                    "a problem without its file"
                );
            }
        }
    }
});
