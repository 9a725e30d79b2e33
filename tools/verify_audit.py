#!/usr/bin/env python3
"""Checks wardline's audit logs; written from docs/audit-format.md and not from wardline's code. Needs Python 3.9 or newer and the package
`cryptography` (Debian: python3-cryptography). Ends with 0, 1 or 2 as the document says."""
import argparse, base64, datetime, hashlib, json, os, re, struct, sys
from collections import defaultdict
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOUR, BIG, KINDS, UTC = 3600, 2**53 - 1, ("address", "https", "other", "via_cname"), datetime.timezone.utc
COUNTS = {"blocked": set(KINDS), "carried": {"in", "lost", "out"}, "ended": set("blocked failed fault hit limited miss own refused".split())}
BOTH = set("boot kind list manifest provider resolver seq serial v".split())
HOUR_KEYS = BOTH | set("blocked carried configuration ended gap_s gaps hour in_force_s questions software".split())
EVENT_KEYS = BOTH | {"at", "body"}

class Refused(Exception):
    """A finding that ends the reading of a log."""

def sha(octets):
    return hashlib.sha256(octets).digest()

def seconds(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        raise ValueError("no time")
    return int(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())

def text_of(time, form="%Y-%m-%dT%H:%M:%SZ"):
    return datetime.datetime.fromtimestamp(time, UTC).strftime(form)

class Key:
    def __init__(self, text):
        self.name, self.id, encoded = text.strip().split("+", 2)
        octets = base64.b64decode(encoded, validate=True)
        self.algorithm, self.key = octets[0], Ed25519PublicKey.from_public_bytes(octets[1:])
        if self.algorithm not in (1, 4) or sha(self.name.encode() + b"\n" + octets)[:4].hex() != self.id:
            raise ValueError("no key")

    def check(self, text, signature):
        if self.algorithm == 4:
            text, signature = b"cosignature/v1\ntime %d\n" % struct.unpack(">Q", signature[:8])[0] + text, signature[8:]
        self.key.verify(signature, text)

def read_keys(given):
    keys = []
    for item in given:
        try:
            keys.append(Key(item))
        except ValueError:
            with open(item, encoding="utf-8") as file:
                keys.extend(Key(line) for line in file if line.strip() and not line.startswith("#"))
    return keys

def read_note(octets):
    """The text of a signed note and its signatures: name, id, octets."""
    whole = octets.decode()
    text, gap, lines = whole.rpartition("\n\n")
    lines = lines.split("\n")
    if not text or not gap or len(octets) > 1 << 20 or lines.pop() or len(lines) > 100 or re.search(r"[\0-\x09\x0b-\x1f\x7f-\x9f]", whole):
        raise ValueError("no signed note")
    signatures = [re.fullmatch(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+=*)", line).groups() for line in lines]
    signatures = [(name, base64.b64decode(encoded, validate=True)) for name, encoded in signatures]
    return text + "\n", [(name, octets[:4].hex(), octets[4:]) for name, octets in signatures]

def is_signed(note, keys):
    """Whether one of the keys signed; raises where the signature of one does not hold."""
    signed = [(key, octets) for key in keys for name, key_id, octets in note[1] if (name, key_id) == (key.name, key.id)]
    for key, octets in signed:
        key.check(note[0].encode(), octets)
    return bool(signed)

def read_checkpoint(octets):
    note = read_note(octets)
    origin, size, root = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n", note[0]).groups()
    return note, origin, int(size), base64.b64decode(root)

def tile_name(folder, index, width):
    name, rest = f"{index % 1000:03}", index // 1000
    while rest:
        name, rest = f"x{rest % 1000:03}/{name}", rest // 1000
    return f"tile/{folder}/{name}" + (f".p/{width}" if width < 256 else "")

def is_plain(value):
    if isinstance(value, dict):
        return all(key.isascii() and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, str)) or (isinstance(value, int) and abs(value) <= BIG)

def is_count(value):
    return type(value) is int and 0 <= value <= BIG

def read_leaf(octets):
    leaf = json.loads(octets.decode())
    is_hour = leaf["kind"] == "hour"
    good = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == octets and is_plain(leaf)
    good = good and set(leaf) == (HOUR_KEYS if is_hour else EVENT_KEYS) and type(leaf["v"]) is int and leaf["v"] == 1 and is_count(leaf["seq"])
    good = good and all(type(leaf[key]) is str for key in ("boot", "kind", "provider", "resolver"))
    good = good and (leaf["serial"] is None or is_count(leaf["serial"])) and isinstance(leaf["manifest"], (str, type(None)))
    if is_hour:
        good = good and all(set(leaf[key]) == words and all(map(is_count, leaf[key].values())) for key, words in COUNTS.items())
        good = good and all(is_count(leaf[key]) for key in ("questions", "gap_s", "in_force_s"))
        good = good and all(type(leaf[key]) is str for key in ("configuration", "list", "software"))
        good = good and all(set(gap) == {"from", "kind", "until"} and type(gap["kind"]) is str for gap in leaf["gaps"])
        leaf["gaps"] = [(seconds(gap["from"]), seconds(gap["until"]), gap["kind"]) for gap in leaf["gaps"]]
    leaf["time"] = seconds(leaf["hour" if is_hour else "at"])
    if not (good and (leaf["time"] % HOUR == 0 if is_hour else type(leaf["body"]) is dict and isinstance(leaf["list"], (str, type(None))))):
        raise ValueError("not of the form")
    return leaf

class Run:
    def __init__(self, start, lists, papers):
        self.start, self.end, self.kind, self.lists, self.papers = start, 1 << 60, "crash", lists, papers

    def seconds(self, hour):
        return max(0, min(hour + HOUR, self.end) - max(hour, self.start))

    def touches(self, hour):
        return self.start < hour + HOUR and self.end >= hour

class Log:
    def __init__(self, folder, keys, pins):
        self.folder, self.keys, self.pins, self.origin, self.findings, self.size = folder, keys, pins, "", [], 0
        self.runs, self.open, self.next, self.out, self.standing, self.last, self.tiles = [], None, None, 0, {}, None, []
        self.blocked, self.questions = defaultdict(lambda: [0] * 4), defaultdict(int)
        first = []
        try:
            self.read_files()
        except Refused as refused:
            first = [refused.args]
        self.close_hour()
        if self.last is not None:
            self.expect_gaps(self.last - self.last % HOUR)
        self.findings = [(code, f"{self.origin} {place}".strip()) for code, place in first + self.findings[:100]]

    def find(self, code, place):
        self.findings.append((code, place))

    def octets(self, name, size=None):
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                octets = file.read()
        except OSError:
            raise Refused("missing", name)
        if size is not None and len(octets) != size:
            raise Refused("missing", name)
        return octets

    def checkpoint(self, name):
        try:
            note, origin, size, root = read_checkpoint(self.octets(name))
        except (ValueError, AttributeError, Refused):
            raise Refused("note", name)
        self.origin = self.origin or origin
        try:
            if origin == self.origin and is_signed(note, [key for key in self.keys if key.name == origin]):
                return size, root
        except (InvalidSignature, struct.error):
            pass
        raise Refused("signature", name)

    def root(self, peaks):
        node = peaks[-1][1] if peaks else sha(b"")
        for _, peak in reversed(peaks[:-1]):
            node = sha(b"\1" + peak + node)
        return node

    def check_tile(self, level, index, octets):
        name = tile_name(level, index, len(octets) // 32)
        if level > 0 and self.octets(name, len(octets)) != octets:
            raise Refused("tile", name)

    def read_files(self):
        (size, root), days = self.checkpoint("checkpoint"), os.path.join(self.folder, "checkpoints")
        names = [f"checkpoints/{day}" for day in (sorted(os.listdir(days)) if os.path.isdir(days) else [])]
        pins = [(*self.checkpoint(name), "checkpoint", name) for name in names]
        pins += [pin[1:] for pin in self.pins if pin[0] == self.origin and (pin[3] != "fork" or pin[1] <= size and pin[1:3] != (size, root))]
        for pin in pins:
            if pin[0] > size:
                raise Refused(*pin[2:])
        self.size, pins, peaks, seq = size, sorted(pins, key=lambda pin: pin[0]), [], 0
        while True:
            while pins and pins[0][0] == seq:
                if pins[0][1] != self.root(peaks):
                    raise Refused(*pins[0][2:])
                pins.pop(0)
            if seq == size:
                break
            if seq % 256 == 0:
                entries = self.bundle(seq // 256, min(256, size - seq))
            try:
                leaf = read_leaf(entries[seq % 256])
            except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
                raise Refused("leaf", f"leaf {seq}")
            self.take(seq, leaf)
            node, height, seq = sha(b"\0" + entries[seq % 256]), 0, seq + 1
            self.add_to_tile(0, node)
            while peaks and peaks[-1][0] == height:
                node, height = sha(b"\1" + peaks.pop()[1] + node), height + 1
            peaks.append((height, node))
        for level, (index, octets) in enumerate(self.tiles):
            if octets:
                self.check_tile(level, index, octets)
        if self.root(peaks) != root:
            raise Refused("root", "checkpoint")

    def add_to_tile(self, level, node):
        """A full tile is checked, and its root is a hash of the level above."""
        if level == len(self.tiles):
            self.tiles.append([0, b""])
        index, octets = self.tiles[level][0], self.tiles[level][1] + node
        self.tiles[level][1] = octets
        if len(octets) == 256 * 32:
            self.check_tile(level, index, octets)
            self.tiles[level] = [index + 1, b""]
            while len(octets) > 32:
                octets = b"".join(sha(b"\1" + octets[at:at + 64]) for at in range(0, len(octets), 64))
            self.add_to_tile(level + 1, octets)

    def bundle(self, index, width):
        name, entries, at = tile_name("entries", index, width), [], 0
        octets = self.octets(name)
        while at + 2 <= len(octets):
            end = at + 2 + struct.unpack(">H", octets[at:at + 2])[0]
            entries.append(octets[at + 2:end])
            at = end
        if at != len(octets) or len(entries) != width:
            raise Refused("missing", name)
        tile = self.octets(tile_name(0, index, width), 32 * width)
        for at, entry in enumerate(entries):
            if sha(b"\0" + entry) != tile[32 * at:32 * at + 32]:
                raise Refused("tile", f"leaf {index * 256 + at}")
        return entries

    def take(self, seq, leaf):
        here, time = f"leaf {seq}", leaf["time"] + HOUR * (leaf["kind"] == "hour")
        checks = [("sequence", leaf["seq"] == seq), ("author", self.origin == f"{leaf['provider']}/{leaf['resolver']}"),
                  ("time", self.last is None or time >= self.last)]
        for code in [code for code, holds in checks if not holds]:
            self.find(code, here)
        self.last = max(time, time if self.last is None else self.last)
        self.take_hour(here, leaf) if leaf["kind"] == "hour" else self.take_event(here, leaf)

    def take_hour(self, here, leaf):
        hour, carried, shared = leaf["time"], leaf["carried"], [leaf[key] for key in ("questions", "ended", "carried")]
        if not self.open or self.open["hour"] != hour:
            self.close_hour()
            if self.next is not None and hour < self.next:
                self.find("hour", here)
            if self.next is not None:
                self.expect_gaps(hour)
            if carried["in"] != self.out:
                self.find("carried", here)
            self.open = {"hour": hour, "shared": shared, "lists": [], "blocked": 0, "leaf": leaf}
        blocked, lists = sum(leaf["blocked"].values()), self.open["lists"]
        touching = [run for run in self.runs if run.touches(hour)]
        flows = carried["in"] + leaf["questions"] == sum(leaf["ended"].values()) + carried["lost"] + carried["out"]
        in_force = sum(run.seconds(hour) for run in touching if leaf["list"] in run.lists)
        papers = (leaf["boot"], leaf["software"], leaf["configuration"])
        checks = [("sum", flows and blocked <= leaf["ended"]["blocked"] and leaf["gap_s"] == sum(gap[1] - gap[0] for gap in leaf["gaps"])),
                  ("list", not lists or lists[-1] < leaf["list"]), ("sum", shared == self.open["shared"]),
                  ("gap", leaf["gaps"] == self.gaps(hour)), ("gap", leaf["in_force_s"] == in_force),
                  ("run", bool(touching) and touching[-1].papers == papers),
                  ("version", (leaf["serial"], leaf["manifest"]) == self.standing.get(leaf["list"], (None, None)))]
        for code in [code for code, holds in checks if not holds]:
            self.find(code, here)
        lists.append(leaf["list"])
        self.open["blocked"] += blocked
        day = self.blocked[leaf["list"], text_of(hour, "%Y-%m-%d")]
        day[:] = [old + leaf["blocked"][kind] for old, kind in zip(day, KINDS)]

    def close_hour(self):
        if self.open:
            hour, leaf, place = self.open["hour"], self.open["leaf"], f"hour {text_of(self.open['hour'])}"
            if set(self.open["lists"]) != set().union(*(run.lists for run in self.runs if run.touches(hour))):
                self.find("list", place)
            if self.open["blocked"] != leaf["ended"]["blocked"]:
                self.find("sum", place)
            self.out, self.next, self.open = leaf["carried"]["out"], hour + HOUR, None
            self.questions[text_of(hour, "%Y-%m-%d")] += leaf["questions"]
            self.runs = [run for run in self.runs[:-2] if run.end >= hour] + self.runs[-2:]

    def expect_gaps(self, end):
        first = self.next if self.next is not None else self.runs[0].start // HOUR * HOUR if self.runs else end
        for hour in range(first, end, HOUR):
            if any(run.lists and run.seconds(hour) for run in self.runs):
                self.find("hour", f"hour {text_of(hour)}")

    def gaps(self, hour):
        gaps, reached, kind = [], hour, "unrecorded"
        for run in self.runs + [Run(hour + HOUR, set(), ())]:
            start = max(min(run.start, hour + HOUR), hour)
            gaps += [(reached, start, kind)] if reached < start else []
            reached, kind = max(reached, run.end), run.kind
        return gaps

    def take_event(self, here, leaf):
        self.close_hour()
        kind, body, at, last = leaf["kind"], leaf["body"], leaf["time"], self.runs[-1] if self.runs else None
        is_running, boot = bool(last) and last.end == 1 << 60, last.papers[0] if last else None
        if kind == "start":
            if is_running or body.get("previous") != boot or leaf["boot"] == boot:
                self.find("run", here)
            papers, lists = (leaf["boot"], body.get("software"), body.get("configuration")), body.get("lists")
            if all(type(paper) is str for paper in papers) and type(lists) is list:
                self.runs.append(Run(at, set(lists), papers))
            else:
                self.find("run", here)
            return
        if leaf["boot"] != boot:
            self.find("run", here)
        if kind in ("stop", "crash"):
            if not is_running:
                self.find("run", here)
            else:
                last.end, last.kind = at, "stopped" if kind == "stop" else "crash"
        elif kind == "clock":
            by = body.get("by_s") if type(body.get("by_s")) is int else None
            if by is None or not is_running or body.get("until") != text_of(at + max(by, 0)):
                self.find("run", here)
            elif by > 0:
                last.end, last.kind = at, "unrecorded"
                self.runs.append(Run(at + by, last.lists, last.papers))
        elif kind in ("live", "rollback") and leaf["list"] is not None:
            self.standing[leaf["list"]] = (leaf["serial"], leaf["manifest"])

def check_report(report, logs):
    """Each figure of a published report that is not hidden, held against the leaves."""
    blocked, findings = defaultdict(int), []
    for log in logs:
        for (name, day), counts in log.blocked.items():
            for time in (day, day[:7]):
                blocked[name, time] += sum(counts)
    whole = {(name, time) for name, time in blocked}
    sums = defaultdict(int)
    for month in report["months"]:
        for entry in [month] + (month.get("days") or []):
            time = entry.get("day") or entry["month"]
            for name in sorted(set(entry["blocked"]) | {name for name, at in whole if at == time}):
                figure = entry["blocked"].get(name)
                sums[name] += blocked[name, time] if len(time) == 7 else 0
                if figure != "hidden" and figure != (blocked[name, time] if (name, time) in whole else None):
                    findings.append(("report", f"report {time} list {name}"))
    return findings + [("report", f"report sums list {name}") for name, figure in sorted(report["sums"]["blocked"].items())
                       if type(figure) is int and figure != sums[name]]

def main():
    parser = argparse.ArgumentParser(description="Check wardline's audit logs.")
    parser.add_argument("folders", nargs="+")
    for name in ("key", "since"):
        parser.add_argument(f"--{name}", action="append", default=[], required=name == "key")
    parser.add_argument("--until"), parser.add_argument("--report"), parser.add_argument("--json", action="store_true")
    args = parser.parse_intermixed_args()
    try:
        keys, pins, folders = read_keys(args.key), [], []
        for path in args.folders:
            found = [path] if os.path.isfile(f"{path}/checkpoint") else sorted(f"{path}/{name}" for name in os.listdir(path))
            folders += [folder for folder in found if os.path.isfile(f"{folder}/checkpoint")]
        for name in args.since:
            with open(name, "rb") as file:
                note, origin, size, root = read_checkpoint(file.read())
            if not is_signed(note, [key for key in keys if key.name == origin]):
                raise ValueError(f"{name} is not signed")
            pins.append((origin, size, root, "since", f"since {size}"))
        for folder in folders:
            with open(f"{folder}/checkpoint", "rb") as file:
                _, origin, size, root = read_checkpoint(file.read())
            pins.append((origin, size, root, "fork", "checkpoint in another folder"))
        report = json.load(open(args.report, encoding="utf-8")) if args.report else None
    except (OSError, ValueError, AttributeError, InvalidSignature) as error:
        print(f"cannot begin: {error}", file=sys.stderr)
        return 2
    logs = sorted((Log(folder, keys, pins) for folder in folders), key=lambda log: (log.origin, -log.size))
    findings = [finding for log in logs for finding in log.findings]
    if args.until:
        wanted = seconds(args.until)
        findings += [("until", log.origin) for log in logs if log.next is None or log.next < wanted]
    findings += [("absent", key.name) for key in keys if key.algorithm == 1 and key.name not in {log.origin for log in logs}]
    logs = [log for at, log in enumerate(logs) if at == 0 or logs[at - 1].origin != log.origin]
    findings += check_report(report, logs) if report else []
    sums = defaultdict(lambda: [0] * 4)
    for (name, _), counts in (item for log in logs for item in log.blocked.items()):
        sums[name] = [old + new for old, new in zip(sums[name], counts)]
    blocked = {name: dict(zip(KINDS, counts)) for name, counts in sorted(sums.items())}
    if args.json:
        print(json.dumps({"blocked": blocked, "findings": [{"code": code, "place": place} for code, place in findings]}))
    else:
        print("\n".join([f"{name}: {sum(counts.values())} blocked" for name, counts in blocked.items()] +
                        [f"NOT IN ORDER ({code}): {place}" for code, place in findings] + ["in order" if not findings else "NOT in order"]))
    return 1 if findings else 0

if __name__ == "__main__":
    sys.exit(main())
