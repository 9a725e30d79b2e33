"""Follows one log leaf by leaf, and finds where it contradicts itself: rule 4 of
docs/audit-format.md. Single leaves are read by leaves.py; seconds and versions are held against
each other in on_record.py."""
import itertools, os
from collections import Counter, defaultdict
import on_record, tlog
from leaves import (BIG, CLOCKS, HOUR, KINDS, START, fits, has_arrived, read_leaf, seconds,
                    tells_of_end)
from going_back import WaysBack
from on_record import Stretch
from tlog import Refused

LISTS_MAX, RUNS_MAX, STRETCHES_MAX, UNJUDGED_MAX, NAME_MAX = 1000, 500_000, 50_000, 10, 255
WITHDRAWN_MAX = 100

def is_short(body):
    return all(len(body[key].encode()) <= NAME_MAX for key in ("origin", "root", "why"))

class Log(tlog.LogFiles):
    def __init__(self, folder, keys, pins, report=None, is_public=False):
        super().__init__(folder, keys, is_public)
        self.report = report
        self.boots, self.last_start, self.boot = set(), {}, None
        self.is_running, self.awaiting, self.names, self.weight = False, [], {}, 0
        self.versions = defaultdict(on_record.ListVersions)
        self.time, self.next, self.out, self.hour_form, self.stretches = 0, 0, 0, 0, []
        self.blocked, self.absent = Counter(), Counter()
        self.sums, self.out_until, self.jump = Counter(), {}, (0, 0)
        self.restored, self.findings, self.is_whole, self.hour = None, [], False, []
        self.follows, self.unjudged, self.is_salted, self.root = None, [], None, None
        self.handed_over, self.began, self.lists, self.hour_blocked = None, 0, set(), 0
        self.back, self.is_cut, self.withdrawn = WaysBack(), False, Counter()
        self.stands = True
        self.moved = None
        try:
            self.read(pins)
            self.close_hour()
            self.give_up_clock()
            self.is_whole = True
        except OSError as error:
            self.refuse("missing", os.path.relpath(error.filename, folder))
        except Refused as refused:
            self.refuse(*refused.args)
        self.findings = [(code, f"{self.origin} {place}") for code, place in self.findings[:100]]
        # What only the leaves need is not kept.
        self.boots = self.stretches = self.versions = self.sums = self.names = self.hour = None
        self.back = None

    def refuse(self, code, place):
        """Nothing of the log can be believed."""
        self.findings, self.size = [(code, place)], 0
        self.blocked, self.absent = Counter(), Counter()

    def known_ancestors(self):
        """The logs before it by its keys, where it says itself that it follows the last of them;
        of the public part nobody sees that."""
        if self.is_public:
            return self.ancestors
        said = self.is_whole and (self.follows or self.restored) or {"origin": None}
        return self.ancestors if [said["origin"]] == self.ancestors[:1] else []

    def before(self):
        """The name of the log that this one follows."""
        said = self.is_whole and (self.follows or self.restored)
        return said["origin"] if said else None

    def is_in_circle(self, longest):
        """Do the logs before this one lead back to it?"""
        origin = self.before()
        for _ in range(len(longest)):
            if origin == self.origin:
                return True
            origin = longest[origin].before() if origin in longest else None
        return False

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
            self.back.foresee(entry for _, entry in self.entries())
        if self.hour and leaf.get("hour") != self.hour[0]["hour"]:
            self.close_hour()
        if "hour" in leaf and not self.hour:
            self.give_up_clock()
        self.hold(leaf["here"], ("sequence", leaf["here"] == f"leaf {leaf['seq']}"),
                  ("time", leaf["end"] >= self.time),
                  ("author", f"{leaf['provider']}/{leaf['resolver']}" == self.origin))
        self.time = max(self.time, leaf["end"])
        # One text for each name, however often it is read.
        leaf["list"] = leaf["list"] and self.names.setdefault(leaf["list"], leaf["list"])
        self.take_hour(leaf) if "hour" in leaf else self.take_event(leaf)
        if len(self.names) > LISTS_MAX or len(self.boots) > RUNS_MAX or (
                self.weight > STRETCHES_MAX):
            raise Refused("excess", leaf["here"])
        if self.report:
            self.report.figures.take(leaf, self.stands, self.back.at_the_latest(leaf))

    def passed(self, tree):
        if self.report and self.report.head_size == tree.size:
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
        told = min(self.next, hour)
        ends = any(run.end != "unrecorded" and run.until is not None and
                   told <= run.until < hour + HOUR for run in self.stretches)
        may_lose = ends or hour == self.handed_over or carried["lost"] == 0
        self.hold(leaf["here"], ("hour", hour - self.next == missing), ("carried", may_lose),
                  ("carried", not is_next or carried["in"] == self.out),
                  ("gap", self.hour_form <= leaf["v"]), ("gap", not is_busy or runs),
                  ("gap", leaf["gaps"] == on_record.told_gaps(self.stretches, self.next, hour)))
        self.add_up(leaf["here"], "", leaf["questions"])
        self.hour_form = max(self.hour_form, leaf["v"])

    def take_hour(self, leaf):
        if not self.hour:
            self.stands = self.back.stands(leaf)
            self.open_hour(leaf)
        first, carried, ended = (self.hour or [leaf])[0], leaf["carried"], leaf["ended"]
        before, blocked = self.hour[1] if self.hour else "", sum(leaf["blocked"].values())
        run = self.last_start
        if self.stands:
            self.blocked[leaf["list"]] += blocked
        elif len(self.withdrawn) < WITHDRAWN_MAX or leaf["list"] in self.withdrawn:
            self.withdrawn[leaf["list"]] += blocked
        self.absent[leaf["list"]] += self.stands * sum(
            max(0, span[1] - span[0]) for span in leaf["out"])
        came = carried["in"] + leaf["questions"] - carried["lost"] - carried["out"]
        shared = ("questions", "ended", "carried", "gaps", "boot", "v")
        name, version = leaf["list"], (leaf["serial"], leaf["manifest"])
        if leaf["v"] != 1 and any(span[1] == leaf["end"] for span in leaf["out"]) and any(
                run.awaits_clock(name, leaf["start"]) for run in self.stretches):
            self.awaiting += [leaf["here"]] * (len(self.awaiting) < 100)
        has_sum = came == sum(ended.values()) and blocked <= ended["blocked"]
        self.hold(leaf["here"], ("sum", has_sum), ("list", before < leaf["list"]),
                  ("sum", all(leaf[key] == first[key] for key in shared)),
                  ("gap", on_record.has_right_seconds(leaf, self)),
                  ("run", leaf["boot"] == self.boot and
                   all(leaf[key] == run.get(key) for key in ("software", "configuration"))),
                  ("version", self.versions[name].standing == version))
        self.add_up(leaf["here"], leaf["list"], blocked)
        self.hour = [first, max(before, leaf["list"])]
        self.lists.add(leaf["list"])
        self.hour_blocked += blocked

    def close_hour(self):
        if not self.hour:
            return
        first, told, there = self.hour[0], self.hour[0]["start"] + HOUR, self.lists
        blocked, self.hour, self.lists, self.hour_blocked = self.hour_blocked, [], set(), 0
        self.back.tell(first["start"])
        lists = set(self.last_start.get("lists", []) if first["boot"] == self.boot else [])
        lists.update(*(run.lists for run in self.stretches if run.overlap(first["start"]) > 0))
        self.hold(f"hour {first['hour']}", ("list", lists <= there),
                  ("sum", blocked == first["ended"]["blocked"]))
        self.next, self.out = told, first["carried"]["out"]
        is_over = lambda run: run.until is not None and run.until <= told
        over = len(list(itertools.takewhile(is_over, self.stretches)))
        del self.stretches[:max(0, over - 1)]
        for run in self.stretches:
            run.set = {at for at in run.set if at >= told}
        self.weight = sum(1 + len(run.lists) + len(run.set) for run in self.stretches)

    def take_event(self, leaf):
        here, kind, boot, body = (leaf[key] for key in ("here", "kind", "boot", "body"))
        if leaf.get("touches") and kind not in KINDS and len(self.unjudged) < UNJUDGED_MAX:
            self.unjudged.append((here, kind, leaf["touches"]))
        at, last = leaf["start"], self.stretches[-1] if self.stretches else None
        goes_on = last is not None and last.until is None
        is_over = self.jump[0] < at < self.jump[1] and kind != "entry-counts"
        self.hold(here, ("clock", not is_over))
        way_back = kind == "clock" and leaf["list"] is None and fits(body, CLOCKS[3])
        self.hold(here, ("clock", kind == "entry-counts" or self.is_cut == way_back))
        self.is_cut = self.is_cut and kind == "entry-counts"
        if kind == "clock" and at == self.next and self.is_running and boot == self.boot:
            self.awaiting = []
        if kind == "start" or at > self.next:
            self.give_up_clock()
        if kind == "start":
            self.back.forward = []
            said = {key: body[key] for key in body
                    if key not in ("arrived", "recovery") or type(body[key]) is not str}
            self.hold(here, ("moved", has_arrived(body.get("arrived"), self.moved)))
            self.moved = None
            good = leaf["list"] is None and fits(said, START)
            good = good and body["lists"] == sorted(set(body["lists"]))
            lists = {self.names.setdefault(name, name) for name in (body["lists"] if good else [])}
            digest = int.from_bytes(tlog.sha(b"\0" + boot.encode())[:8], "big")
            good = good and not self.is_running and digest not in self.boots
            good = good and body["previous"] == self.boot
            self.boots.update([digest] if good else [])
            self.last_start = body if good else {}
            self.weight += 1 + len(lists)
            self.boot, self.is_running = boot if good else None, True
            for name in self.versions.keys() - (lists if good else set()):
                self.versions[name].known.clear()
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
                good = good and self.back.go_back(self, leaf["place"], at, since, until)
                until = at
            until, self.is_cut = until if good else at, self.is_cut and good
            self.hold(here, ("clock", good))
            if good and body.get("forward_s", 0) > 0:
                self.back.set_forward(at)
            if last and good and not way_back:
                self.weight += at not in last.set
                last.set.add(at)
            if goes_on and at < until:
                last.until, self.jump, self.weight = at, (at, until), self.weight + 1
                self.stretches.append(Stretch(until, last.lists, last.live))
        if kind == "restored" and leaf["list"] is None:
            good = tells_of_end(body, self.next if self.is_salted else None)
            good = good and here == "leaf 1" and body["origin"] != self.origin
            good = good and is_short(body)
            self.restored = body if good else self.restored
            self.handed_over = self.next if good else self.handed_over
            self.hold(here, ("restored", good))
        if kind == "follows":
            until = seconds(body["until"]) if self.is_salted else None
            good = here == "leaf 1" and until is not None and body["origin"] != self.origin
            good = good and until % HOUR == 0 and until <= self.next and is_short(body)
            self.hold(here, ("follows", good))
            if good:
                self.handed_over, self.follows, self.next = self.next, body, until
                self.back.first = until
        if kind == "restored" and leaf["list"] in self.versions:
            self.versions[leaf["list"]].known.clear()
        if kind in ("live", "rollback") and leaf["list"] is not None:
            self.stand(leaf, self.versions[leaf["list"]])
            if last:
                last.live.setdefault(leaf["list"], at)

    def stand(self, leaf, versions):
        """A version of a list is in force."""
        version, is_live = (leaf["serial"], leaf["manifest"]), leaf["kind"] == "live"
        may = versions.may_be_live if is_live else versions.has_one_manifest
        self.hold(leaf["here"], ("version", may(*version)))
        versions.stand(*version)
        if not (is_live or self.is_salted or leaf["serial"] is not None):
            versions.known.clear()

    def give_up_clock(self):
        """No clock was set where one was awaited."""
        for here in self.awaiting:
            self.hold(here, ("gap", False))
        self.awaiting = []
