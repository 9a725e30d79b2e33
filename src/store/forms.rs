//! The forms that the file on disk has had: what each of them added to the one before.

/// The form that this version writes, kept in SQLite's `user_version`.
pub(super) const FORM: i64 = FORMS.len() as i64;

/// What makes each form of the one before, from an empty file on.
pub(super) const FORMS: [&str; 8] = [
    CREATE,
    ADD_JOURNAL,
    ADD_LOG,
    ADD_ENTRIES,
    ADD_OUT_OF_FORCE,
    ADD_ENDED_LOGS,
    ADD_LOG_FORM,
    ADD_WITHDRAWN,
];

/// `paper` and `gap` rows are only ever added; a count only ever grows.
const CREATE: &str = "
    CREATE TABLE run (
        run INTEGER PRIMARY KEY,
        boot TEXT NOT NULL UNIQUE,
        software TEXT NOT NULL,
        started INTEGER NOT NULL,
        last_flush INTEGER NOT NULL,
        ended INTEGER
    ) STRICT;
    CREATE TABLE gap (
        gap INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s >= from_s),
        kind TEXT NOT NULL
    ) STRICT;
    CREATE TABLE list (
        list INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE paper (
        paper INTEGER PRIMARY KEY,
        list INTEGER NOT NULL REFERENCES list,
        since INTEGER NOT NULL,
        authority TEXT NOT NULL,
        legal_basis TEXT NOT NULL
    ) STRICT;
    CREATE TABLE hour (
        hour INTEGER PRIMARY KEY CHECK (hour % 3600 = 0),
        questions INTEGER NOT NULL CHECK (questions >= 0)
    ) STRICT;
    CREATE TABLE event (
        hour INTEGER NOT NULL REFERENCES hour,
        event TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count >= 0),
        PRIMARY KEY (hour, event)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE cell (
        hour INTEGER NOT NULL REFERENCES hour,
        list INTEGER NOT NULL REFERENCES list,
        kind TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count >= 0),
        PRIMARY KEY (hour, list, kind)
    ) STRICT, WITHOUT ROWID;
";

/// What form 2 adds: events, which are only ever added.
const ADD_JOURNAL: &str = "
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        list TEXT,
        serial INTEGER,
        manifest TEXT,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX journal_of_list ON journal (list, seq);
";

/// What form 3 adds: the audit log, whose leaves are only ever added. `alive` says when a run was
/// on record, by the log's own time, which never runs back.
const ADD_LOG: &str = "
    ALTER TABLE run ADD COLUMN configuration TEXT NOT NULL DEFAULT '';
    ALTER TABLE hour ADD COLUMN run INTEGER REFERENCES run;
    ALTER TABLE hour ADD COLUMN carried_in INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE hour ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE run_list (
        run INTEGER NOT NULL REFERENCES run,
        list INTEGER NOT NULL REFERENCES list,
        PRIMARY KEY (run, list)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE alive (
        alive INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES run,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s >= from_s)
    ) STRICT;
    CREATE TABLE log (
        log INTEGER PRIMARY KEY CHECK (log = 0),
        author TEXT NOT NULL,
        size INTEGER NOT NULL,
        peaks BLOB NOT NULL,
        time INTEGER NOT NULL,
        next_hour INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE leaf (
        seq INTEGER PRIMARY KEY,
        octets BLOB NOT NULL
    ) STRICT;
    CREATE TABLE checkpoint (
        size INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
    CREATE TABLE standing (
        list TEXT PRIMARY KEY,
        serial INTEGER,
        manifest TEXT
    ) STRICT, WITHOUT ROWID;
";

/// What form 4 adds: counts by entry, which stay here. An opening without a salt is of an hour that
/// is not committed to yet.
const ADD_ENTRIES: &str = "
    CREATE TABLE opening (
        hour INTEGER NOT NULL REFERENCES hour,
        list INTEGER NOT NULL REFERENCES list,
        salt BLOB,
        counts TEXT,
        PRIMARY KEY (hour, list)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE entry (
        hour INTEGER NOT NULL,
        list INTEGER NOT NULL,
        number INTEGER NOT NULL,
        count INTEGER NOT NULL CHECK (count > 0),
        PRIMARY KEY (hour, list, number),
        FOREIGN KEY (hour, list) REFERENCES opening
    ) STRICT, WITHOUT ROWID;
";

/// What form 5 adds: when a configured list was not in force. `notes_force` says of a run that it
/// notes that, so that no row means that all its lists were in force.
const ADD_OUT_OF_FORCE: &str = "
    ALTER TABLE run ADD COLUMN notes_force INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE not_in_force (
        run INTEGER NOT NULL REFERENCES run,
        list INTEGER NOT NULL REFERENCES list,
        from_s INTEGER NOT NULL,
        until_s INTEGER NOT NULL CHECK (until_s > from_s),
        PRIMARY KEY (run, list, from_s)
    ) STRICT, WITHOUT ROWID;
";

/// What form 6 adds: that the log's last checkpoint was once promised outside this folder, and the
/// logs that ended because the folder was found restored.
const ADD_ENDED_LOGS: &str = "
    CREATE TABLE promised (
        promised INTEGER PRIMARY KEY CHECK (promised = 0)
    ) STRICT;
    CREATE TABLE ended_log (
        log INTEGER PRIMARY KEY,
        author TEXT NOT NULL
    ) STRICT;
    CREATE TABLE ended_leaf (
        log INTEGER NOT NULL REFERENCES ended_log,
        seq INTEGER NOT NULL,
        octets BLOB NOT NULL,
        PRIMARY KEY (log, seq)
    ) STRICT;
    CREATE TABLE ended_checkpoint (
        log INTEGER NOT NULL REFERENCES ended_log,
        size INTEGER NOT NULL,
        at INTEGER NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (log, size)
    ) STRICT;
";

/// What form 7 adds: in which form a log's leaves are, from when on it tells, which hour is the
/// first that it has leaves of and which stretch its first run; and the notes by which keys follow
/// from one another.
const ADD_LOG_FORM: &str = "
    ALTER TABLE log ADD COLUMN is_salted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE log ADD COLUMN begins INTEGER;
    ALTER TABLE log ADD COLUMN first_hour INTEGER;
    ALTER TABLE log ADD COLUMN first_alive INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE key_note (
        key_note INTEGER PRIMARY KEY,
        note TEXT NOT NULL
    ) STRICT;
";

/// What form 8 adds: what was counted by a clock that was ahead, and belongs to no hour.
const ADD_WITHDRAWN: &str = "
    ALTER TABLE log ADD COLUMN carries_in INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE withdrawal (
        withdrawal INTEGER PRIMARY KEY,
        since INTEGER NOT NULL,
        until_s INTEGER NOT NULL,
        back_to INTEGER NOT NULL,
        hours INTEGER NOT NULL,
        questions INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE withdrawn_cell (
        withdrawal INTEGER NOT NULL REFERENCES withdrawal,
        list INTEGER NOT NULL REFERENCES list,
        kind TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (count >= 0),
        PRIMARY KEY (withdrawal, list, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE withdrawn_opening (
        withdrawal INTEGER NOT NULL REFERENCES withdrawal,
        hour INTEGER NOT NULL,
        list INTEGER NOT NULL REFERENCES list,
        salt BLOB NOT NULL,
        counts TEXT NOT NULL,
        PRIMARY KEY (withdrawal, hour, list)
    ) STRICT, WITHOUT ROWID;
";
