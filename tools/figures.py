"""What the leaves of all logs say of the months of a published report. Written from "What follows
from the logs" in docs/report.md."""
from collections import Counter, defaultdict
from leaves import HOUR, read_body

DAY, DAYS_MAX, VERSIONS_MAX = 86_400, 200_000, 100_000
GAPS = ("crash", "stopped", "unwritten", "unrecorded")
STEPS = ("refused", "override", "rollback", "removal", "receipt")

def resolver_of(origin):
    return "/".join(origin.split("/")[:2])

class ListFigures:
    def __init__(self, days):
        self.blocked, self.in_force, self.due = [None] * days, [0] * days, [0] * days
        self.out, self.steps, self.versions = defaultdict(lambda: [0, 0]), Counter(), {}

class Resolver:
    """One resolver, whose logs follow each other."""
    def __init__(self, name=None):
        self.name, self.has_hour, self.highest, self.applied, self.told = name, False, {}, {}, {}

class LogSoFar:
    def __init__(self, origin=None):
        self.origin, self.size, self.begins, self.is_successor = origin, 0, 0, False
        self.hour, self.before, self.last, self.gap, self.out_until = None, None, {}, None, {}
        self.has_begun, self.head = False, None

    def counts_from(self):
        """What lies before the first start of a resolver says nothing."""
        return 0 if self.is_successor else self.begins

class Figures:
    """`bounds`: the first second of each month, and the end of the last one."""
    def __init__(self, bounds):
        self.start, self.end, self.bounds = bounds[0], bounds[-1], bounds
        self.month_of_day = [month for month in range(len(bounds) - 1)
                             for _ in range(bounds[month], bounds[month + 1], DAY)]
        self.questions, self.gaps = Counter(), defaultdict(lambda: [0, 0])
        self.lists, self.heads, self.resolvers, self.versions = {}, {}, 0, 0
        self.resolver, self.log, self.is_beyond = Resolver(), LogSoFar(), False

    def day(self, at):
        return (at - self.start) // DAY if self.start <= at < self.end else None

    def month(self, at):
        day = self.day(at)
        return None if day is None else self.month_of_day[day]

    def split(self, begin, until, length=None):
        """The parts of a time in each day, or in each month: place, begin, seconds."""
        begin = max(begin, self.start)
        while begin < min(until, self.end):
            place = self.day(begin) if length else self.month(begin)
            end = begin - (begin - self.start) % length + length if length else (
                self.bounds[place + 1])
            yield place, begin, min(end, until) - begin
            begin = min(end, until)

    def begin_log(self, origin):
        self.end_log()
        if self.resolver.name != resolver_of(origin):
            self.end_resolver(resolver_of(origin))
        self.log = LogSoFar(origin)

    def end_log(self):
        self.end_hour()
        if self.log.head is not None and self.log.has_begun:
            self.heads[self.log.origin] = self.log.head
        self.log = LogSoFar()

    def end_resolver(self, name=None):
        self.resolvers += self.resolver.has_hour
        for (name_of, serial), (issued, live, _) in self.resolver.applied.items():
            if name_of in self.lists:
                versions = self.lists[name_of].versions
                self.versions += serial not in versions
                known = versions.get(serial, (issued, live))
                versions[serial] = (min(known[0], issued), max(known[1], live))
        self.resolver = Resolver(name)

    def finish(self):
        self.end_log()
        self.end_resolver()

    def list_named(self, name):
        if name not in self.lists:
            days = len(self.month_of_day)
            if (len(self.lists) + 1) * days > DAYS_MAX:
                self.is_beyond = True
                return ListFigures(days)
            self.lists[name] = ListFigures(days)
        return self.lists[name]

    def take(self, leaf, stands, at):
        """`stands`: it is no hour that is withdrawn behind; `at`: when it was, at the latest."""
        if self.log.size == 0:
            self.log.begins = leaf["start"]
        if "hour" in leaf and stands:
            self.take_hour(leaf)
        else:
            self.end_hour()
            if "hour" not in leaf and read_body(leaf) is not None:
                self.take_event(leaf, at)
        self.log.size += 1

    def end_hour(self):
        log = self.log
        if log.hour is not None:
            log.before, log.hour = log.hour, None
            if log.before + HOUR >= self.end and log.head is None:
                log.head = log.size
            self.resolver.told[log.origin] = log.before + HOUR

    def open_hour(self, leaf):
        log, month = self.log, self.month(leaf["start"])
        log.hour = leaf["start"]
        log.has_begun |= log.hour < self.end
        if month is not None:
            self.resolver.has_hour = True
            self.questions[month] += leaf["questions"]
        for begin, until, kind in leaf["gaps"]:
            if kind in GAPS:
                self.add_gap(max(begin, log.counts_from()), until, kind)

    def add_gap(self, begin, until, kind):
        if begin >= until:
            return
        joins = self.log.gap == (begin, kind)
        for month, at, seconds in self.split(begin, until):
            goes_on = joins and at == begin and self.month(at - 1) == month
            self.gaps[month, kind][0] += not goes_on
            self.gaps[month, kind][1] += seconds
        self.log.gap = (until, kind)

    def take_hour(self, leaf):
        log, hour, name = self.log, leaf["start"], leaf["list"]
        if log.hour != hour:
            self.end_hour()
            self.open_hour(leaf)
        was_there = log.before is not None and log.last.get(name) == log.before
        log.last[name] = hour
        day = self.day(hour)
        if day is None:
            return
        figures, out = self.list_named(name), sum(until - start for start, until, _ in leaf["out"])
        figures.blocked[day] = (figures.blocked[day] or 0) + sum(leaf["blocked"].values())
        figures.in_force[day] += leaf["in_force_s"]
        figures.due[day] += leaf["in_force_s"] + out
        for begin, until, kind in leaf["gaps"]:
            if kind != "stopped":
                begin = max(begin, log.counts_from(), begin if was_there else hour)
                for place, _, seconds in self.split(begin, until, DAY):
                    figures.due[place] += seconds
        for begin, until, _ in leaf["out"]:
            month = self.month(begin)
            goes_on = log.out_until.get(name) == begin and self.month(begin - 1) == month
            figures.out[month][0] += not goes_on
            figures.out[month][1] += until - begin
            log.out_until[name] = until

    def take_event(self, leaf, at):
        kind, name, body = leaf["kind"], leaf["list"], leaf["body"]
        if kind == "follows":
            self.log.is_successor = True
        if kind == "restored" and name is None and body["origin"] in self.resolver.told:
            self.add_gap(self.resolver.told[body["origin"]], self.log.begins, "unrecorded")
        if kind == "live":
            self.apply(name, leaf["serial"], body["issued"], at)
        here = self.resolver.applied.get((name, leaf["serial"]))
        if kind == "receipt" and here:
            here[2] = here[2] or at < self.bounds[self.month(here[1]) + 1]
        month = self.month(at)
        if kind in STEPS and "end" not in body and month is not None:
            self.list_named(name).steps[month, kind] += 1

    def apply(self, name, serial, issued, live):
        """An issue takes effect when none with its serial or a higher one was in force before."""
        highest = self.resolver.highest.get(name, -1)
        if serial is None or issued is None or serial <= highest:
            return
        self.resolver.highest[name] = serial
        if self.month(live) is None:
            return
        if len(self.resolver.applied) + self.versions >= VERSIONS_MAX:
            self.is_beyond = True
            return
        self.resolver.applied[name, serial] = [issued, live, False]
