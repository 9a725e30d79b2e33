//! One visit to a primary over TCP: ask for the serial, then for the changes or the whole zone.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tracing::info;
use zeroize::Zeroizing;

use super::copy::{self, Draft, ZoneCopy};
use super::intake::{self, AskedPrimary, Harvest, Intake};
use super::message::{self, Answer, Soa};
use super::serial::is_newer;
use super::tsig::TsigKey;
use super::zone::SecondaryZone;
use super::{tsig, tsig_fault};
use crate::clock::{monotonic, wall_s};
use crate::wire::{HEADER_OCTETS, Section, rcode, rtype};

const CONNECT: Duration = Duration::from_secs(5);
/// A primary that is silent for this long is given up.
const IDLE: Duration = Duration::from_secs(10);
/// How often a waiting visit looks whether the program stops.
const LOOK: Duration = Duration::from_millis(100);
const RCODE_NOTAUTH: u16 = 9;
const MESSAGE_OCTETS_MAX: usize = u16::MAX as usize;

/// What a visit found.
pub(super) enum FetchedZone {
    /// The zone as we have it, or the timers that it has now.
    Current,
    /// A newer zone, not yet kept.
    New(Draft),
}

/// Why a visit brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TransferFault {
    #[error("cannot be reached ({0}): check its address, and that it answers over TCP")]
    Connect(io::Error),
    #[error("the connection broke ({0})")]
    Io(#[from] io::Error),
    #[error("the transfer ended before its last record")]
    Truncated,
    #[error("nothing came for {} s", IDLE.as_secs())]
    Silent,
    #[error(
        "the transfer took longer than {0} s: raise `time_s_max` if the zone is meant to be so \
         large"
    )]
    Slow(u64),
    #[error("an answer to another question came")]
    Mismatch,
    #[error("it answers {}", told(*.0))]
    Rcode(u16),
    #[error("{0}")]
    Tsig(#[from] tsig_fault::TsigFault),
    #[error("{0}")]
    Intake(#[from] intake::IntakeFault),
    #[error("{0}")]
    Copy(#[from] copy::CopyFault),
    #[error("{0}")]
    Key(String),
    #[error("the system's random source failed ({0})")]
    Random(getrandom::Error),
    #[error("the program stops")]
    Stopped,
}

fn told(code: u16) -> String {
    match code {
        rcode::FORMERR => "that it cannot read the question (FORMERR)".to_owned(),
        rcode::SERVFAIL => "SERVFAIL: look whether it has the zone loaded".to_owned(),
        rcode::NOTIMP => "that it does not know zone transfer (NOTIMP)".to_owned(),
        rcode::REFUSED => {
            "REFUSED: allow this resolver, and its key, to transfer the zone there".to_owned()
        }
        RCODE_NOTAUTH => {
            "that it does not have the zone, or does not take our key (NOTAUTH)".to_owned()
        }
        _ => format!("with response code {code}"),
    }
}

/// Who asks, for what, and under which key.
#[derive(Clone, Copy)]
pub(super) struct Visit<'z> {
    pub(super) zone: &'z SecondaryZone,
    pub(super) key: Option<&'z TsigKey>,
    pub(super) stop: &'z AtomicBool,
}

/// Bring what the primary has newer than `copy`; at `path` the copy is or will be.
pub(super) fn visit(
    visit: &Visit<'_>,
    primary: SocketAddr,
    copy: Option<&ZoneCopy>,
    path: &Path,
) -> Result<FetchedZone, TransferFault> {
    let zone = visit.zone;
    let deadline = monotonic() + zone.time_max;
    let open = || TransferConnection::open(*visit, primary, deadline);
    let mut connection = open()?;
    let offered = connection.ask_soa()?.serial;
    let Some(copy) = copy else {
        return whole(&mut connection, None, path);
    };
    let have = copy.soa.serial;
    if have == offered {
        return Ok(FetchedZone::Current);
    }
    if !is_newer(offered, have) {
        return Err(intake::IntakeFault::Backwards { have, offered }.into());
    }
    let changed = connection
        .transfer(AskedPrimary::Since(have), Some(have))
        .and_then(|harvest| match harvest {
            Harvest::Current => Ok(FetchedZone::Current),
            Harvest::Whole(soa, lines) => Ok(FetchedZone::New(Draft::whole(
                path, &zone.zone, soa, &lines,
            )?)),
            Harvest::Changes(soa, changes) => {
                Ok(FetchedZone::New(copy.change(&zone.zone, soa, &changes)?))
            }
        });
    match changed {
        Err(fault) if fault.calls_for_whole() => {
            info!(list = %zone.id, "the changes from {primary} cannot be used ({fault}): asking \
                                    for the whole zone");
            whole(&mut open()?, Some(have), path)
        }
        changed => changed,
    }
}

fn whole(
    connection: &mut TransferConnection<'_>,
    have: Option<u32>,
    path: &Path,
) -> Result<FetchedZone, TransferFault> {
    let zone = connection.zone;
    match connection.transfer(AskedPrimary::Whole, have)? {
        Harvest::Current => Ok(FetchedZone::Current),
        Harvest::Whole(soa, lines) => Ok(FetchedZone::New(Draft::whole(
            path, &zone.zone, soa, &lines,
        )?)),
        Harvest::Changes(..) => Err(TransferFault::Mismatch),
    }
}

impl TransferFault {
    /// Could the whole zone be had where its changes could not?
    const fn calls_for_whole(&self) -> bool {
        matches!(
            self,
            Self::Rcode(_)
                | Self::Copy(copy::CopyFault::Misfit)
                | Self::Intake(intake::IntakeFault::Gap { .. } | intake::IntakeFault::OtherEnd)
        )
    }
}

/// A connection to a primary.
struct TransferConnection<'z> {
    zone: &'z SecondaryZone,
    key: Option<&'z TsigKey>,
    stream: TcpStream,
    deadline: Instant,
    stop: &'z AtomicBool,
    message: Zeroizing<Vec<u8>>,
}

impl<'z> TransferConnection<'z> {
    fn open(
        visit: Visit<'z>,
        primary: SocketAddr,
        deadline: Instant,
    ) -> Result<Self, TransferFault> {
        let Visit { zone, key, stop } = visit;
        let stream =
            TcpStream::connect_timeout(&primary, CONNECT).map_err(TransferFault::Connect)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            zone,
            key,
            stream,
            deadline,
            stop,
            message: Zeroizing::new(Vec::with_capacity(MESSAGE_OCTETS_MAX)),
        })
    }

    fn ask_soa(&mut self) -> Result<Soa, TransferFault> {
        let mut answers = self.ask(rtype::SOA, None)?;
        self.next(&mut answers)?;
        let answer = Answer::new(&self.message).map_err(|_| intake::IntakeFault::Garbage)?;
        let (mut found, mut owner) = (None, Vec::new());
        let walked = answer.message().walk(|record| {
            let is_it = record.section == Section::Answer && record.rtype == rtype::SOA;
            if is_it
                && answer.owner(&record, &mut owner).is_ok()
                && owner == self.zone.zone.as_wire()
            {
                found = answer.soa(&record).ok();
            }
        });
        walked.map_err(|_| intake::IntakeFault::Garbage)?;
        answers.finish()?;
        Ok(found.ok_or(intake::IntakeFault::NoStart)?)
    }

    fn transfer(
        &mut self,
        asked: AskedPrimary,
        have: Option<u32>,
    ) -> Result<Harvest, TransferFault> {
        let mut answers = match asked {
            AskedPrimary::Whole => self.ask(message::AXFR, None)?,
            AskedPrimary::Since(serial) => self.ask(message::IXFR, Some(serial))?,
        };
        let mut intake = Intake::new(&self.zone.zone, asked, have, self.zone.caps);
        while !intake.is_complete() {
            self.next(&mut answers)?;
            intake.take(&self.message)?;
        }
        answers.finish()?;
        Ok(intake.finish()?)
    }

    /// Send a question and say what its answers look like.
    fn ask(&mut self, qtype: u16, have: Option<u32>) -> Result<Answers<'z>, TransferFault> {
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(TransferFault::Random)?;
        let mut question = message::question(u16::from_be_bytes(id), &self.zone.zone, qtype, have);
        let session = self
            .key
            .map(|key| tsig::Session::new(key, &key.sign(&mut question, None, wall_s())));
        let framed = [&(question.len() as u16).to_be_bytes()[..], &question].concat();
        self.stream.write_all(&framed)?;
        Ok(Answers { id, session })
    }

    /// Read the next message and hold it against the question.
    fn next(&mut self, answers: &mut Answers<'_>) -> Result<(), TransferFault> {
        let mut length = [0; 2];
        self.read(&mut length)?;
        let mut message = std::mem::take(&mut self.message);
        message.resize(usize::from(u16::from_be_bytes(length)), 0);
        let read = self.read(&mut message);
        self.message = message;
        read?;
        let (header, _) = self
            .message
            .split_first_chunk::<HEADER_OCTETS>()
            .ok_or(intake::IntakeFault::Garbage)?;
        let [id_high, id_low, flags_high, flags_low, ..] = *header;
        // A reply, to a question, not cut off.
        if [id_high, id_low] != answers.id || flags_high & 0xfa != 0x80 {
            return Err(TransferFault::Mismatch);
        }
        let code = u16::from(flags_low & 0xf);
        match answers
            .session
            .as_mut()
            .map_or(Ok(()), |session| session.take(&self.message, wall_s()))
        {
            Err(tsig_fault::TsigFault::Unsigned) if code != rcode::NOERROR => {
                Err(TransferFault::Rcode(code))
            }
            Err(fault) => Err(fault.into()),
            Ok(()) if code != rcode::NOERROR => Err(TransferFault::Rcode(code)),
            Ok(()) => Ok(()),
        }
    }

    /// Fill `room`, as long as octets keep coming, time is left and the program goes on.
    fn read(&mut self, room: &mut [u8]) -> Result<(), TransferFault> {
        let (mut at, mut heard) = (0, monotonic());
        while at < room.len() {
            match self.stream.read(room.get_mut(at..).unwrap_or_default()) {
                Ok(0) => return Err(TransferFault::Truncated),
                Ok(count) => (at, heard) = (at + count, monotonic()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error.into()),
            }
            if self.stop.load(Relaxed) {
                return Err(TransferFault::Stopped);
            }
            if monotonic() > self.deadline {
                return Err(TransferFault::Slow(self.zone.time_max.as_secs()));
            }
            if heard.elapsed() > IDLE {
                return Err(TransferFault::Silent);
            }
        }
        Ok(())
    }
}

/// What the answers to one question must carry.
struct Answers<'z> {
    id: [u8; 2],
    session: Option<tsig::Session<'z>>,
}

impl Answers<'_> {
    fn finish(&self) -> Result<(), TransferFault> {
        Ok(self
            .session
            .as_ref()
            .map_or(Ok(()), tsig::Session::finish)?)
    }
}
