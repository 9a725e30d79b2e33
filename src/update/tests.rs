//! Every way of saving a list, each watched from outside: the list in force is the old one or the
//! new one, and new within a second.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::list::ListIndex;
use crate::list::guard::Protected;
use crate::list::parse::Format;
use crate::name::{Name, SuffixHashes};
use crate::policy::Live;

const MS: Duration = Duration::from_millis(1);
const QUIET: Duration = Duration::from_millis(100);

fn source(path: &Path) -> ListSource {
    let text = Text::File(path.to_path_buf());
    let mut source = ListSource::unsigned("test", 0, text, Format::Plain);
    // What is saved here has nothing in common with what was there.
    source.limits.added_percent_max = 1e6;
    source.limits.removed_percent_max = 100.0;
    source.limits.added_max = 1_000_000;
    source
}

/// A list of `count` names whose last one is `mark`: without its end it is neither old nor new.
fn text(mark: &str, count: usize) -> String {
    let filler = (1..count).map(|number| format!("name-{number}.{mark}.test\n"));
    filler.collect::<String>() + mark + ".example\n"
}

/// How many entries are in force, and is each of the two marks among them?
fn sample(live: &Live) -> (usize, bool, bool) {
    let snapshot = live.load();
    let has = |mark: &str| {
        let mut name = SuffixHashes::new();
        name.fill(
            snapshot.key(),
            Name::parse(&format!("{mark}.example")).unwrap().as_wire(),
        );
        snapshot.table(0).unwrap().find(&name).is_some()
    };
    (
        snapshot.table(0).unwrap().entry_count(),
        has("old"),
        has("new"),
    )
}

const COUNT: usize = 500;
const OLD: (usize, bool, bool) = (COUNT, true, false);
const NEW: (usize, bool, bool) = (COUNT, false, true);

/// A folder with a list that is in force and watched, and somebody who looks at what is in force
/// all the time.
struct Scene {
    folder: TempDir,
    path: PathBuf,
    updater: Arc<Updater>,
    live: Arc<Live>,
    is_over: Arc<AtomicBool>,
    sampler: Option<JoinHandle<u64>>,
    _watch: Watch,
}

impl Scene {
    fn new() -> Self {
        Self::with(|folder| {
            fs::write(folder.join("list.txt"), text("old", COUNT)).unwrap();
            folder.join("list.txt")
        })
    }

    fn with(prepare: impl Fn(&Path) -> PathBuf) -> Self {
        let folder = TempDir::new().unwrap();
        let path = prepare(folder.path());
        let (updater, live) = Updater::start(Settings {
            lists: vec![source(&path)],
            quiet: QUIET,
            ..Settings::default()
        })
        .unwrap();
        let watch = Watch::start(&updater).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let sampler = {
            let (live, is_over) = (Arc::clone(&live), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let mut samples = 0;
                while !is_over.load(Relaxed) {
                    let seen = sample(&live);
                    assert!(seen == OLD || seen == NEW, "neither old nor new: {seen:?}");
                    samples += 1;
                    sleep(MS / 5);
                }
                samples
            })
        };
        Self {
            folder,
            path,
            updater,
            live,
            is_over,
            sampler: Some(sampler),
            _watch: watch,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> ListState {
        self.updater.states().remove(0)
    }

    /// Ask until `is_so`, for at most a second.
    fn within_a_second(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{what}: not within a second: {:?}",
                self.state()
            );
            sleep(MS);
        }
    }

    fn becomes_new(mut self) {
        self.within_a_second("new list", |scene| sample(&scene.live) == NEW);
        assert_eq!(self.state().last_refusal, None);
        assert_eq!(self.state().generation, self.live.load().generation());
        self.end();
    }

    /// The list is refused for a reason with `words` in it; put in order, it comes in force.
    fn comes_to_be_refused(self, words: &str) {
        let says = |scene: &Self| {
            scene
                .state()
                .last_refusal
                .is_some_and(|refusal| refusal.message.contains(words))
        };
        self.within_a_second(words, says);
        assert_eq!(sample(&self.live), OLD);
        assert!(
            !self
                .state()
                .last_refusal
                .unwrap()
                .message
                .contains(".example"),
            "a refusal names no entry"
        );
        fs::write(&self.path, text("new", COUNT)).unwrap();
        self.becomes_new();
    }

    fn end(&mut self) {
        self.is_over.store(true, Relaxed);
        assert!(self.sampler.take().unwrap().join().unwrap() > 0);
    }
}

#[test]
fn written_in_place() {
    let scene = Scene::new();
    fs::write(&scene.path, text("new", COUNT)).unwrap();
    scene.becomes_new();
}

#[test]
fn renamed_over() {
    let scene = Scene::new();
    fs::write(scene.file(".list.txt.swp"), text("new", COUNT)).unwrap();
    fs::rename(scene.file(".list.txt.swp"), &scene.path).unwrap();
    scene.becomes_new();
}

#[test]
fn moved_away_and_written_anew() {
    let scene = Scene::new();
    fs::rename(&scene.path, scene.file("list.txt~")).unwrap();
    fs::write(&scene.path, text("new", COUNT)).unwrap();
    scene.becomes_new();
}

#[test]
fn deleted_and_created() {
    let scene = Scene::new();
    fs::remove_file(&scene.path).unwrap();
    fs::write(&scene.path, text("new", COUNT)).unwrap();
    scene.becomes_new();
}

#[test]
fn a_deleted_list_stays_in_force() {
    let scene = Scene::new();
    fs::remove_file(&scene.path).unwrap();
    scene.comes_to_be_refused("is not there");
}

#[test]
fn a_link_is_swapped() {
    let scene = Scene::with(|folder| {
        fs::create_dir(folder.join("data")).unwrap();
        fs::write(folder.join("data/one"), text("old", COUNT)).unwrap();
        fs::write(folder.join("data/two"), text("new", COUNT)).unwrap();
        symlink("data/one", folder.join("list.txt")).unwrap();
        folder.join("list.txt")
    });
    symlink("data/two", scene.file("next")).unwrap();
    fs::rename(scene.file("next"), &scene.path).unwrap();
    scene.becomes_new();
}

#[test]
fn a_link_to_the_folder_is_swapped() {
    let scene = Scene::with(|folder| {
        for (place, mark) in [("one", "old"), ("two", "new")] {
            fs::create_dir(folder.join(place)).unwrap();
            fs::write(folder.join(place).join("list.txt"), text(mark, COUNT)).unwrap();
        }
        symlink("one", folder.join("current")).unwrap();
        folder.join("current/list.txt")
    });
    symlink("two", scene.file("next")).unwrap();
    fs::rename(scene.file("next"), scene.file("current")).unwrap();
    scene.becomes_new();
}

#[test]
fn the_target_of_a_link_is_written() {
    let scene = Scene::with(|folder| {
        fs::create_dir(folder.join("data")).unwrap();
        fs::write(folder.join("data/one"), text("old", COUNT)).unwrap();
        symlink("data/one", folder.join("list.txt")).unwrap();
        folder.join("list.txt")
    });
    fs::write(scene.file("data/one"), text("new", COUNT)).unwrap();
    scene.becomes_new();
}

/// Write the new list in `pieces` with a pause after each, never closing the file in between.
fn write_slowly(path: &Path, pieces: usize, pause: Duration) {
    let text = text("new", COUNT);
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    for piece in text.as_bytes().chunks(text.len().div_ceil(pieces)) {
        file.write_all(piece).unwrap();
        sleep(pause);
    }
}

#[test]
fn written_in_many_pieces() {
    let scene = Scene::new();
    write_slowly(&scene.path, 200, 5 * MS);
    scene.becomes_new();
}

#[test]
fn written_with_long_pauses() {
    let scene = Scene::new();
    write_slowly(&scene.path, 4, 3 * QUIET);
    scene.becomes_new();
}

#[test]
fn reloads_while_it_is_written_find_no_half_list() {
    let scene = Scene::new();
    let (updater, is_over) = (Arc::clone(&scene.updater), Arc::clone(&scene.is_over));
    let asker = std::thread::spawn(move || {
        while !is_over.load(Relaxed) {
            updater.reload(Which::All);
        }
    });
    write_slowly(&scene.path, 300, MS);
    scene.becomes_new();
    asker.join().unwrap();
}

#[test]
fn a_file_that_never_rests_is_said_and_read_in_the_end() {
    let scene = Scene::new();
    let mut file = File::create(&scene.path).unwrap();
    let start = Instant::now();
    while scene.state().last_refusal.is_none() {
        assert!(start.elapsed() < 5 * QUIET * 20, "nothing is said");
        file.write_all(b"#\n").unwrap();
        sleep(5 * MS);
    }
    assert!(
        scene
            .state()
            .last_refusal
            .unwrap()
            .message
            .contains("still being written")
    );
    file.write_all(text("new", COUNT).as_bytes()).unwrap();
    drop(file);
    scene.becomes_new();
}

#[test]
fn empty_lists_are_refused() {
    let scene = Scene::new();
    fs::write(&scene.path, "").unwrap();
    scene.comes_to_be_refused("has no entry");
    let scene = Scene::new();
    fs::write(&scene.path, "# nothing\n\n").unwrap();
    scene.comes_to_be_refused("has no entry");
}

#[test]
fn garbage_is_refused_with_its_lines() {
    let scene = Scene::new();
    fs::write(
        &scene.path,
        format!("{}https://secret.example/\n", text("new", 10)),
    )
    .unwrap();
    let place = format!("correct {}:11: a URL", scene.path.display());
    scene.comes_to_be_refused(&place);
    let scene = Scene::new();
    fs::write(&scene.path, [0xff; 4096]).unwrap();
    scene.comes_to_be_refused("100.0 %");
}

#[test]
fn a_folder_in_its_place_comes_to_be_refused() {
    let scene = Scene::new();
    fs::remove_file(&scene.path).unwrap();
    fs::create_dir(&scene.path).unwrap();
    scene.within_a_second("not a file", |scene| scene.state().last_refusal.is_some());
    fs::remove_dir(&scene.path).unwrap();
    fs::write(&scene.path, text("new", COUNT)).unwrap();
    scene.becomes_new();
}

#[test]
fn touching_and_reading_change_nothing() {
    let mut scene = Scene::new();
    let before = scene.state();
    File::options()
        .append(true)
        .open(&scene.path)
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    let outcome = scene.updater.reload(Which::One(0));
    assert_eq!(
        outcome,
        [ListOutcome {
            id: "test".to_owned(),
            change: ListChange::Unchanged
        }]
    );
    assert_eq!(scene.state(), before);
    assert_eq!(scene.updater.reload(Which::One(1)), []);
    scene.end();
}

#[test]
fn a_hundred_thousand_names_take_less_than_a_second() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("list.txt");
    fs::write(&path, text("old", 10)).unwrap();
    let (updater, live) = Updater::start(Settings {
        lists: vec![source(&path)],
        quiet: QUIET,
        ..Settings::default()
    })
    .unwrap();
    let _watch = Watch::start(&updater).unwrap();
    fs::write(&path, text("new", 100_000)).unwrap();
    let saved = Instant::now();
    while sample(&live) != (100_000, false, true) {
        assert!(saved.elapsed() < Duration::from_secs(1));
        sleep(MS);
    }
    println!("in force after {:?}", saved.elapsed());
}

#[test]
fn replaced_snapshots_are_freed_by_the_updater() {
    let mut scene = Scene::new();
    let reader = scene.live.load_full();
    let old = Arc::downgrade(&reader);
    fs::write(&scene.path, text("new", COUNT)).unwrap();
    scene.within_a_second("new list", |scene| sample(&scene.live) == NEW);
    drop(reader);
    assert!(old.strong_count() <= 1, "only the updater keeps it");
    scene.within_a_second("freed", |_| old.strong_count() == 0);
    scene.end();
}

#[test]
fn a_start_with_bad_lists_has_the_good_one_in_force_and_every_reason() {
    let folder = TempDir::new().unwrap();
    let [empty, bad, good] =
        ["empty.txt", "bad.txt", "good.txt"].map(|name| folder.path().join(name));
    fs::write(&empty, "").unwrap();
    fs::write(&bad, "a.test\nsecret.example/path\n").unwrap();
    fs::write(&good, "good.test\n").unwrap();
    let missing = folder.path().join("missing.txt");
    let lists = [&empty, &bad, &missing, &good];
    let lists = lists.into_iter().enumerate().map(|(at, path)| ListSource {
        index: at as ListIndex,
        is_required: at == 0,
        ..source(path)
    });
    let (updater, _) = Updater::start(Settings {
        lists: lists.collect(),
        quiet: QUIET,
        ..Settings::default()
    })
    .unwrap();
    let states = updater.states();
    let reasons = [
        "empty.txt: list test: has no entry",
        "bad.txt:2: a path behind the name",
        "missing.txt: list test: the file is not there",
    ];
    for (state, reason) in states.iter().zip(reasons) {
        let said = &state.last_refusal.as_ref().unwrap().message;
        assert!(said.contains(reason) && !said.contains("secret"), "{said}");
        assert_eq!((state.live_since, state.entries), (0, 0));
    }
    assert!(states[3].live_since > 0 && states[3].entries == 1);
    assert_eq!(updater.missing(NotInForce::Any).len(), 3);
    assert_eq!(updater.missing(NotInForce::Required).len(), 1);
    fs::write(&empty, "late.test\n").unwrap();
    updater.reload(Which::All);
    assert!(updater.missing(NotInForce::Required).is_empty());
}

#[test]
fn the_built_in_text_is_a_list() {
    let source = ListSource {
        text: Some(Text::Embedded("a.test\n=b.test\na.test\n")),
        ..source(Path::new(""))
    };
    let (updater, _) = Updater::start(Settings {
        lists: vec![source.clone()],
        quiet: QUIET,
        ..Settings::default()
    })
    .unwrap();
    let state = updater.states().remove(0);
    assert_eq!((state.entries, state.sha256.len()), (2, 64));
    assert_eq!(updater.reload(Which::All)[0].change, ListChange::Unchanged);
    let inspection = inspect(&source, &Protected::shipped(), None);
    assert_eq!(
        (
            inspection.entries,
            inspection.parsed.entries,
            inspection.refusal
        ),
        (2, 3, None)
    );
}
