//! Rows of a CSV table (RFC 4180), safe to open in a spreadsheet.

/// One row, ended as RFC 4180 wants it.
pub(super) fn push_row(table: &mut String, fields: &[&str]) {
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            table.push(',');
        }
        push_field(table, field);
    }
    table.push_str("\r\n");
}

/// A field in quotes where RFC 4180 wants them; a spreadsheet must not take an authority's name for
/// a formula.
fn push_field(table: &mut String, field: &str) {
    let formula = field.starts_with(['=', '+', '-', '@', '\t']);
    if !formula && !field.contains([',', '"', '\r', '\n']) {
        table.push_str(field);
        return;
    }
    table.push_str(if formula { "\"'" } else { "\"" });
    table.push_str(&field.replace('"', "\"\""));
    table.push('"');
}

/// Splits by the grammar of RFC 4180, section 2.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it cannot read")]
pub(super) fn parse(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (vec![], vec![], String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => field.push(rest.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => assert_eq!(rest.peek(), Some(&'\n')),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            next => field.push(next),
        }
    }
    assert!(row.is_empty() && field.is_empty() && !quoted);
    rows
}
