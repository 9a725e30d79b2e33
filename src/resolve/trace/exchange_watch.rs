//! Watches one exchange with a server: what went out, over what, and what came of it, also where
//! nobody waits for it any more.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::Trace;
use super::step::{ExchangeOutcome, ExchangeStep, ReplySeen, TcpReason, TraceEvent};
use crate::clock;

/// How a question goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Goes along with a question to where it is sent.
#[derive(Debug)]
pub(in crate::resolve) struct ExchangeWatch {
    trace: Arc<Trace>,
    udp: AtomicU32,
    tcp: AtomicU32,
    tls: AtomicU32,
    tcp_why: Mutex<Option<TcpReason>>,
}

impl ExchangeWatch {
    /// A packet went out, or a question over a connection.
    pub(in crate::resolve) fn note_sent(&self, over: Transport) {
        let count = match over {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        };
        count.fetch_add(1, Relaxed);
        self.trace.note_packet();
    }

    /// It goes over TCP.
    pub(in crate::resolve) fn note_tcp(&self, why: TcpReason) {
        *self.tcp_why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

/// An exchange that is being recorded, until it ends or is dropped.
pub(in crate::resolve) struct OpenExchange {
    watch: Arc<ExchangeWatch>,
    step: Option<ExchangeStep>,
    began: Instant,
}

impl OpenExchange {
    /// About to ask `server`, as one of a zone's or as a resolver.
    pub(in crate::resolve) fn begin(
        trace: &Arc<Trace>,
        zone: Option<String>,
        (name, rtype): (String, String),
        server: SocketAddr,
    ) -> Self {
        Self {
            watch: Arc::new(ExchangeWatch {
                trace: Arc::clone(trace),
                udp: AtomicU32::new(0),
                tcp: AtomicU32::new(0),
                tls: AtomicU32::new(0),
                tcp_why: Mutex::default(),
            }),
            step: Some(ExchangeStep {
                zone,
                name,
                rtype,
                server: server.to_string(),
                edns: true,
                udp: 0,
                tcp: 0,
                tls: 0,
                tcp_why: None,
                took_us: 0,
                reply: None,
                outcome: ExchangeOutcome::GivenUp,
            }),
            began: clock::monotonic(),
        }
    }

    /// It is asked without EDNS.
    pub(in crate::resolve) fn without_edns(mut self) -> Self {
        if let Some(step) = &mut self.step {
            step.edns = false;
        }
        self
    }

    /// What goes along with the question.
    pub(in crate::resolve) fn watch(&self) -> Arc<ExchangeWatch> {
        Arc::clone(&self.watch)
    }

    /// There was a reply.
    pub(in crate::resolve) fn heard(&mut self, octets: &[u8]) {
        let took_us = self.took_us();
        if let Some(step) = &mut self.step {
            step.reply = Some(ReplySeen::read(octets));
            step.took_us = took_us;
        }
    }

    /// It is over.
    pub(in crate::resolve) fn end(mut self, outcome: ExchangeOutcome) {
        if let Some(step) = &mut self.step {
            step.outcome = outcome;
        }
    }

    fn took_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        let took_us = self.took_us();
        let Some(mut step) = self.step.take() else {
            return;
        };
        let watch = &self.watch;
        (step.udp, step.tcp, step.tls) = (
            watch.udp.load(Relaxed),
            watch.tcp.load(Relaxed),
            watch.tls.load(Relaxed),
        );
        step.tcp_why = *watch.tcp_why.lock().unwrap_or_else(PoisonError::into_inner);
        if step.reply.is_none() {
            step.took_us = took_us;
        }
        watch.trace.note(TraceEvent::Exchange(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_recorded_too() {
        let trace = Arc::new(Trace::begin());
        let begin = || {
            let asked = ("a.test.".to_owned(), "A".to_owned());
            OpenExchange::begin(&trace, None, asked, ([192, 0, 2, 1], 53).into())
        };
        let dropped = begin();
        dropped.watch().note_sent(Transport::Udp);
        drop(dropped);
        let mut ended = begin().without_edns();
        ended.watch().note_sent(Transport::Udp);
        ended.watch().note_sent(Transport::Tcp);
        ended.watch().note_tcp(TcpReason::Truncated);
        ended.heard(&[0; 12]);
        ended.end(ExchangeOutcome::NoData);
        let report = trace.report();
        let steps: Vec<_> = report
            .steps
            .iter()
            .filter_map(|step| match &step.event {
                TraceEvent::Exchange(step) => Some(step),
                _ => None,
            })
            .collect();
        let [first, second] = steps[..] else {
            panic!("{report:?}");
        };
        assert_eq!(first.outcome, ExchangeOutcome::GivenUp);
        assert_eq!((first.udp, first.edns, &first.reply), (1, true, &None));
        assert_eq!(second.outcome, ExchangeOutcome::NoData);
        assert_eq!((second.udp, second.tcp, second.edns), (1, 1, false));
        assert_eq!(second.tcp_why, Some(TcpReason::Truncated));
        assert!(second.reply.is_some());
        assert_eq!(report.packets, 3);
    }
}
