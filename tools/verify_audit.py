#!/usr/bin/env python3
"""Checks wardline's audit logs; written from docs/audit-format.md, not from wardline's code. Rules
go by their numbers there: 1 to 3 are in tlog.py, 4 is in history.py, leaves.py, on_record.py and
going_back.py, which must lie beside this file."""
import argparse, json, sys
from collections import Counter
import tlog
from history import Log
from leaves import seconds

FINDINGS_MAX, LISTS_MAX = 1000, 1000

class LogSums:
    """What the logs add up to; of each the longest copy that can be believed."""
    def __init__(self):
        self.blocked, self.absent, self.counted, self.findings = {}, Counter(), set(), 0
        self.longest = []

    def add(self, log):
        """Adds a log, and keeps no more of it than is told in the end."""
        if log.is_whole and len(self.blocked.keys() | log.blocked.keys()) > LISTS_MAX:
            log.is_whole, log.findings = False, [("excess", log.origin)]
        if log.is_whole and log.origin not in self.counted:
            self.counted.add(log.origin)
            self.longest.append(log)
            for name, count in log.blocked.items():
                self.blocked[name] = self.blocked.get(name, 0) + count
            self.absent.update(log.absent)
        log.blocked = log.absent = None
        log.findings = log.findings[:max(1, FINDINGS_MAX - self.findings)]
        self.findings += len(log.findings)
        return log

def misfits(log, longest):
    """What the log says of the one before it, held against that one."""
    said = log.follows or log.restored
    other = longest.get(said["origin"]) if said else None
    if other and other.is_whole:
        head, told = (other.size, other.root.hex()), (said["size"], said["root"])
        if log.follows:
            good = head == told and other.size > 0 and other.next == seconds(said["until"]) and (
                other.time <= log.began)
        else:
            good = head[0] != told[0] or head == told
            if other.size == said["found"] and "from" in said:
                good = good and other.next == seconds(said["from"])
        if not good:
            yield "follows", f"{log.origin} leaf 1"

def check_logs(args, report=None):
    """All logs, the longest copy of each, and all findings. The report's figures are counted."""
    keys, until = [tlog.read_key(text) for text in args.key], seconds(args.until)
    notes = [tlog.read_file(name, tlog.NOTE_MAX) for name in args.since]
    folders = [log for folder in args.folders for log in tlog.find_logs(folder)]
    if len(folders) > tlog.LOGS_MAX:
        raise ValueError(f"more than {tlog.LOGS_MAX} logs: check them in several calls")
    pins = [("since", *tlog.read_pin(octets, keys, folders)) for octets in notes]
    copies = tlog.copies(folders, keys)
    pins += [pin for _, pin in copies if pin]
    sums = LogSums()
    logs = [sums.add(Log(folder, keys, pins, report and report.counted(pin), args.public))
            for folder, pin in copies]
    logs.sort(key=lambda log: (log.origin, -log.size))
    findings = [finding for log in logs for finding in log.findings]
    longest = {log.origin: log for log in reversed(logs)}
    heirs = [(log.follows["origin"], log.origin) for log in longest.values()
             if log.is_whole and log.follows]
    findings += [("follows", f"{name} leaf 1") for origin, name in sorted(heirs)
                 if name != min(heir for other, heir in heirs if other == origin)]
    findings += [misfit for log in logs if log.is_whole for misfit in misfits(log, longest)]
    circles = {log.origin for log in logs if log.is_in_circle(longest)}
    findings += [("follows", f"{origin} leaf 1") for origin in sorted(circles)]
    followed = {log.before() for log in logs if not log.is_in_circle(longest)}
    for log in logs:
        log.is_followed = log.origin in followed
    findings += [("until", log.origin) for log in logs
                 if log.is_whole and log.next < until and not log.is_followed]
    told = {name for log in logs for name in [log.origin, *log.known_ancestors()]}
    findings += [("absent", key[0]) for key in keys if key[2] == 1 and key[0] not in told
                 and key[0].split("/")[2:] != ["recovery"]]
    last = [None] + [log.origin for log in logs]
    longest = [log for log, before in zip(logs, last) if log.origin != before]
    return logs, longest, findings, sums

def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folders", nargs="+", help="folders of exported logs")
    parser.add_argument("--key", action="append", required=True, help="of an author or cosigner")
    parser.add_argument("--since", action="append", default=[], help="file of an older checkpoint")
    parser.add_argument("--public", action="store_true", help="only checkpoints and hashes: no "
                        "figures are there")
    parser.add_argument("--until", default="1970-01-01T00:00:00Z", help="time to be reached")
    return parser

def conclude(findings, logs):
    for code, place in findings:
        print(f"NOT IN ORDER ({code}): {place}")
    unjudged = [(log.origin, *said) for log in logs if log.is_whole for said in log.unjudged]
    for origin, here, kind, touches in unjudged:
        print(f"CANNOT BE JUDGED: {origin} {here} says {kind}, which touches", *touches)
    print("NOT in order" if findings else "CANNOT be judged" if unjudged else "in order")
    return 1 if findings else 2 if unjudged else 0

def tell(logs, sums):
    for name, count in sorted(sums.blocked.items()):
        print(f"blocked {name}: {count}")
    for name, count in sorted(sums.absent.items()):
        if count > 0:
            print(f"not in force {name}: {count} s")
    for log in (log for log in sums.longest if log.withdrawn):
        print(f"WITHDRAWN: {log.origin} went back; in no sum:", dict(sorted(log.withdrawn.items())))
    for log in (log for log in logs if log.restored and log.is_whole):
        print(f"RESTORED: {log.origin} follows", json.dumps(log.restored, sort_keys=True))
    for log in (log for log in logs if log.follows and log.is_whole):
        print(f"{log.origin} goes on for", json.dumps(log.follows, sort_keys=True))

def main():
    parser = arguments("Check wardline's audit logs: 0 if all is in order.")
    args = parser.parse_intermixed_args()
    if args.public and seconds(args.until):
        parser.error("of the public part nobody can tell up to when it tells (--until)")
    logs, _, findings, sums = check_logs(args)
    tell(logs, sums)
    if args.public:
        print("NOT CHECKED: what the entries say, and any figure: only the regulator has the whole "
              "log")
    print("NOT CHECKED: published reports (verify_report.py), which versions a curator signed, "
          "counts by entry, how many cosigned")
    return conclude(findings, logs)

def run(main):
    try:
        sys.exit(main())
    except (OSError, ArithmeticError, ValueError, AttributeError, LookupError, TypeError,
            tlog.InvalidSignature) as error:
        print(f"cannot begin: {error!r}", file=sys.stderr)
        sys.exit(2)

if __name__ == "__main__":
    run(main)
