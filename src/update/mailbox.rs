//! How everybody else speaks to a list's keeper, and what they may see of the list.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::bundle::{Bundle, Origin, Way};
use super::decisions::{Generation, KeptTrial};
use super::disk::Stored;
use super::flow::{Built, Kept};
use super::listed::ListSource;
use super::prove::{ProbeAnswers, Prover, Unproven};
use super::refusal::Cause;
use super::removal::SignedRemoval;
use super::state::{ListChange, ListOutcome, ListView};
use super::text::{FileWriter, Quiet};
use crate::clock::now_ms;
use crate::list::guard::Code;
use crate::seal::Note;

/// Messages that wait; one more waits with its sender.
const MESSAGES_MAX: usize = 32;

/// What became of a list; an error says why nothing was tried.
pub(super) type Answer = Result<ListOutcome, String>;
/// Who waits for the answer; nobody where the keeper does something by itself.
pub(super) type Asker = Option<SyncSender<Answer>>;

/// What a keeper is told.
pub(super) enum KeeperMessage {
    /// To be done in turn: it takes long.
    Turn(Turn, Asker),
    /// To be done at once.
    Remove(Box<SignedRemoval>, Origin, Asker),
    /// A chain of keys, to be followed at once.
    Keys(Vec<u8>, Origin, Asker),
    /// Is this manifest worth fetching what it names?
    Wants(Box<Note>, SyncSender<Result<bool, Cause>>),
    /// A source brings nothing, and why.
    Trouble(Cause, String),
    /// A source has nothing newer than what is in force.
    Current,
    /// A source was reached, whatever it has.
    Reached,
    /// A source is looked at this often from now on.
    Pace(Duration),
    /// Our own doors can be asked from now on.
    Doors(Arc<Prover>, Asker),
    /// Long work has come to an end.
    Done(Done, Asker),
    /// The program stops.
    Stop,
    /// The list goes, or another keeper follows: end after what is being built.
    Leave,
    /// What time brings about is to be done now.
    #[cfg(test)]
    Tick(Asker),
}

/// What takes long, one thing after the other.
pub(super) enum Turn {
    /// A source offers something.
    Offer(ListOffer),
    /// The list's own file is to be read, or its sources looked at.
    Reread(Quiet),
    /// The operator lets what is held back pass.
    Override { codes: Vec<Code>, reason: String },
    /// What is in force needs a revoked key.
    Replace,
    /// The operator goes back to a generation, or to the one before.
    GoBack { number: Option<u64>, reason: String },
}

/// What is offered, again where it has to be.
pub(super) struct ListOffer {
    pub(super) bundle: Bundle,
    pub(super) received_ms: i64,
    /// It is tried out, and an earlier run began with that.
    pub(super) resumed: Option<KeptTrial>,
    /// It was offered before, and is tried again.
    pub(super) is_again: bool,
}

impl ListOffer {
    pub(super) fn new(bundle: Bundle) -> Self {
        Self {
            bundle,
            received_ms: now_ms(),
            resumed: None,
            is_again: false,
        }
    }

    /// Can it be offered again by whoever has this alone? The list's own file is looked at by its
    /// watcher, and a zone is transferred again.
    pub(super) fn is_repeatable(&self) -> bool {
        let is_offered_again = matches!(self.bundle.origin.way, Way::File | Way::Transfer);
        self.resumed.is_some() || !is_offered_again
    }
}

/// What long work came to.
pub(super) enum Done {
    /// Built, and what was built, should it have to be tried again.
    Built(Box<(Built, ListOffer)>),
    TakenBack(Box<TakenBack>),
    /// What is in force was put into the list's folder.
    Stored(Box<(Generation, io::Result<Stored>)>),
    Proven {
        unproven: Box<Unproven>,
        answers: ProbeAnswers,
        change: ListChange,
    },
    /// It met a fault of the program.
    Panicked,
}

/// A generation that was read back.
pub(super) struct TakenBack {
    pub(super) target: Generation,
    /// Why the operator goes back to it; none where it is in force, and an entry of it is over.
    pub(super) reason: Option<String>,
    pub(super) result: Result<Kept, Cause>,
}

/// A list's keeper, seen from outside.
#[derive(Clone)]
pub(super) struct Mailbox {
    pub(super) list: Arc<ListSource>,
    to: SyncSender<KeeperMessage>,
    view: Arc<ArcSwap<ListView>>,
    /// The watcher saw somebody write to the list's file and not close it yet.
    is_written: Arc<AtomicBool>,
}

impl Mailbox {
    pub(super) fn new(list: Arc<ListSource>, view: ListView) -> (Self, Receiver<KeeperMessage>) {
        let (to, inbox) = sync_channel(MESSAGES_MAX);
        let mailbox = Self {
            list,
            to,
            view: Arc::new(ArcSwap::from_pointee(view)),
            is_written: Arc::default(),
        };
        (mailbox, inbox)
    }

    /// What may be seen of the list now.
    pub(super) fn view(&self) -> Arc<ListView> {
        self.view.load_full()
    }

    pub(super) fn publish(&self, view: ListView) {
        self.view.store(Arc::new(view));
    }

    /// Have something judged that a source found; returns when it is live or refused, which takes
    /// seconds for a million names.
    pub(super) fn offer(&self, bundle: Bundle) -> ListOutcome {
        self.take_turn(Turn::Offer(ListOffer::new(bundle)))
    }

    /// Have the list's own file read, or its sources looked at.
    pub(super) fn reread(&self, quiet: Quiet) -> ListOutcome {
        self.take_turn(Turn::Reread(quiet))
    }

    fn take_turn(&self, turn: Turn) -> ListOutcome {
        self.outcome(self.answer_of(turn))
    }

    /// What became of the list; where nothing was tried, that is a refusal.
    fn outcome(&self, answer: Answer) -> ListOutcome {
        answer.unwrap_or_else(|message| ListOutcome {
            id: self.list.id.clone(),
            change: ListChange::refused(message),
        })
    }

    /// Have something done in turn; an error says why nothing was tried.
    pub(super) fn answer_of(&self, turn: Turn) -> Answer {
        self.ask(|asker| KeeperMessage::Turn(turn, asker))
    }

    /// Have a removal taken; it never waits for a list that is being built.
    pub(super) fn remove(&self, signed: SignedRemoval, origin: &Origin) -> ListOutcome {
        let removed =
            self.ask(|asker| KeeperMessage::Remove(Box::new(signed), origin.clone(), asker));
        self.outcome(removed)
    }

    /// Have a chain of keys followed.
    pub(super) fn follow_keys(&self, octets: &[u8], origin: &Origin) -> ListOutcome {
        let keys = octets.to_vec();
        let followed = self.ask(|asker| KeeperMessage::Keys(keys, origin.clone(), asker));
        self.outcome(followed)
    }

    fn ask(&self, message: impl FnOnce(Asker) -> KeeperMessage) -> Answer {
        let (asker, answer) = sync_channel(1);
        // Without a keeper nobody answers either.
        let _ = self.to.send(message(Some(asker)));
        let stopped = || {
            format!(
                "list {}: nothing is taken any more: the program stops, or the list is set up anew",
                self.list.id
            )
        };
        answer.recv().unwrap_or_else(|_| Err(stopped()))
    }

    /// Is a manifest to be believed, and above the one in force? Asked before its entries are
    /// fetched.
    pub(super) fn wants(&self, note: &Note) -> Result<bool, Cause> {
        let (asker, answer) = sync_channel(1);
        let _ = self
            .to
            .send(KeeperMessage::Wants(Box::new(note.clone()), asker));
        answer.recv().unwrap_or(Err(Cause::Stopping))
    }

    /// Note that a source brings nothing, and why; the list stays as it is.
    pub(super) fn note_trouble(&self, cause: Cause, place: &str) {
        self.tell(KeeperMessage::Trouble(cause, place.to_owned()));
    }

    /// Note that a source has nothing newer than what is in force.
    pub(super) fn note_current(&self) {
        self.tell(KeeperMessage::Current);
    }

    /// Note that a source was reached, whatever it has.
    pub(super) fn note_reached(&self) {
        self.tell(KeeperMessage::Reached);
    }

    /// Note how often a source is looked at from now on.
    pub(super) fn note_pace(&self, every: Duration) {
        self.tell(KeeperMessage::Pace(every));
    }

    /// Our own doors can be asked from now on; something comes back when that is done.
    pub(super) fn open_doors(&self, prover: &Arc<Prover>) -> Receiver<Answer> {
        let (asker, done) = sync_channel(1);
        self.tell(KeeperMessage::Doors(Arc::clone(prover), Some(asker)));
        done
    }

    /// End the keeper's thread; a full box ends it as soon as it is read.
    pub(super) fn stop(&self) {
        let _ = self.to.try_send(KeeperMessage::Stop);
    }

    /// End the keeper's thread once nothing is being built.
    pub(super) fn leave(&self) {
        self.tell(KeeperMessage::Leave);
    }

    /// Have done what time brings about, before the next tick.
    #[cfg(test)]
    pub(super) fn tick(&self) {
        let _ = self.ask(KeeperMessage::Tick);
    }

    /// Tell what long work came to.
    pub(super) fn finish(&self, done: Done, asker: Asker) {
        self.tell(KeeperMessage::Done(done, asker));
    }

    fn tell(&self, message: KeeperMessage) {
        // The keeper has ended: the program stops.
        let _ = self.to.send(message);
    }

    pub(super) fn writer(&self) -> FileWriter {
        if self.is_written.load(Relaxed) {
            FileWriter::Open
        } else {
            FileWriter::Closed
        }
    }

    /// Somebody writes to the list's file, or has closed it.
    pub(super) fn note_writer(&self, is_written: bool) {
        self.is_written.store(is_written, Relaxed);
    }
}
