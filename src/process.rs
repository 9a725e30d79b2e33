//! What this process asks of the system for itself: which CPU, how urgently, how many open files,
//! and that no core is dumped.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How a thread stands to the doors', which go first where they want the same CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Resolving: while the doors want all of a CPU it gets a quarter, as questions that must be
    /// asked outside are the first to be given up.
    Behind,
    /// Building lists: while others want all of a CPU it gets 1.5 % of it, so that it still ends.
    /// With a tenth, the slowest hundredth of the answers took twice as long while a list was
    /// built.
    Last,
}

impl Manners {
    /// The nice value.
    const fn nice(self) -> i32 {
        match self {
            Self::Behind => 5,
            Self::Last => 19,
        }
    }
}

/// Have the system write no core dump of this process: it would hold clients' addresses, their
/// questions, and the key of the tables.
pub fn forbid_core_dumps() -> io::Result<()> {
    Ok(setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?)
}

/// Let this process open as many files as the system allows it; returns how many that are.
pub fn raise_open_files() -> io::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// A page of memory, on the machines that we run on.
const PAGE_OCTETS: u64 = 4096;

/// What this process has of the machine's memory, in octets; 0 where the system does not tell.
pub fn resident_octets() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    pages
        .and_then(|pages| pages.split(' ').nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * PAGE_OCTETS)
}

/// How many files and sockets this process has open; 0 where the system does not tell.
pub fn open_files() -> u64 {
    // The folder itself is open while it is read.
    fs::read_dir("/proc/self/fd").map_or(0, |files| (files.count() as u64).saturating_sub(1))
}

/// How many files and sockets this process may have open.
pub fn open_files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Keep the calling thread on one of the CPUs it may use, the `index`th of them, counted round.
pub fn pin_thread(index: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let count = allowed.count().max(1) as usize;
    let Some(cpu) = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .nth(index % count)
    else {
        return Ok(());
    };
    let mut chosen = CpuSet::new();
    chosen.set(cpu);
    Ok(sched_setaffinity(None, &chosen)?)
}

/// Let other threads go before the calling one where they want the same CPU; for the rest of its
/// life, since only root may take that back.
pub fn give_way(manners: Manners) -> io::Result<()> {
    Ok(setpriority_process(None, manners.nice())?)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_is_pinned_within_its_set() {
        let pinned = || {
            pin_thread(1000).unwrap();
            sched_getaffinity(None).unwrap().count()
        };
        assert_eq!(thread::spawn(pinned).join().unwrap(), 1);
    }

    #[test]
    fn an_open_file_is_counted() {
        let (before, most) = (open_files(), open_files_max());
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/dev/null")).collect();
        let open = files.iter().filter(|file| file.is_ok()).count() as u64;
        // Other tests open and close files meanwhile.
        assert!(open == 10 && before > 0 && open_files() >= 10 && most >= 10);
        assert!(resident_octets() > PAGE_OCTETS);
    }

    #[test]
    fn only_the_calling_thread_gives_way() {
        let before = getpriority_process(None).unwrap();
        let giving_way = || {
            give_way(Manners::Behind).unwrap();
            getpriority_process(None).unwrap()
        };
        assert_eq!(
            thread::spawn(giving_way).join().unwrap(),
            Manners::Behind.nice().max(before)
        );
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
