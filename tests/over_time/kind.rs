//! The kinds of lists that a provider can have, and what each is configured by.

/// How the list `one` comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with one name a line.
    Plain,
    /// A hosts file.
    Hosts,
    /// A CSV file.
    Csv,
    /// A response policy zone in a file.
    Rpz,
    /// A response policy zone from a primary.
    Transfer,
    /// Signed, in a folder.
    Folder,
    /// Signed, from the web.
    Pull,
    /// Signed, pushed to us.
    Push,
    /// Signed and encrypted, in a folder.
    Encrypted,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Plain,
        Self::Hosts,
        Self::Csv,
        Self::Rpz,
        Self::Transfer,
        Self::Folder,
        Self::Pull,
        Self::Push,
        Self::Encrypted,
    ];
    /// Those with a manifest: they alone have serials, keys, receipts, removals and a last day.
    pub(super) const SIGNED: [Self; 4] = [Self::Folder, Self::Pull, Self::Push, Self::Encrypted];
    /// One for each way in. The formats of a file differ in how a line is read and in nothing that
    /// comes after it: rows about decisions and clocks are run for one of them.
    pub(super) const WAYS: [Self; 6] = [
        Self::Plain,
        Self::Transfer,
        Self::Folder,
        Self::Pull,
        Self::Push,
        Self::Encrypted,
    ];

    /// Of these, those whose issues are in order of what is signed, or are what their file says.
    pub(super) const KEPT: [Self; 5] = [
        Self::Plain,
        Self::Folder,
        Self::Pull,
        Self::Push,
        Self::Encrypted,
    ];

    pub(super) fn is_signed(self) -> bool {
        Self::SIGNED.contains(&self)
    }

    pub(super) const fn is_file(self) -> bool {
        matches!(self, Self::Plain | Self::Hosts | Self::Csv | Self::Rpz)
    }

    /// Does it come again by itself after a start, where the source has it? Nobody pushes twice
    /// without being asked.
    pub(super) const fn is_looked_for(self) -> bool {
        !matches!(self, Self::Push)
    }

    /// Entries as this kind of list writes them.
    pub(super) fn text(self, names: &[String]) -> String {
        let (head, before, after) = match self {
            Self::Hosts => ("", "0.0.0.0 ", "\n"),
            Self::Csv => ("domain,since\n", "", ",2026-01-01\n"),
            Self::Rpz => ("$ORIGIN rpz.example.\n$TTL 60\n", "", " CNAME .\n"),
            _ => ("", "", "\n"),
        };
        let lines = names.iter().map(|name| format!("{before}{name}{after}"));
        format!("{head}{}", lines.collect::<String>())
    }

    /// The word for the format of a file.
    pub(super) const fn format(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Csv => "csv",
            Self::Rpz | Self::Transfer => "rpz",
            _ => "plain",
        }
    }
}

/// Does the same to each kind at the same time; a failure says of which it is.
pub(super) fn each(kinds: &[Kind], happen: impl Fn(Kind) + Sync) {
    std::thread::scope(|scope| {
        let happen = &happen;
        let begin = |kind: &Kind| {
            let kind = *kind;
            (kind, scope.spawn(move || happen(kind)))
        };
        let running: Vec<_> = kinds.iter().map(begin).collect();
        let ended = running.into_iter().map(|(kind, row)| (kind, row.join()));
        let failed = ended.filter_map(|(kind, ended)| ended.is_err().then_some(kind));
        let failed: Vec<Kind> = failed.collect();
        assert!(failed.is_empty(), "failed for {failed:?}, as said above");
    });
}
