//! The zone as it was last transferred, kept as zone text on disk: the base for changes, and the
//! list after a restart.
//!
//! A new zone is a draft beside the copy until the updater has taken it; the copy is therefore
//! always of the last zone that was put in force. It is whole or not there: it is flushed and
//! renamed, and its last line says that no line is missing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::intake::ZoneChange;
use super::message::Soa;
use super::ordering::{Lines, OrderedLine, compare};
use crate::name::Name;
use crate::store::sync_folder_of;

const BUFFER_OCTETS: usize = 1 << 18;
/// The longest line: a record of 64 KiB in hexadecimal with its owner.
const LINE_OCTETS_MAX: usize = 1 << 18;
const OWNER_ONLY: u32 = 0o600;
/// More than the last line has.
const TAIL_OCTETS: usize = 64;

/// A zone on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZoneCopy {
    path: PathBuf,
    pub(super) soa: Soa,
}

/// Why changes could not be worked into a copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyFault {
    #[error("the changes do not fit the zone that we have")]
    Misfit,
    #[error("the zone's copy cannot be kept ({0}): check the state folder's disk and owner")]
    Io(#[from] io::Error),
}

impl ZoneCopy {
    /// The copy in this file; nothing where there is none, or where it is not whole or of another
    /// zone.
    pub(super) fn open(path: &Path, zone: &Name) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut lines = CopyReader::new(&mut file);
        let is_ours = lines.next().ok()?? == origin(zone).as_bytes();
        let soa = read_soa(lines.next().ok()??)?;
        let mut tail = [0; TAIL_OCTETS];
        let octets = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(octets.saturating_sub(TAIL_OCTETS as u64)))
            .ok()?;
        let read = file.read(&mut tail).ok()?;
        let is_whole = tail.get(..read)?.ends_with(b" records\n")
            && memchr::memmem::find(&tail, END).is_some();
        (is_ours && is_whole).then(|| Self {
            path: path.to_path_buf(),
            soa,
        })
    }

    /// Work changes in: each line to be taken out must be there, and each to be put in must not
    /// (RFC 1995 section 4).
    pub(super) fn change(
        &self,
        zone: &Name,
        soa: Soa,
        changes: &BTreeMap<OrderedLine, ZoneChange>,
    ) -> Result<Draft, CopyFault> {
        let mut file = File::open(&self.path)?;
        let mut old = CopyReader::new(&mut file);
        for _ in 0..HEAD_LINES {
            old.next()?.ok_or(CopyFault::Misfit)?;
        }
        let mut writer = Draft::create(&self.path, zone, soa)?;
        let mut changes = changes.iter().peekable();
        while let Some(line) = old.next()?.filter(|line| !line.starts_with(END)) {
            while let Some((new, change)) =
                changes.next_if(|(new, _)| compare(new.octets(), line).is_lt())
            {
                put_in(&mut writer, new, *change)?;
            }
            match changes.next_if(|(new, _)| new.octets() == line) {
                None => writer.line(line)?,
                Some((_, ZoneChange::Remove)) => {}
                Some((_, ZoneChange::Add)) => return Err(CopyFault::Misfit),
            }
        }
        for (new, change) in changes {
            put_in(&mut writer, new, *change)?;
        }
        writer.finish()?;
        Ok(writer)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn put_in(writer: &mut Draft, new: &OrderedLine, change: ZoneChange) -> Result<(), CopyFault> {
    match change {
        ZoneChange::Add => Ok(writer.line(new.octets())?),
        ZoneChange::Remove => Err(CopyFault::Misfit),
    }
}

/// What the last line starts with: a comment to the list parser.
const END: &[u8] = b"; end of ";
/// The lines before the records.
const HEAD_LINES: usize = 2;

fn origin(zone: &Name) -> String {
    format!("$ORIGIN {zone}.\n")
}

fn read_soa(line: &[u8]) -> Option<Soa> {
    let numbers = str::from_utf8(line).ok()?.strip_prefix("@ SOA . . ")?;
    let mut numbers = numbers
        .split_ascii_whitespace()
        .map(|word| word.parse().ok());
    let mut number = || numbers.next().flatten();
    Some(Soa {
        serial: number()?,
        refresh_s: number()?,
        retry_s: number()?,
        expire_s: number()?,
    })
}

/// A zone beside the copy, not yet kept; dropped, it leaves the copy as it is.
pub(super) struct Draft {
    kept_as: PathBuf,
    path: PathBuf,
    pub(super) soa: Soa,
    file: File,
    buffer: Zeroizing<Vec<u8>>,
    count: u64,
    is_left: bool,
}

impl Draft {
    /// Write a whole zone.
    pub(super) fn whole(
        path: &Path,
        zone: &Name,
        soa: Soa,
        lines: &Lines,
    ) -> Result<Self, CopyFault> {
        let mut draft = Self::create(path, zone, soa)?;
        lines.iter().try_for_each(|line| draft.line(line))?;
        draft.finish()?;
        Ok(draft)
    }

    /// The file that it is in for now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leave it where it is, so that the operator can let it pass, until the next one takes its
    /// place.
    pub(super) fn leave(mut self) {
        self.is_left = true;
    }

    /// Put it in the copy's place, so that a power cut leaves one of the two.
    pub(super) fn keep(self) -> Result<ZoneCopy, CopyFault> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.kept_as)?;
        sync_folder_of(&self.kept_as)?;
        Ok(ZoneCopy {
            path: self.kept_as.clone(),
            soa: self.soa,
        })
    }

    fn create(path: &Path, zone: &Name, soa: Soa) -> io::Result<Self> {
        let beside = path.with_extension("draft");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(OWNER_ONLY)
            .open(&beside)?;
        let buffer = Zeroizing::new(Vec::with_capacity(BUFFER_OCTETS + LINE_OCTETS_MAX));
        let mut draft = Self {
            kept_as: path.to_path_buf(),
            path: beside,
            soa,
            file,
            buffer,
            count: 0,
            is_left: false,
        };
        let Soa {
            serial,
            refresh_s,
            retry_s,
            expire_s,
        } = soa;
        draft.buffer.extend(origin(zone).bytes());
        draft
            .buffer
            .extend(format!("@ SOA . . {serial} {refresh_s} {retry_s} {expire_s} 0\n").bytes());
        Ok(draft)
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.buffer.len() + line.len() > self.buffer.capacity() {
            self.flush()?;
        }
        self.count += 1;
        self.buffer.extend_from_slice(line);
        if self.buffer.len() >= BUFFER_OCTETS {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.buffer.extend_from_slice(END);
        self.buffer
            .extend(format!("{} records\n", self.count).bytes());
        self.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_left {
            // Gone already where it was kept.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Reads lines with their ends through a buffer that is wiped, which that of `std`'s `BufReader`
/// cannot be.
struct CopyReader<'f> {
    file: &'f mut File,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
}

impl<'f> CopyReader<'f> {
    fn new(file: &'f mut File) -> Self {
        Self {
            file,
            buffer: Zeroizing::new(vec![0; BUFFER_OCTETS + LINE_OCTETS_MAX]),
            start: 0,
            end: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let ready = self.buffer.get(self.start..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', ready) {
                let start = self.start;
                self.start += at + 1;
                return Ok(self.buffer.get(start..self.start));
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let read = self
                .file
                .read(self.buffer.get_mut(self.end..).unwrap_or_default())?;
            if read == 0 {
                // A text without a last line end is not whole, and what is left of it no line.
                return Ok(None);
            }
            self.end += read;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::list::parse::{self, Format};

    const SOA: Soa = Soa {
        serial: 1,
        refresh_s: 2,
        retry_s: 3,
        expire_s: 4,
    };

    fn zone() -> Name {
        Name::parse("rpz.example").unwrap()
    }

    fn create(folder: &TempDir, texts: &[String]) -> ZoneCopy {
        let mut lines = Lines::default();
        texts.iter().for_each(|text| lines.push(text.as_bytes()));
        lines.sort();
        Draft::whole(&folder.path().join("a.zone"), &zone(), SOA, &lines)
            .unwrap()
            .keep()
            .unwrap()
    }

    #[test]
    fn a_copy_comes_back_and_is_a_list() {
        let folder = TempDir::new().unwrap();
        let copy = create(
            &folder,
            &[
                "*.a.test CNAME .\n",
                "a.test CNAME .\n",
                "@ TYPE2 \\# 1 00\n",
            ]
            .map(str::to_owned),
        );
        assert_eq!(ZoneCopy::open(copy.path(), &zone()), Some(copy.clone()));
        assert_eq!(
            ZoneCopy::open(copy.path(), &Name::parse("other.example").unwrap()),
            None
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        let text = fs::read(copy.path()).unwrap();
        let mut scopes = Vec::new();
        let parsed =
            parse::read(text.as_slice(), Format::Rpz, |_, scope| scopes.push(scope)).unwrap();
        assert_eq!((parsed.entries, parsed.rejects), (2, 0), "{parsed:?}");
        for cut in [1, 10, text.len() / 2, text.len() - 1] {
            fs::write(copy.path(), &text[..cut]).unwrap();
            assert_eq!(ZoneCopy::open(copy.path(), &zone()), None, "cut to {cut}");
        }
    }

    #[test]
    fn changes_that_do_not_fit_leave_the_copy_as_it_is() {
        let folder = TempDir::new().unwrap();
        let copy = create(&folder, &["b CNAME .\n".to_owned()]);
        let before = fs::read(copy.path()).unwrap();
        for (line, change) in [
            ("a CNAME .\n", ZoneChange::Remove),
            ("b CNAME .\n", ZoneChange::Add),
            ("c CNAME .\n", ZoneChange::Remove),
        ] {
            let changes = BTreeMap::from([(OrderedLine::new(line.as_bytes()), change)]);
            assert!(
                matches!(copy.change(&zone(), SOA, &changes), Err(CopyFault::Misfit)),
                "{line}"
            );
            assert_eq!(fs::read(copy.path()).unwrap(), before);
        }
    }

    fn names() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set(
            "(\\*\\.)?[a-c](\\.[a-c]){0,2} (CNAME \\.|TYPE16 x)\n",
            0..30,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Working in the difference between two zones gives the file that the second zone gives as
        /// a whole.
        #[test]
        fn changes_lead_from_one_zone_to_the_other(old in names(), new in names()) {
            let folder = TempDir::new().unwrap();
            let whole = create(&folder, &new.iter().cloned().collect::<Vec<_>>());
            let expected = fs::read(whole.path()).unwrap();
            let copy = create(&folder, &old.iter().cloned().collect::<Vec<_>>());
            let removed = old.difference(&new).map(|text| (OrderedLine::new(text.as_bytes()), ZoneChange::Remove));
            let added = new.difference(&old).map(|text| (OrderedLine::new(text.as_bytes()), ZoneChange::Add));
            copy.change(&zone(), SOA, &removed.chain(added).collect()).unwrap().keep().unwrap();
            prop_assert!(fs::read(copy.path()).unwrap() == expected);
        }
    }
}
