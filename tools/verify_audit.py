#!/usr/bin/env python3
"""Checks wardline's audit logs; written from docs/audit-format.md, not from wardline's code. Rules
go by their numbers there; 1 to 3 are in tlog.py, single leaves in leaves.py, seconds in
on_record.py, where a log goes back in going_back.py: all four must lie beside this file."""
import argparse, itertools, json, os, sys
from collections import Counter, defaultdict
import on_record, tlog
from going_back import WaysBack
from leaves import (BIG, CLOCKS, HOUR, KINDS, START, fits, has_arrived, read_leaf, seconds,
                    tells_of_end)
from on_record import Stretch
from tlog import Refused

class Log(tlog.LogFiles):
    def __init__(self, folder, keys, pins, report=None):
        super().__init__(folder, keys)
        self.report = report
        self.runs, self.boot, self.is_running, self.standing = {}, None, False, {}
        self.time, self.next, self.out, self.hour_form, self.stretches = 0, 0, 0, 0, []
        self.blocked, self.absent = defaultdict(int), Counter()
        self.sums, self.questions, self.out_until, self.jump = Counter(), Counter(), {}, (0, 0)
        self.restored, self.findings, self.is_whole, self.hour = None, [], False, []
        self.follows, self.unjudged, self.is_salted, self.root = None, [], None, None
        self.handed_over, self.began, self.back = None, 0, WaysBack()
        self.is_cut, self.withdrawn, self.moved = False, Counter(), None
        try:
            self.read(pins)
            self.close_hour()
            self.is_whole = True
        except OSError as error:
            self.refuse("missing", os.path.relpath(error.filename, folder))
        except Refused as refused:
            self.refuse(*refused.args)
        self.findings = [(code, f"{self.origin} {place}") for code, place in self.findings[:100]]

    def refuse(self, code, place):
        """Nothing of the log can be believed."""
        self.findings, self.blocked, self.absent, self.size = [(code, place)], {}, Counter(), 0

    def known_ancestors(self):
        """The logs before it by its keys, where it says itself that it follows the last of them."""
        said = self.is_whole and (self.follows or self.restored) or {"origin": None}
        return self.ancestors if [said["origin"]] == self.ancestors[:1] else []

    def hold(self, place, *rules):
        self.findings += [(code, place) for code, holds in rules if not holds]

    def take(self, seq, octets):
        leaf = read_leaf(seq, octets)
        if self.is_salted is None:
            self.is_salted = "salt" in leaf
        if self.is_salted != ("salt" in leaf):
            raise Refused("leaf", leaf["here"])
        if leaf["here"] == "leaf 0":
            self.next, self.began = leaf["start"] // HOUR * HOUR, leaf["start"]
            self.back.first = self.next
            self.back.foresee(self.entries())
        if self.hour and leaf.get("hour") != self.hour[0]["hour"]:
            self.close_hour()
        self.hold(leaf["here"], ("sequence", leaf["here"] == f"leaf {leaf['seq']}"),
                  ("time", leaf["end"] >= self.time),
                  ("author", f"{leaf['provider']}/{leaf['resolver']}" == self.origin))
        self.time = max(self.time, leaf["end"])
        self.take_hour(leaf) if "hour" in leaf else self.take_event(leaf)
        if self.report:
            stands = "hour" not in leaf or self.back.stands(leaf)
            self.report.figures.take(leaf, stands, self.back.at_the_latest(leaf))

    def passed(self, tree):
        if self.report and self.report.head_size(self.origin) == tree.size:
            self.report.seen[self.origin] = (tree.size, tree.root(), self.time)

    def add_up(self, here, name, count):
        before = self.sums[name]
        self.sums[name] += count
        self.hold(here, ("sum", before > BIG or self.sums[name] <= BIG))

    def open_hour(self, leaf):
        hour, carried, is_next = leaf["start"], leaf["carried"], self.next == leaf["start"]
        missing = sum(max(0, min(until, hour) - start) for start, until, _ in leaf["gaps"])
        is_busy = leaf["questions"] > 0 or sum(leaf["ended"].values()) > 0
        runs = any(run.touches(hour) for run in self.stretches)
        self.hold(leaf["here"], ("hour", hour - self.next == missing),
                  ("carried", not is_next or carried["in"] == self.out),
                  ("gap", self.hour_form <= leaf["v"]), ("gap", not is_busy or runs),
                  ("gap", leaf["gaps"] == on_record.told_gaps(self.stretches, self.next, hour)))
        self.add_up(leaf["here"], "", leaf["questions"])
        self.hour_form = max(self.hour_form, leaf["v"])

    def take_hour(self, leaf):
        if not self.hour:
            self.open_hour(leaf)
        first, carried, ended = (self.hour or [leaf])[0], leaf["carried"], leaf["ended"]
        before = max((other["list"] for other in self.hour), default="")
        run, blocked = self.runs.get(leaf["boot"], {}), sum(leaf["blocked"].values())
        if self.back.stands(first):
            self.blocked[leaf["list"], leaf["hour"][:10]] += blocked
            self.absent[leaf["list"]] += sum(max(0, span[1] - span[0]) for span in leaf["out"])
        else:
            self.withdrawn[leaf["list"]] += blocked
        came = carried["in"] + leaf["questions"] - carried["lost"] - carried["out"]
        shared = ("questions", "ended", "carried", "gaps", "boot", "v")
        version = self.standing.get(leaf["list"], (None, None))
        has_sum = came == sum(ended.values()) and blocked <= ended["blocked"]
        self.hold(leaf["here"], ("sum", has_sum), ("list", before < leaf["list"]),
                  ("sum", all(leaf[key] == first[key] for key in shared)),
                  ("gap", on_record.has_right_seconds(leaf, self)),
                  ("run", leaf["boot"] == self.boot and
                   all(leaf[key] == run.get(key) for key in ("software", "configuration"))),
                  ("version", (leaf["serial"], leaf["manifest"]) == version))
        self.add_up(leaf["here"], leaf["list"], blocked)
        self.hour.append(leaf)

    def close_hour(self):
        if not self.hour:
            return
        leaves, self.hour = self.hour, []
        first, told = leaves[0], leaves[0]["start"] + HOUR
        if self.back.stands(first):
            self.questions[first["hour"][:10]] += first["questions"]
        self.back.tell(first["start"])
        lists = set(self.runs.get(first["boot"], {}).get("lists", []))
        lists.update(*(run.lists for run in self.stretches if run.overlap(first["start"]) > 0))
        blocked = sum(sum(leaf["blocked"].values()) for leaf in leaves)
        self.hold(f"hour {first['hour']}", ("list", lists <= {leaf["list"] for leaf in leaves}),
                  ("sum", blocked == first["ended"]["blocked"]))
        self.next, self.out = told, first["carried"]["out"]
        is_over = lambda run: run.until is not None and run.until <= told
        over = len(list(itertools.takewhile(is_over, self.stretches)))
        del self.stretches[:max(0, over - 1)]

    def take_event(self, leaf):
        here, kind, boot, body = (leaf[key] for key in ("here", "kind", "boot", "body"))
        if leaf.get("touches") and kind not in KINDS and len(self.unjudged) < 100:
            self.unjudged.append((here, kind, leaf["touches"]))
        at, last = leaf["start"], self.stretches[-1] if self.stretches else None
        goes_on = last is not None and last.until is None
        is_over = self.jump[0] < at < self.jump[1] and kind != "entry-counts"
        self.hold(here, ("clock", not is_over))
        way_back = kind == "clock" and fits(body, CLOCKS[3])
        self.hold(here, ("clock", kind == "entry-counts" or self.is_cut == way_back))
        self.is_cut = self.is_cut and kind == "entry-counts"
        if kind == "start":
            self.back.forward = []
            said = {key: body[key] for key in body
                    if key not in ("arrived", "recovery") or type(body[key]) is not str}
            self.hold(here, ("moved", has_arrived(body.get("arrived"), self.moved)))
            self.moved = None
            good = leaf["list"] is None and fits(said, START)
            good = good and body["lists"] == sorted(set(body["lists"]))
            lists = set(body["lists"] if good else [])
            good = good and not self.is_running and boot not in self.runs
            good = good and body["previous"] == self.boot
            self.runs.update({boot: body} if good else {})
            self.boot, self.is_running = boot if good else None, True
            if goes_on:
                last.until = at
            self.stretches.append(Stretch(at, lists, {}))
            return self.hold(here, ("run", good))
        self.hold(here, ("run", self.is_running and boot == self.boot))
        if kind in ("stop", "crash", "moved"):
            self.is_running = False
            is_moved = kind == "moved" and leaf["list"] is None and fits(body, {"to": str})
            self.moved = body["to"] if is_moved else self.moved
            if goes_on:
                last.until, last.end = at, "crash" if kind == "crash" else "stopped"
        if kind == "clock":
            good, until = leaf["list"] is None and fits(body, CLOCKS), at
            try:
                until = seconds(body["until"]) if good else at
            except ValueError:
                good = False
            self.is_cut = good and body.keys() == CLOCKS[2].keys()
            in_time = until == at if "back_s" in body else until >= at or way_back
            in_time = until == at // HOUR * HOUR + HOUR if self.is_cut else in_time
            good = good and body.get("back_s") != 0 and in_time
            if way_back:
                since = seconds(body["since"]) if good else at
                good = good and self.back.go_back(self, leaf["seq"], at, since, until)
                until = at
            until, self.is_cut = until if good else at, self.is_cut and good
            self.hold(here, ("clock", good))
            if last and good and not way_back:
                last.set.add(at)
            if good and "forward_s" in body and body["forward_s"] > 0:
                self.back.set_forward(at)
            if goes_on and at < until:
                last.until, self.jump = at, (at, until)
                self.stretches.append(Stretch(until, last.lists, last.live))
        if kind == "restored" and leaf["list"] is None:
            good = tells_of_end(body, self.next if self.is_salted else None)
            good = good and here == "leaf 1" and body["origin"] != self.origin
            self.restored = body if good else self.restored
            self.handed_over = self.next if good else self.handed_over
            self.hold(here, ("restored", good))
        if kind == "follows":
            until = seconds(body["until"]) if self.is_salted else None
            good = here == "leaf 1" and until is not None and body["origin"] != self.origin
            good = good and until % HOUR == 0 and until <= self.next
            self.hold(here, ("follows", good))
            if good:
                self.handed_over, self.follows, self.next = self.next, body, until
                self.back.first = until
        if kind in ("live", "rollback") and leaf["list"] is not None:
            self.standing[leaf["list"]] = (leaf["serial"], leaf["manifest"])
            if last:
                last.live.setdefault(leaf["list"], at)

def misfits(log, longest):
    """What the log says of the one before it, held against that one."""
    said = log.follows or log.restored
    other = longest.get(said["origin"]) if said else None
    if other and other.is_whole:
        head, told = (other.size, other.root.hex()), (said["size"], said["root"])
        if log.follows:
            good = head == told and other.next == seconds(said["until"]) and (
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
    pins = [("since", *tlog.read_checkpoint(octets, keys)) for octets in notes]
    copies = tlog.copies(args.folders, keys)
    pins += [pin for _, pin in copies if pin]
    logs = [Log(folder, keys, pins, report and report.counted(pin)) for folder, pin in copies]
    logs.sort(key=lambda log: (log.origin, -log.size))
    findings = [finding for log in logs for finding in log.findings]
    longest = {log.origin: log for log in reversed(logs)}
    heirs = [(log.follows["origin"], log.origin) for log in longest.values()
             if log.is_whole and log.follows]
    findings += [("follows", f"{name} leaf 1") for origin, name in sorted(heirs)
                 if name != min(heir for other, heir in heirs if other == origin)]
    findings += [misfit for log in logs if log.is_whole for misfit in misfits(log, longest)]
    before = [log.follows or log.restored for log in logs if log.is_whole]
    followed = {said["origin"] for said in before if said}
    for log in logs:
        log.is_followed = log.origin in followed
    findings += [("until", log.origin) for log in logs
                 if log.is_whole and log.next < until and not log.is_followed]
    told = {name for log in logs for name in [log.origin, *log.known_ancestors()]}
    findings += [("absent", key[0]) for key in keys if key[2] == 1 and key[0] not in told
                 and key[0].split("/")[2:] != ["recovery"]]
    last = [None] + [log.origin for log in logs]
    return logs, [log for log, before in zip(logs, last) if log.origin != before], findings

def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folders", nargs="+", help="folders of exported logs")
    parser.add_argument("--key", action="append", required=True, help="of an author or cosigner")
    parser.add_argument("--since", action="append", default=[], help="file of an older checkpoint")
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

def tell(logs, longest):
    for name in sorted({name for log in longest for name, _ in log.blocked}):
        days = (item for log in longest for item in log.blocked.items())
        print(f"blocked {name}: {sum(count for (key, _), count in days if key == name)}")
    for name, count in sorted(sum((log.absent for log in longest), Counter()).items()):
        print(f"not in force {name}: {count} s")
    for log in (log for log in longest if log.withdrawn and log.is_whole):
        print(f"WITHDRAWN: {log.origin} went back; in no sum:", dict(sorted(log.withdrawn.items())))
    for log in (log for log in logs if log.restored and log.is_whole):
        print(f"RESTORED: {log.origin} follows", json.dumps(log.restored, sort_keys=True))
    for log in (log for log in logs if log.follows and log.is_whole):
        print(f"{log.origin} goes on for", json.dumps(log.follows, sort_keys=True))

def main():
    args = arguments("Check wardline's audit logs: 0 if all is in order.").parse_intermixed_args()
    logs, longest, findings = check_logs(args)
    tell(logs, longest)
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
