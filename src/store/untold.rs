//! What was counted and is in no log, since the log that would have told it ended before.

use rusqlite::Transaction;

use super::hours::lose_open;
use crate::clock::UnixSeconds;
use crate::record::Moment;

/// Forgets what was counted in these hours, of which no log tells: without evidence it is not on
/// record. The report has a gap in its place.
pub(super) fn forget_untold(
    transaction: &Transaction<'_>,
    from: UnixSeconds,
    until: UnixSeconds,
) -> rusqlite::Result<()> {
    let between = [from, until];
    let counted = "SELECT count(*) FROM hour WHERE hour >= ?1 AND hour < ?2";
    let hours: i64 = transaction.query_row(counted, between, |row| row.get(0))?;
    if hours == 0 {
        return Ok(());
    }
    for table in ["entry", "opening", "event", "cell", "hour"] {
        let delete = format!("DELETE FROM {table} WHERE hour >= ?1 AND hour < ?2");
        transaction.execute(&delete, between)?;
    }
    for change in [
        "DELETE FROM not_in_force WHERE from_s >= ?1 AND until_s <= ?2",
        "UPDATE not_in_force SET until_s = ?1 WHERE from_s < ?1 AND until_s > ?1 AND until_s <= ?2",
    ] {
        transaction.execute(change, between)?;
    }
    lose_open(transaction)?;
    tracing::warn!(
        hours,
        "what was counted from {} to {} is in no signed log, and is not published",
        Moment(from),
        Moment(until)
    );
    Ok(())
}
