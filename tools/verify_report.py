#!/usr/bin/env python3
"""Checks a report that wardline published against its audit logs: rule 6 of docs/audit-format.md.
The logs are checked as verify_audit.py does, which must lie beside this file."""
import json, sys
from collections import defaultdict
import tlog, verify_audit

REPORT_MAX = 64 << 20

def check_report(report, logs):
    """Each figure that is not hidden, held against the leaves."""
    told, findings = defaultdict(int), []
    for (name, day), count in (item for log in logs for item in log.blocked.items()):
        for time in (day, day[:7]):
            told[time, name] += count
    for row in (row for month in report["months"] for row in [month, *(month.get("days") or [])]):
        time, shown = row.get("day") or row["month"], row["blocked"]
        names = sorted(set(shown) | {name for at, name in told if at == time})
        for name in names:
            fits = ('"hidden"', json.dumps(told.get((time, name))))
            if json.dumps(shown.get(name)) not in fits:
                findings.append(("report", f"report {time} list {name}"))
    for name, figure in sorted(report["sums"]["blocked"].items()):
        parts = [month["blocked"].get(name) for month in report["months"]]
        if type(figure) is int and figure != sum(part for part in parts if type(part) is int):
            findings.append(("report", f"report sums list {name}"))
    return findings

def main():
    parser = verify_audit.arguments("Check a published report: 0 if it is what the logs say.")
    parser.add_argument("--report", required=True, help="file of a published report (JSON)")
    args = parser.parse_intermixed_args()
    report = json.loads(tlog.read_file(args.report, REPORT_MAX))
    logs, longest, findings = verify_audit.check_logs(args)
    if all(log.is_whole for log in logs):
        findings += check_report(report, longest)
    verify_audit.tell(logs, longest)
    return verify_audit.conclude(findings)

if __name__ == "__main__":
    verify_audit.run(main)
