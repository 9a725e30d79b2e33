//! All lists from outside: what the commands, the control socket and the start ask of their
//! keepers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::bundle::{Bundle, Origin};
use super::decisions::Generation;
use super::front::LiveFront;
use super::identities::Identities;
use super::listed::ListSource;
use super::mailbox::{Answer, Mailbox, Turn};
use super::prove::Prover;
use super::receipts::Receipts;
use super::refusal::Cause;
use super::removal::SignedRemoval;
use super::roster::{Ground, Roster};
use super::start_refusal::StartRefusal;
use super::state::{ListChange, ListOutcome, ListState};
use super::text::Quiet;
use crate::clock::monotonic;
use crate::list::ListIndex;
use crate::list::guard::{Code, Protected};
use crate::list::removal::{CarriedRemoval, parse_several};
use crate::name::HashKey;
use crate::policy::{Live, Snapshot};
use crate::store::{Journal, Promises};

/// How long the start waits for the first proofs.
const PROOFS: Duration = Duration::from_secs(2);

/// What the updater needs to know.
pub struct Settings {
    /// All lists in the order of the configuration.
    pub lists: Vec<ListSource>,
    /// A changed file is read when nobody has written to it for this long.
    pub quiet: Duration,
    /// The state folder, for lists that are kept there; without it none is.
    pub state: Option<PathBuf>,
    /// What no list may block.
    pub protected: Protected,
    /// Where events are noted.
    pub journal: Journal,
    /// What was promised outside the state folder.
    pub promises: Promises,
}

impl Default for Settings {
    /// No list; what the program carries is protected, and nothing is promised.
    fn default() -> Self {
        let (lists, journal) = (Vec::new(), Journal::default());
        Self {
            lists,
            quiet: Duration::from_millis(100),
            state: None,
            protected: Protected::shipped(),
            journal,
            promises: Promises::default(),
        }
    }
}

/// Keeps the live snapshot equal to what the lists' sources last offered, as long as that is in
/// order.
pub struct Updater {
    lists: Arc<Roster>,
}

/// Which lists to reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// One.
    One(ListIndex),
}

/// Which lists are asked for that are not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInForce {
    /// Any of them.
    Any,
    /// Those without which nothing is to be answered.
    Required,
}

impl Updater {
    /// Put in force what is kept of all lists, under a new key, then what their files hold; a list
    /// of which neither is in order is not in force and goes on being looked for.
    ///
    /// A file that somebody goes on writing to is read when it has come to rest.
    pub fn start(settings: Settings) -> Result<(Arc<Self>, Arc<Live>), StartRefusal> {
        let key = HashKey::random().map_err(StartRefusal::NoRandom)?;
        let live = Arc::new(Live::from_pointee(Snapshot::new(key, Vec::new())));
        let quiet = Quiet::new(settings.quiet);
        let ground = Ground {
            front: Arc::new(LiveFront::new(Arc::clone(&live), settings.protected)),
            quiet: ArcSwap::from_pointee(quiet),
            state: settings.state,
            journal: settings.journal,
            promises: settings.promises,
        };
        let lists = Arc::new(Roster::start(ground, settings.lists)?);
        for list in lists.all() {
            if list.list.text.is_some() {
                list.reread(quiet.at_start());
            }
        }
        Ok((Arc::new(Self { lists }), live))
    }

    /// The place that the list with this id has, or will have when it is set.
    pub fn reserve(&self, id: &str) -> Result<ListIndex, StartRefusal> {
        self.lists.reserve(id)
    }

    /// A changed file is read when nobody has written to it for this long, for lists that are set
    /// from now on.
    pub fn wait_quiet(&self, quiet: Duration) {
        self.lists.ground.quiet.store(Arc::new(Quiet::new(quiet)));
    }

    /// From now on no list that comes may block these.
    pub fn protect(&self, protected: Protected) {
        self.lists.ground.front.protect(protected);
    }

    /// Keep this list from now on, beside the others: a new one, or the one with its id as it is
    /// set up now. What is kept of it is in force when this returns, else what its file holds; what
    /// was in force stays until then. Its place is returned; what looks for lists is to be started
    /// anew.
    ///
    /// Waits for what is being built of it: keep it off the doors' threads.
    pub fn set(&self, list: ListSource) -> Result<ListIndex, StartRefusal> {
        let list = self.lists.set(list)?;
        if list.list.text.is_some() {
            list.reread(self.quiet().at_start());
        }
        Ok(list.list.index)
    }

    /// Take a list away: nothing of it is in force any more when this returns. What is kept of it
    /// stays on disk and is in force when it comes again. An error where there is no such list.
    pub fn take_away(&self, id: &str) -> Result<(), StartRefusal> {
        self.lists.take_away(id)
    }

    /// Read lists' files again and put in force what changed and is in order; what is not leaves
    /// the old list as it is.
    ///
    /// Takes as long as reading takes, and longer where a file is being written to: keep it off the
    /// doors' threads.
    pub fn reload(&self, which: Which) -> Vec<ListOutcome> {
        let is_chosen = |list: &&Mailbox| match which {
            Which::All => true,
            Which::One(index) => list.list.index == index,
        };
        let lists = self.lists.all();
        let chosen = lists.iter().filter(is_chosen);
        chosen.map(|list| list.reread(self.quiet())).collect()
    }

    /// Judge what a source found, and put it in force where it is in order and newer; otherwise the
    /// old list stays. Returns when the list is live or refused: seconds for a million names.
    pub fn take(&self, bundle: Bundle) -> ListOutcome {
        match self.lists.at(bundle.list) {
            Some(list) => list.offer(bundle),
            None => no_such_list(),
        }
    }

    /// Let what the guard held back of a list pass, these findings and no others; written into the
    /// journal with the reason.
    pub fn let_pass(&self, list: ListIndex, codes: &[Code], reason: &str) -> Answer {
        let turn = Turn::Override {
            codes: codes.to_vec(),
            reason: reason.to_owned(),
        };
        match self.lists.at(list) {
            Some(list) => list.answer_of(turn),
            None => Err(NO_SUCH_LIST.to_owned()),
        }
    }

    /// Put an earlier generation in force: this one, or the one before the present. It stays until
    /// a list with a higher serial than any before is accepted, restarts included.
    pub fn roll_back(&self, list: ListIndex, number: Option<u64>, reason: &str) -> ListOutcome {
        let turn = Turn::GoBack {
            number,
            reason: reason.to_owned(),
        };
        let answer = self.lists.at(list).map(|list| list.answer_of(turn));
        answer.and_then(Result::ok).unwrap_or_else(no_such_list)
    }

    /// Open a file of removals and say which list each speaks of; an error says what is wrong with
    /// it.
    pub fn find_removals(&self, octets: &[u8]) -> Result<Vec<(String, SignedRemoval)>, String> {
        let carried = parse_several(octets).map_err(|fault| fault.to_string())?;
        let found = carried.into_iter().map(|carried| {
            let opened = self.open_removal(&carried)?;
            Ok((opened.list()?, opened))
        });
        found.collect()
    }

    /// Open a removal with whichever key fits.
    fn open_removal(&self, carried: &CarriedRemoval) -> Result<SignedRemoval, String> {
        let nobody = Identities::default();
        let lists = self.lists.all();
        let identities = lists.iter().map(|list| &list.list.identities);
        let mut opened = SignedRemoval::open(carried.clone(), &nobody);
        for identities in identities.filter(|identities| identities.is_configured()) {
            opened = opened.or_else(|_| SignedRemoval::open(carried.clone(), identities));
        }
        opened.map_err(|cause| match cause {
            Cause::Note(fault) => fault.to_string(),
            Cause::Secret(reason) => reason,
            _ => "it cannot be read".to_owned(),
        })
    }

    /// Take a removal; live when this returns. It never waits for a list that is being built.
    pub fn take_removal(
        &self,
        list: ListIndex,
        signed: SignedRemoval,
        origin: &Origin,
    ) -> ListOutcome {
        match self.lists.at(list) {
            Some(list) => list.remove(signed, origin),
            None => no_such_list(),
        }
    }

    /// From now on our own doors can be asked; lists that are in force already are proven, which is
    /// waited for, but not for long.
    pub fn open_prover(&self, prover: Prover) {
        let prover = Arc::new(prover);
        let lists = self.lists.open_doors(&prover);
        let proofs = lists.iter().map(|list| list.open_doors(&prover));
        let proofs: Vec<_> = proofs.collect();
        let begun = monotonic();
        for proof in proofs {
            // One that takes longer is told when it is done.
            let _ = proof.recv_timeout(PROOFS.saturating_sub(begun.elapsed()));
        }
    }

    /// The generations of a list that are on disk, oldest first.
    pub fn generations(&self, list: ListIndex) -> Vec<Generation> {
        let list = self.lists.at(list);
        list.map(|list| list.view().generations.clone())
            .unwrap_or_default()
    }

    /// The receipts that were signed for a list, as notes, oldest first.
    pub fn receipts(&self, list: ListIndex) -> Vec<String> {
        let view = self.lists.at(list).map(|list| list.view());
        let folder = view.and_then(|view| view.folder.clone());
        folder
            .map(|folder| Receipts::of(&folder).all())
            .unwrap_or_default()
    }

    /// The place of the list with this id.
    pub fn index_of(&self, id: &str) -> Option<ListIndex> {
        Some(self.lists.named(id)?.list.index)
    }

    /// The ids of the lists that are not in force, of those that the operator requires alone or of
    /// all.
    pub fn missing(&self, which: NotInForce) -> Vec<String> {
        let counts = |list: &&Mailbox| which == NotInForce::Any || list.list.is_required;
        let lists = self.lists.all();
        let lists = lists.iter().filter(counts);
        lists
            .filter(|list| list.view().state.live_since == 0)
            .map(|list| list.list.id.clone())
            .collect()
    }

    /// End the keepers, which write down how far they have come; what still holds this value may
    /// look, and nothing is taken any more.
    pub fn stop(&self) {
        self.lists.stop();
    }

    /// How all lists stand now.
    pub fn states(&self) -> Vec<ListState> {
        let lists = self.lists.all();
        lists.iter().map(|list| list.view().state()).collect()
    }

    /// The snapshots it keeps up to date.
    pub fn live(&self) -> &Arc<Live> {
        &self.lists.ground.front.live
    }

    /// The lists, for what looks for them.
    pub(super) const fn lists(&self) -> &Arc<Roster> {
        &self.lists
    }

    pub(super) fn quiet(&self) -> Quiet {
        **self.lists.ground.quiet.load()
    }
}

const NO_SUCH_LIST: &str = "there is no such list";

fn no_such_list() -> ListOutcome {
    ListOutcome {
        id: String::new(),
        change: ListChange::refused(NO_SUCH_LIST.to_owned()),
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        self.stop();
    }
}
