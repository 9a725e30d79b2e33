//! A list's keeper: a thread that alone owns how the list stands. It takes messages, has long work
//! done aside, and does by itself what time brings about.

mod again;
mod aside;
mod entering;
mod keys;
mod operator;
mod own_file;
mod tries;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::against::Rest;
use super::bundle::Origin;
use super::flow::{self, Belief, Guarded, Offered};
use super::front::LiveFront;
use super::mailbox::{Asker, Done, KeeperMessage, ListOffer, Mailbox, TakenBack, Turn};
use super::prove::{Prover, Unproven};
use super::refusal::Cause;
use super::refused::RefusedOffer;
use super::removal::SignedRemoval;
use super::stand::Stand;
use super::state::{ListChange, ListOutcome, ListState, ListView};
use super::text::Quiet;
use super::trial::OnTrial;
use crate::clock::{monotonic, wall_s};

/// How often it looks what time has brought about.
const TICK: Duration = Duration::from_millis(200);

/// What coming in force came to, with what is to be proven.
type Entering = Result<(ListChange, Option<Unproven>), Box<RefusedOffer>>;

/// How often a trial's verdict so far is written down.
const SAVE: Duration = Duration::from_secs(10);

/// One list's keeper.
pub(super) struct ListKeeper {
    stand: Stand,
    front: Arc<LiveFront>,
    own: Mailbox,
    quiet: Quiet,
    trial: Option<Box<OnTrial<Guarded>>>,
    prover: Option<Arc<Prover>>,
    /// In force, and our doors cannot be asked yet.
    unproven: Option<Unproven>,
    turns: VecDeque<(Turn, Asker)>,
    /// Something is being built.
    is_busy: bool,
    /// Nothing more is begun.
    is_leaving: bool,
    again: Option<Again>,
    /// What too few of today's keys have signed: other keys may come.
    awaits_keys: Option<ListOffer>,
    /// When a kept generation that is awaited is read again.
    awaited_due: Instant,
    /// When the sources are to be looked at again, where one has what was refused for a reason that
    /// passes.
    look_due: Option<Instant>,
    saved: Instant,
}

/// What was refused for a reason that passes.
struct Again {
    offer: ListOffer,
    due: Instant,
}

impl ListKeeper {
    /// Start the thread of a list that stands like this.
    pub(super) fn start(
        stand: Stand,
        unproven: Option<Unproven>,
        front: &Arc<LiveFront>,
        quiet: Quiet,
    ) -> std::io::Result<(Mailbox, JoinHandle<()>)> {
        let (own, inbox) = Mailbox::new(Arc::clone(&stand.list), view(&stand, stand.state.clone()));
        let keeper = Self {
            stand,
            front: Arc::clone(front),
            own: own.clone(),
            quiet,
            trial: None,
            prover: None,
            unproven,
            turns: VecDeque::new(),
            is_busy: false,
            is_leaving: false,
            again: None,
            awaits_keys: None,
            awaited_due: monotonic(),
            look_due: None,
            saved: monotonic(),
        };
        let thread = std::thread::Builder::new()
            .name("list".to_owned())
            .spawn(move || keeper.run(&inbox))?;
        Ok((own, thread))
    }

    fn run(mut self, inbox: &Receiver<KeeperMessage>) {
        self.take_up_trial();
        self.take_up_waiting();
        let mut ticked = monotonic();
        loop {
            match inbox.recv_timeout(TICK.saturating_sub(ticked.elapsed())) {
                Ok(KeeperMessage::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.is_leaving {
                if self.is_busy {
                    continue;
                }
                break;
            }
            if ticked.elapsed() >= TICK {
                ticked = monotonic();
                self.pass_time();
            }
            while !self.is_busy
                && let Some((turn, asker)) = self.turns.pop_front()
            {
                self.begin(turn, asker);
            }
            self.publish();
        }
        self.save_trial();
        self.stand.catch_up();
    }

    fn take(&mut self, message: KeeperMessage) {
        match message {
            KeeperMessage::Turn(turn, asker) => self.turns.push_back((turn, asker)),
            KeeperMessage::Remove(signed, origin, asker) => self.remove(&signed, &origin, asker),
            KeeperMessage::Keys(octets, origin, asker) => self.take_keys(&octets, &origin, asker),
            KeeperMessage::Wants(note, asker) => {
                let standing = self.stand.judge(&note);
                let wants = standing.map(|standing| standing.is_newer());
                self.note_wants(&wants);
                let _ = asker.send(wants);
            }
            KeeperMessage::Trouble(cause, place) => {
                self.stand.note_refusal(cause, &place, None);
            }
            KeeperMessage::Reached => self.stand.state.reached = Some(wall_s()),
            KeeperMessage::Pace(every) => self.stand.pace = Some(every),
            KeeperMessage::Current => {
                self.stand.state.reached = Some(wall_s());
                self.stand.note_unchanged();
            }
            KeeperMessage::Doors(prover, asker) => self.open_doors(prover, asker),
            KeeperMessage::Done(done, asker) => self.finish(done, asker),
            KeeperMessage::Stop => {}
            KeeperMessage::Leave => self.is_leaving = true,
            #[cfg(test)]
            KeeperMessage::Tick(asker) => {
                self.pass_time();
                self.answer(asker, ListChange::Unchanged);
            }
        }
    }

    /// Answer, after what changed can be seen.
    fn answer(&self, asker: Asker, change: ListChange) {
        self.publish();
        if let Some(asker) = asker {
            let id = self.stand.list.id.clone();
            // Whoever asked may have gone.
            let _ = asker.send(Ok(ListOutcome { id, change }));
        }
    }

    fn publish(&self) {
        let serial = self.stand.on_trial.and_then(|tried| tried.serial);
        let trial = self.trial.as_ref();
        let trial = trial.map(|trial| trial.state(&self.stand.list.stage, serial));
        let state = ListState {
            trial,
            ..self.stand.state.clone()
        };
        let trial = self.trial.as_ref();
        let shadow = trial.map(|trial| (Arc::clone(&trial.shadow), trial.counted_before()));
        let view = view(&self.stand, state);
        self.own.publish(ListView { shadow, ..view });
    }

    fn remove(&mut self, signed: &SignedRemoval, origin: &Origin, asker: Asker) {
        let change = match self.stand.remove(signed, &self.front) {
            Ok(change) => change,
            Err(cause) => self.stand.note_refusal(cause, &origin.place, None),
        };
        self.front.tidy();
        self.answer(asker, change);
    }

    /// Begin what takes long, or be done with it at once.
    fn begin(&mut self, turn: Turn, asker: Asker) {
        match turn {
            Turn::Offer(offer) => self.offer(offer, None, asker),
            Turn::Reread(quiet) => self.reread(quiet, asker),
            Turn::Replace => self.replace_revoked(asker),
            Turn::Override { codes, reason } => {
                if let Err(message) = self.let_pass(&codes, &reason, &asker) {
                    self.publish();
                    if let Some(asker) = asker {
                        let _ = asker.send(Err(message));
                    }
                }
            }
            Turn::GoBack { number, reason } => self.go_back(number, reason, asker),
        }
    }

    fn offer(&mut self, offer: ListOffer, rest: Option<Rest>, asker: Asker) {
        let offered = Offered {
            bundle: offer.bundle.clone(),
            received_ms: offer.received_ms,
            rest,
        };
        match flow::believe(offered, &self.stand) {
            Ok(Belief::Known(known_by)) => {
                let trial = self.trial.as_ref();
                let trial = trial.filter(|trial| trial.tried.known_by == known_by);
                let change = match trial {
                    Some(trial) => trial.change(&self.stand.list.stage),
                    // What is held back is newer, and still is.
                    None if self.stand.held.is_some() => ListChange::Unchanged,
                    None => self.stand.note_unchanged(),
                };
                self.keep_waiting();
                self.answer(asker, change);
            }
            Ok(Belief::New(vouched)) => {
                if offer.resumed.is_none() && !offer.is_again {
                    let times = [offer.received_ms, vouched.verified_ms];
                    let origin = &offer.bundle.origin;
                    self.stand
                        .note_vouched(vouched.believed.as_ref(), origin, times);
                }
                self.build(*vouched, offer, asker);
            }
            Err(refused) => {
                let change = self.refuse(refused, Some(offer));
                self.answer(asker, change);
            }
        }
    }

    fn finish(&mut self, done: Done, asker: Asker) {
        match done {
            Done::Built(built) => {
                let (built, offer) = *built;
                self.is_busy = false;
                self.note_sight(&built);
                let ended = match built.result {
                    Ok(None) => {
                        let change = self.stand.note_unchanged();
                        self.stand.release();
                        Ok((change, None))
                    }
                    Ok(Some(guarded)) => self.admit(guarded, offer.resumed.as_ref()),
                    Err(refused) => Err(refused),
                };
                self.end(ended, Some(offer), asker);
            }
            Done::TakenBack(taken) => {
                let TakenBack {
                    target,
                    reason,
                    result,
                } = *taken;
                self.is_busy = false;
                let entered = match &reason {
                    Some(reason) => result.and_then(|kept| self.enter_again(kept, &target, reason)),
                    None => result
                        .and_then(|kept| self.stand.judge_kept(kept))
                        .map(|kept| self.renew(kept)),
                };
                match (entered, reason) {
                    (Ok(entered), _) => self.end(Ok(entered), None, asker),
                    (Err(cause), Some(_)) => {
                        let change = self.refuse_rollback(cause);
                        self.answer(asker, change);
                    }
                    (Err(cause), None) => {
                        let change = self.await_kept(cause, target);
                        self.answer(asker, change);
                    }
                }
            }
            Done::Stored(stored) => {
                self.is_busy = false;
                self.note_stored(stored.0, stored.1);
                self.publish();
            }
            Done::Panicked => {
                self.is_busy = false;
                let place = self.stand.list.place();
                let change = self.stand.note_refusal(Cause::Panic, &place, None);
                self.answer(asker, change);
            }
            Done::Proven {
                unproven,
                answers,
                change,
            } => {
                if let Some(prover) = self.prover.clone() {
                    self.stand.note_proof(&unproven, answers, &prover);
                }
                self.answer(asker, change);
            }
        }
    }

    /// What came in force is proven before anybody is told.
    fn end(&mut self, ended: Entering, offer: Option<ListOffer>, asker: Asker) {
        self.front.tidy();
        match ended {
            Ok((change, None)) => self.answer(asker, change),
            Ok((change, Some(unproven))) => self.prove(unproven, change, asker),
            Err(refused) => {
                let change = self.refuse(refused, offer);
                self.answer(asker, change);
            }
        }
    }

    /// Do what is due by now.
    fn pass_time(&mut self) {
        let stage = &self.stand.list.stage;
        if !self.is_busy
            && let Some(trial) = self.trial.take_if(|trial| trial.is_due(stage))
        {
            self.end_trial(*trial);
        }
        if self.trial.is_some() && self.saved.elapsed() >= SAVE {
            self.save_trial();
        }
        self.stand.enforce(&self.front);
        self.stand.note_alarms(wall_s());
        self.stand.catch_up();
        self.front.tidy();
        if self.is_busy || !self.turns.is_empty() {
            return;
        }
        if !self.try_again() && self.stand.is_stale_at(wall_s()) {
            self.read_in_force_again();
        }
    }
}

/// What others may see of a list that stands like this.
fn view(stand: &Stand, state: ListState) -> ListView {
    let shelf = stand.shelf.as_ref();
    ListView {
        state,
        generations: shelf
            .map(|shelf| shelf.record.generations.clone())
            .unwrap_or_default(),
        shadow: None,
        folder: stand.folder(),
        attempted: stand.attempted,
        asked: stand.asked,
    }
}
