//! The program is killed at random moments of a list's story, while a change is under way: what is
//! in force afterwards is the old or the new, and what was answered as done holds.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use wardline::clock::wall_s;
use wardline::list::manifest::{Manifest, Settlement};
use wardline::list::removal::Removal;
use wardline::list::{Hash, Scope};
use wardline::name::Name;
use wardline::seal::{Note, SigningKey};

use crate::kit::dice::{self, Dice};
use crate::kit::papers::{manifest, place, sign};
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::{is_blocked, until};

const PATIENCE: Duration = Duration::from_secs(20);
/// Generations that the program keeps.
const KEPT_MAX: usize = 5;
/// Entries that come and go.
const NAMES: [&str; 6] = [
    "a.example",
    "b.example",
    "c.example",
    "d.example",
    "e.example",
    "f.example",
];
/// The guard holds back what lists this.
const STOP_PAGE: &str = "stop.example";
/// Within so much time of its beginning most of a change is done, by the folder's watcher and by
/// commands.
const LOOKED_AT_MS: u64 = 220;
const ASKED_MS: u64 = 60;

/// What the curator and the operator do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Issue,
    HeldBackIssue,
    Override,
    /// Laid into the folder, or handed over by the operator.
    RemovalInFolder,
    RemovalByCommand,
    Rollback,
}

#[derive(Clone)]
struct Issue {
    serial: u64,
    names: BTreeSet<String>,
    settles: Vec<Hash>,
}

impl Issue {
    fn is_held_back(&self) -> bool {
        self.names.contains(STOP_PAGE)
    }
}

#[derive(Clone)]
struct Removed {
    name: String,
    note: Note,
    hash: Hash,
    is_in_folder: bool,
}

/// How the list stands: what was decided, and what follows from it.
#[derive(Clone, Default)]
struct Standing {
    kept: Vec<Issue>,
    /// The one in force, among them.
    live: usize,
    is_rolled_back: bool,
    removals: Vec<Removed>,
    held: Option<Issue>,
}

impl Standing {
    fn blocked(&self) -> BTreeSet<String> {
        let Some(live) = self.kept.get(self.live) else {
            return BTreeSet::new();
        };
        let holds = |removed: &&Removed| !live.settles.contains(&removed.hash);
        let removals = self.removals.iter().filter(holds);
        let removed: BTreeSet<String> = removals.map(|removed| removed.name.clone()).collect();
        live.names.difference(&removed).cloned().collect()
    }

    fn accept(&mut self, issue: Issue) {
        self.kept.push(issue);
        let surplus = self.kept.len().saturating_sub(KEPT_MAX);
        self.kept.drain(..surplus);
        (self.live, self.is_rolled_back) = (self.kept.len() - 1, false);
        self.held = None;
    }
}

/// How often a kill met which of the two.
#[derive(Default)]
struct Met {
    old: usize,
    new: usize,
    /// Of the new ones, those that had been answered as done.
    told: usize,
}

struct Story {
    dice: Dice,
    key: SigningKey,
    folder: TempDir,
    standing: Standing,
    serial: u64,
    running: Running,
    met: Met,
}

impl Story {
    fn start(seed: u64) -> Self {
        let key = SigningKey::generate("curator.test").expect("a key");
        let folder = TempDir::new().expect("a folder");
        let running = Program::new()
            .toml(&format!("[lists]\nnever_block_names = [{STOP_PAGE:?}]\n"))
            .signed_folder(&key, folder.path())
            .start();
        let mut story = Self {
            dice: Dice(seed),
            key,
            folder,
            standing: Standing::default(),
            serial: 0,
            running,
            met: Met::default(),
        };
        for _ in 0..2 {
            let issue = story.make_issue(false);
            story.put(&issue);
            story.standing.accept(issue);
            story.wait_for(&story.standing.blocked());
        }
        story
    }

    fn run(mut self, kills: usize) -> Met {
        for number in 1..=kills {
            let change = self.choose();
            let context = format!("kill {number}, {change:?}");
            println!("{context}");
            self.kill_during(change, &context);
        }
        self.running.kill(libc::SIGTERM);
        assert_eq!(self.running.wait_exit(), 0);
        self.met
    }

    fn choose(&mut self) -> Change {
        let is_removable = !self.removable().is_empty();
        loop {
            let change = match self.dice.roll(100) {
                0..20 => Change::Issue,
                20..35 => Change::HeldBackIssue,
                35..60 => Change::Override,
                60..70 => Change::RemovalInFolder,
                70..85 => Change::RemovalByCommand,
                _ => Change::Rollback,
            };
            let is_possible = match change {
                Change::Issue | Change::HeldBackIssue => true,
                Change::Override => self.standing.held.is_some(),
                Change::RemovalInFolder | Change::RemovalByCommand => is_removable,
                Change::Rollback => self.standing.live > 0,
            };
            if is_possible {
                return change;
            }
        }
    }

    /// Names of the common ones that are blocked.
    fn removable(&self) -> Vec<String> {
        let blocked = self.standing.blocked().into_iter();
        let blocked = blocked.filter(|name| NAMES.contains(&name.as_str()));
        blocked.collect()
    }

    /// Begin a change, kill the program in the middle of it, and bring the change to its end after
    /// the restart.
    fn kill_during(&mut self, change: Change, context: &str) {
        let (before, held) = (self.standing.blocked(), self.standing.held.clone());
        let asker = self.begin(change);
        let most = if asker.is_some() {
            ASKED_MS
        } else {
            LOOKED_AT_MS
        };
        let moment = Duration::from_micros(self.dice.roll(most * 1000));
        thread::sleep(moment);
        self.running.kill(libc::SIGKILL);
        assert_eq!(self.running.wait_exit(), 128 + libc::SIGKILL, "{context}");
        let is_told = asker.is_some_and(|mut asker| asker.wait().expect("an end").success());
        self.running.restart();

        let (found, after) = (self.found(), self.standing.blocked());
        let said = || format!("{context} after {moment:?}, told: {is_told}");
        assert!(found == before || found == after, "{}: {found:?}", said());
        assert!(found == after || !is_told, "{}: {found:?}", said());
        let is_new = found == after;
        self.met.told += usize::from(is_told);
        self.met.new += usize::from(is_new);
        self.met.old += usize::from(!is_new);
        self.bring_to_its_end(change, held.as_ref());
        self.check_status(context);
    }

    /// Begin it, and take it as done in what is expected.
    fn begin(&mut self, change: Change) -> Option<Child> {
        match change {
            Change::Issue => {
                let issue = self.make_issue(false);
                self.put(&issue);
                self.standing.accept(issue);
                None
            }
            Change::HeldBackIssue => {
                let issue = self.make_issue(true);
                self.put(&issue);
                self.standing.held = Some(issue);
                None
            }
            Change::Override => {
                let held = self.standing.held.take().expect("one that is held back");
                self.standing.accept(held);
                Some(self.ask(&override_words()))
            }
            Change::RemovalInFolder => {
                self.make_removal(true);
                self.put_removals();
                None
            }
            Change::RemovalByCommand => {
                self.make_removal(false);
                Some(self.ask(&self.remove_words()))
            }
            Change::Rollback => {
                self.standing.live -= 1;
                self.standing.is_rolled_back = true;
                Some(self.ask(&rollback_words()))
            }
        }
    }

    /// What lies in the folder comes in force by itself; what somebody asked for, and was not told
    /// to be done, is asked for again.
    fn bring_to_its_end(&mut self, change: Change, held: Option<&Issue>) {
        let after = self.standing.blocked();
        let words = match change {
            Change::Override => Some(override_words()),
            Change::RemovalByCommand => Some(self.remove_words()),
            Change::Rollback => Some(rollback_words()),
            _ => None,
        };
        if change == Change::Override && held.is_some() {
            // It is held back, or has been let pass and comes in force by itself.
            until("the override", PATIENCE, || {
                let is_held = self.is_told_to_be_held();
                (is_held || self.found() == after).then_some(())
            });
        }
        if let Some(words) = words.filter(|_| self.found() != after) {
            let status = self.ask(&words).wait().expect("an end");
            assert!(status.success() || self.found() == after, "{change:?}");
            if change == Change::Rollback {
                // What was held back is dropped, until the folder is read again.
                self.running.restart();
                assert_eq!(self.found(), after);
            }
        }
        self.wait_for(&after);
        if self.standing.held.is_some() {
            until("what is held back", PATIENCE, || {
                self.is_told_to_be_held().then_some(())
            });
        }
    }

    fn check_status(&self, context: &str) {
        let state = self.state();
        let live = &self.standing.kept[self.standing.live];
        assert_eq!(state["serial"], live.serial, "{context}: {state}");
        assert_eq!(
            state["is_rolled_back"], self.standing.is_rolled_back,
            "{context}: {state}"
        );
        let overrides = state["overrides"].as_array().expect("overrides");
        assert_eq!(
            !overrides.is_empty(),
            live.is_held_back(),
            "{context}: {state}"
        );
        assert_eq!(self.found(), self.standing.blocked(), "{context}");
    }

    fn make_issue(&mut self, is_held_back: bool) -> Issue {
        self.serial += 1;
        let common = NAMES.iter().filter(|_| self.dice.roll(3) > 0);
        let mut names: BTreeSet<String> = common.map(|name| (*name).to_owned()).collect();
        // By this one each issue is told from the others.
        names.insert(own_name(self.serial));
        names.extend(is_held_back.then(|| STOP_PAGE.to_owned()));
        let mut settles: Vec<Hash> = self.standing.removals.iter().map(|one| one.hash).collect();
        settles.retain(|_| self.dice.roll(2) > 0);
        settles.sort_unstable();
        Issue {
            serial: self.serial,
            names,
            settles,
        }
    }

    fn put(&self, issue: &Issue) {
        let entries: String = issue.names.iter().map(|name| format!("{name}\n")).collect();
        let manifest = Manifest {
            expires: wall_s() + 30 * 86_400,
            settles: Settlement::Named(issue.settles.clone()),
            ..manifest("signed", issue.serial, &entries)
        };
        let note = sign(&self.key, &manifest.to_text());
        place(self.folder.path(), &manifest.entries_file(), &entries);
        place(self.folder.path(), "signed.manifest", note.to_string());
    }

    fn make_removal(&mut self, is_in_folder: bool) {
        let names = self.removable();
        let name = names[self.dice.roll(names.len() as u64) as usize].clone();
        let now = wall_s();
        let removal = Removal {
            list: "signed".to_owned(),
            from: now,
            until: now + 86_400,
            reason: format!("mistake {}", self.standing.removals.len()),
            entries: vec![(Name::parse(&name).expect("a name"), Scope::Below)],
        };
        self.standing.removals.push(Removed {
            name,
            note: sign(&self.key, &removal.to_text()),
            hash: removal.hash(),
            is_in_folder,
        });
    }

    /// The last ones that were made for the folder.
    fn put_removals(&self) {
        let removals = self.standing.removals.iter().rev();
        let removals = removals.filter(|removed| removed.is_in_folder).take(50);
        let text: String = removals.map(|removed| removed.note.to_string()).collect();
        place(self.folder.path(), "signed.removal", &text);
    }

    /// The last one, handed over by the operator.
    fn remove_words(&self) -> Vec<String> {
        let removed = self.standing.removals.last().expect("a removal");
        place(self.folder.path(), "handed-over", removed.note.to_string());
        let place = self.folder.path().join("handed-over");
        vec!["remove".to_owned(), place.display().to_string()]
    }

    fn ask(&self, words: &[String]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_wardline"))
            .args(words)
            .arg("--config")
            .arg(self.running.config_file())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program")
    }

    /// Which of all names are blocked, over UDP. Twice the same: else a change came in between.
    fn found(&self) -> BTreeSet<String> {
        let mut before = self.read_blocked();
        loop {
            let found = self.read_blocked();
            if found == before {
                return found;
            }
            before = found;
        }
    }

    fn read_blocked(&self) -> BTreeSet<String> {
        let own = (1..=self.serial).rev().take(4 * KEPT_MAX).map(own_name);
        let names = NAMES.iter().map(|name| (*name).to_owned());
        let names = names.chain([STOP_PAGE.to_owned()]).chain(own);
        names
            .filter(|name| is_blocked(&self.running, name))
            .collect()
    }

    fn wait_for(&self, blocked: &BTreeSet<String>) {
        until(&format!("{blocked:?}"), PATIENCE, || {
            (self.found() == *blocked).then_some(())
        });
    }

    fn state(&self) -> Value {
        self.running.json(&["status", "--json"])["lists"][0].clone()
    }

    fn is_told_to_be_held(&self) -> bool {
        let said = self.state()["last_refusal"]["message"].to_string();
        said.contains("guard.never-block")
    }
}

fn own_name(serial: u64) -> String {
    format!("s{serial}.example")
}

fn override_words() -> Vec<String> {
    let words = "reload signed --override guard.never-block --reason meant";
    words.split(' ').map(str::to_owned).collect()
}

fn rollback_words() -> Vec<String> {
    let words = "rollback signed --reason mistake";
    words.split(' ').map(str::to_owned).collect()
}

/// Several programs at once; the seed is printed, and WARDLINE_SEED gives it again.
fn kill_in_parallel(programs: usize, kills: usize) {
    let seed = dice::seed();
    let begun = Instant::now();
    let killers = (0..programs as u64).map(|number| {
        let seed = seed.wrapping_add(number);
        thread::spawn(move || Story::start(seed).run(kills))
    });
    let mut sum = Met::default();
    for killer in killers.collect::<Vec<_>>() {
        let met = killer.join().expect("kills");
        sum.old += met.old;
        sum.new += met.new;
        sum.told += met.told;
    }
    println!(
        "{} kills: {} found the old in force and {} the new, {} of these told to be done; {:.1?}",
        programs * kills,
        sum.old,
        sum.new,
        sum.told,
        begun.elapsed()
    );
    assert_eq!(sum.old + sum.new, programs * kills);
}

#[test]
fn a_kill_within_a_change_leaves_the_old_or_the_new() {
    kill_in_parallel(3, 8);
}

#[test]
#[ignore = "long run: a thousand kills take some minutes"]
fn a_thousand_kills_within_a_change_lose_no_decision() {
    kill_in_parallel(8, 125);
}
