#!/usr/bin/env python3
"""Checks wardline's audit logs; written from docs/audit-format.md, not from wardline's code. Rules go by their numbers
there. Needs Python 3.9 and the package `cryptography` (Debian: python3-cryptography)."""
import argparse, base64, datetime, functools, hashlib, itertools, json, re, sys
from collections import Counter, defaultdict
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOUR, BIG = 3600, 2**53 - 1
LEAF = {"v": int, "kind": str, "provider": str, "resolver": str, "seq": int, "boot": str,
        "serial": (int, None), "manifest": (str, None)}
HOUR_LEAF = {**LEAF, "hour": str, "list": str, "in_force_s": int, "questions": int, "gap_s": int,
             "blocked": {"address": int, "https": int, "other": int, "via_cname": int},
             "ended": dict.fromkeys("blocked failed fault hit limited miss own refused".split(), int),
             "carried": {"in": int, "out": int, "lost": int}, "gaps": [{"from": str, "until": str, "kind": str}],
             "software": str, "configuration": str}
HOUR_LEAVES = {1: HOUR_LEAF, 2: {**HOUR_LEAF, "not_in_force": [{"from": str, "until": str}]}}
EVENT_LEAVES = {1: {**LEAF, "at": str, "list": (str, None), "body": dict}}
START = {"software": str, "configuration": str, "lists": [str], "previous": (str, None), "behind_s": int}
RESTORED = {"origin": str, "size": int, "root": str, "found": int, "why": str}
BASE64 = "((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?)"
SIGNATURE = rf"\u2014 ([^\s+]+) {BASE64}\n"
CHECKPOINT = rf"(([^\0-\x1f\x7f-\x9f]+)\n(0|[1-9][0-9]{{0,17}})\n{BASE64}\n)\n{SIGNATURE}(?:{SIGNATURE})*"

class Refused(Exception):
    """A finding that ends the reading of a log: code and place."""

def sha(octets):
    return hashlib.sha256(octets).digest()

def read_key(text):
    """Name, id and key of a log's author."""
    name, key_id, encoded = text.strip().split("+", 2)
    octets = base64.b64decode(encoded, validate=True)
    if octets[0] != 1 or sha(name.encode() + b"\n" + octets)[:4].hex() != key_id:
        raise ValueError("not the key of a log's author")
    return name, key_id, Ed25519PublicKey.from_public_bytes(octets[1:])

def read_checkpoint(octets, keys):
    """Origin, size and root of a checkpoint whose first signature is its author's."""
    text, origin, size, root, name, signature, _, _ = re.fullmatch(CHECKPOINT, octets.decode()).groups()
    signature = base64.b64decode(signature)
    keys = [key for owner, key_id, key in keys if owner == name == origin and key_id == signature[:4].hex()]
    if not [key.verify(signature[4:], text.encode()) for key in keys]:
        raise InvalidSignature
    return origin, int(size), base64.b64decode(root)

def seconds(text):
    if not re.fullmatch("(19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text):
        raise ValueError("not a time")
    return int(datetime.datetime.fromisoformat(text[:-1] + "+00:00").timestamp())

def fits(value, form):
    """A form is a type (whole numbers are counts), nothing, a choice, a list of one form, or a form for each key."""
    if isinstance(form, dict):
        return fits(value, dict) and value.keys() == form.keys() and all(fits(value[key], form[key]) for key in form)
    if isinstance(form, list):
        return fits(value, list) and all(fits(item, form[0]) for item in value)
    if isinstance(form, tuple):
        return any(fits(value, choice) for choice in form)
    return value is None if form is None else type(value) is form and (form is not int or 0 <= value <= BIG)

def read_leaf(seq, octets):
    try:
        leaf = json.loads(octets.decode())
        is_hour = leaf["kind"] == "hour"
        same = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == octets
        good = same and fits(leaf, (HOUR_LEAVES if is_hour else EVENT_LEAVES).get(leaf["v"], {}))
        good = good and all(fits(item, (str, int, bool, None, [str])) for item in leaf.get("body", {}).values())
        leaf["start"] = seconds(leaf["hour" if is_hour else "at"])
        leaf["gaps"] = [(seconds(gap["from"]), seconds(gap["until"]), gap["kind"]) for gap in leaf.get("gaps", [])]
        leaf["out"] = [(seconds(span["from"]), seconds(span["until"]), "") for span in leaf.get("not_in_force", [])]
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good or is_hour and leaf["start"] % HOUR:
        raise Refused("leaf", f"leaf {seq}")
    return {**leaf, "here": f"leaf {seq}", "end": leaf["start"] + HOUR * is_hour}

def tile_name(folder, index, width):
    name, rest = f"{index % 1000:03}", index // 1000
    while rest:
        name, rest = f"x{rest % 1000:03}/{name}", rest // 1000
    return f"tile/{folder}/{name}" + (f".p/{width}" if width < 256 else "")

def tree_of(row):
    """The rows of a Merkle tree: the leaves' hashes; over each full pair of a row, a hash of the next one."""
    rows = [row]
    while len(rows[-1]) > 1:
        rows.append([sha(b"\1" + left + right) for left, right in zip(rows[-1][::2], rows[-1][1::2])])
    return rows

def root_of(rows, size):
    """The root of the first leaves: a full subtree for each bit of their number, joined from the right."""
    peaks = [row[(size >> height) - 1] for height, row in enumerate(rows) if size >> height & 1]
    return functools.reduce(lambda right, left: sha(b"\1" + left + right), peaks) if peaks else sha(b"")

class Log:
    def __init__(self, folder, keys, pins):
        self.folder, self.keys, self.origin, self.size, self.findings = Path(folder), keys, folder, 0, []
        self.runs, self.boot, self.is_running, self.standing, self.is_whole = {}, None, False, {}, False
        self.time, self.next, self.out, self.blocked, self.restored = 0, 0, 0, defaultdict(int), None
        self.recent, self.hour_form, self.absent = [], 0, Counter()
        try:
            leaves, self.is_whole = list(map(read_leaf, range(1 << 60), self.read_files(pins))), True
            self.next = leaves[0]["start"] // HOUR * HOUR if leaves else 0
            for _, group in itertools.groupby(leaves, lambda leaf: leaf["hour"] if "hour" in leaf else leaf["here"]):
                group = list(group)
                self.take_hour(group) if "hour" in group[0] else self.take_event(*group)
        except OSError as error:
            self.findings.append(("missing", str(Path(error.filename).relative_to(folder))))
        except Refused as refused:
            self.findings.append(refused.args)
        self.findings = [(code, f"{self.origin} {place}") for code, place in self.findings[:100]]

    def checkpoint(self, name):
        try:
            origin, size, root = read_checkpoint((self.folder / name).read_bytes(), self.keys)
        except (InvalidSignature, ValueError, AttributeError, OSError) as error:
            raise Refused("signature" if isinstance(error, InvalidSignature) else "note", name)
        if name != "checkpoint" and origin != self.origin:
            raise Refused("signature", name)
        self.origin = origin
        return size, root

    def read_files(self, pins):
        """All entries, if rules 1 to 3 hold."""
        self.size, root = self.checkpoint("checkpoint")
        names = [f"checkpoints/{path.name}" for path in sorted(self.folder.glob("checkpoints/*"))]
        held = [(*self.checkpoint(name), "checkpoint", name) for name in names]
        held += [(size, root, "since", f"since {size}") for origin, size, root in pins if origin == self.origin]
        for _, _, code, place in (pin for pin in held if pin[0] > self.size):
            raise Refused(code, place)
        entries = list(itertools.chain.from_iterable(map(self.bundle, range(0, self.size, 256))))
        rows = tree_of([sha(b"\0" + entry) for entry in entries])
        held = sorted(held, key=lambda pin: pin[0]) + [(self.size, root, "root", "checkpoint")]
        for _, _, code, place in (pin for pin in held if root_of(rows, pin[0]) != pin[1]):
            raise Refused(code, place)
        return entries

    def bundle(self, first):
        width, entries, at = min(256, self.size - first), [], 0
        name, tile = (tile_name(row, first // 256, width) for row in ("entries", 0))
        octets, hashes = (self.folder / name).read_bytes(), (self.folder / tile).read_bytes()
        while at + 2 <= len(octets):
            start, at = at + 2, at + 2 + int.from_bytes(octets[at:at + 2], "big")
            entries.append(octets[start:at])
        if at != len(octets) or len(entries) != width or len(hashes) != 32 * width:
            raise Refused("missing", name)
        for at in (at for at, entry in enumerate(entries) if sha(b"\0" + entry) != hashes[32 * at:32 * at + 32]):
            raise Refused("tile", f"leaf {first + at}")
        return entries

    def hold(self, place, *rules):
        self.findings += [(code, place) for code, holds in rules if not holds]

    def take(self, leaf):
        self.hold(leaf["here"], ("sequence", leaf["here"] == f"leaf {leaf['seq']}"), ("time", leaf["end"] >= self.time),
                  ("author", f"{leaf['provider']}/{leaf['resolver']}" == self.origin))
        self.time = max(self.time, leaf["end"])

    def take_hour(self, leaves):
        first, hour, before = leaves[0], leaves[0]["start"], ""
        for leaf in leaves:
            self.take(leaf)
            carried, ended, gaps, run = leaf["carried"], leaf["ended"], leaf["gaps"], self.runs.get(leaf["boot"], {})
            out, out_s = leaf["out"], sum(max(0, until - start) for start, until, _ in leaf["out"])
            blocked = sum(leaf["blocked"].values())
            self.blocked[leaf["list"], leaf["hour"][:10]] += blocked
            self.absent[leaf["list"]] += out_s
            if leaf is leaves[0]:
                missing = sum(max(0, min(until, hour) - start) for start, until, _ in gaps)
                self.hold(leaf["here"], ("hour", hour - self.next == missing),
                          ("carried", self.next != hour or carried["in"] == self.out),
                          ("gap", self.hour_form <= leaf["v"]))
            came, went = carried["in"] + leaf["questions"], sum(ended.values()) + carried["lost"] + carried["out"]
            edges = [edge for span in sorted(gaps + out) for edge in span[:2]] + [hour + HOUR]
            in_order = [gaps, out, edges] == [sorted(gaps), sorted(out), sorted(edges)]
            in_order = in_order and all(gap[0] < gap[1] for gap in gaps + out) and all(hour <= gap[0] for gap in out)
            gap_s, within_s = (sum(max(0, until - max(start, at)) for start, until, _ in gaps) for at in (0, hour))
            told_s = leaf["in_force_s"] + within_s + out_s
            may_lack = leaf["v"] == 1 or any(leaf["list"] not in self.lists_of(boot) for boot in self.recent)
            self.hold(
                leaf["here"], ("sum", came == went and blocked <= ended["blocked"]), ("list", before < leaf["list"]),
                ("sum", all(leaf[key] == first[key] for key in ("questions", "ended", "carried", "gaps", "boot", "v"))),
                ("gap", in_order and leaf["gap_s"] == gap_s and (told_s == HOUR or told_s < HOUR and may_lack)),
                ("run", all(leaf[key] == run.get(key) for key in ("software", "configuration"))),
                ("version", (leaf["serial"], leaf["manifest"]) == self.standing.get(leaf["list"], (None, None))))
            before = max(before, leaf["list"])
        is_told = {leaf["list"] for leaf in leaves}.issuperset(self.lists_of(first["boot"]))
        blocked = sum(sum(leaf["blocked"].values()) for leaf in leaves)
        self.hold(f"hour {first['hour']}", ("list", is_told), ("sum", blocked == first["ended"]["blocked"]))
        self.next, self.out, self.recent = hour + HOUR, first["carried"]["out"], [self.boot]
        self.hour_form = max(self.hour_form, first["v"])

    def lists_of(self, boot):
        return self.runs.get(boot, {}).get("lists", [])

    def take_event(self, leaf):
        self.take(leaf)
        here, kind, boot, body = leaf["here"], leaf["kind"], leaf["boot"], leaf["body"]
        if kind == "start":
            good = not self.is_running and fits(body, START) and body["previous"] == self.boot and boot not in self.runs
            self.runs.update({boot: body} if good else {})
            self.boot, self.is_running = boot if good else None, True
            self.recent.append(self.boot)
        self.hold(here, ("run", self.is_running and boot == self.boot))
        if kind == "restored" and leaf["list"] is None:
            good = here == "leaf 1" and fits(body, RESTORED) and body["origin"] != self.origin
            self.restored = body if good else self.restored
            self.hold(here, ("restored", good))
        self.is_running &= kind not in ("stop", "crash")
        if kind in ("live", "rollback") and leaf["list"] is not None:
            self.standing[leaf["list"]] = (leaf["serial"], leaf["manifest"])

def check_report(report, logs):
    """Each figure that is not hidden, held against the leaves: rule 6."""
    told, findings = defaultdict(int), []
    for (name, day), count in (item for log in logs for item in log.blocked.items()):
        for time in (day, day[:7]):
            told[time, name] += count
    for row in (row for month in report["months"] for row in [month, *(month.get("days") or [])]):
        time, shown = row.get("day") or row["month"], row["blocked"]
        names = sorted(set(shown) | {name for at, name in told if at == time})
        findings += [("report", f"report {time} list {name}") for name in names
                     if json.dumps(shown.get(name)) not in ('"hidden"', json.dumps(told.get((time, name))))]
    for name, figure in sorted(report["sums"]["blocked"].items()):
        parts = [month["blocked"].get(name) for month in report["months"]]
        if type(figure) is int and figure != sum(part for part in parts if type(part) is int):
            findings.append(("report", f"report sums list {name}"))
    return findings

def main():
    parser = argparse.ArgumentParser(description="Check wardline's audit logs. Ends with 0 if all is in order.")
    parser.add_argument("folders", nargs="+", help="folders of exported logs")
    parser.add_argument("--key", action="append", required=True, help="public key of a log's author")
    parser.add_argument("--since", action="append", default=[], help="file of an older checkpoint that a log must fit")
    parser.add_argument("--until", default="1970-01-01T00:00:00Z", help="time up to which all must be told")
    parser.add_argument("--report", help="file of a published report (JSON)")
    args = parser.parse_intermixed_args()
    keys, until = [read_key(text) for text in args.key], seconds(args.until)
    pins = [read_checkpoint(Path(name).read_bytes(), keys) for name in args.since]
    logs = sorted((Log(folder, keys, pins) for folder in args.folders), key=lambda log: (log.origin, -log.size))
    findings = [finding for log in logs for finding in log.findings]
    findings += [("until", log.origin) for log in logs if log.is_whole and log.next < until]
    findings += [("absent", key[0]) for key in keys if key[0] not in {log.origin for log in logs}]
    longest = [log for at, log in enumerate(logs) if at == 0 or logs[at - 1].origin != log.origin]
    if args.report and all(log.is_whole for log in logs):
        findings += check_report(json.loads(Path(args.report).read_bytes()), longest)
    for name in sorted({name for log in longest for name, _ in log.blocked}):
        counts = (count for log in longest for (key, _), count in log.blocked.items() if key == name)
        print(f"blocked {name}: {sum(counts)}")
    for name, count in sorted(sum((log.absent for log in longest), Counter()).items()):
        print(f"not in force {name}: {count} s")
    for log in (log for log in logs if log.restored):
        print(f"RESTORED: {log.origin} follows", *(f"{key}={log.restored[key]}" for key in sorted(RESTORED)))
    for code, place in findings:
        print(f"NOT IN ORDER ({code}): {place}")
    print("NOT in order" if findings else "in order")
    return 1 if findings else 0

if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, AttributeError, KeyError, TypeError, InvalidSignature) as error:
        print(f"cannot begin: {error!r}", file=sys.stderr)
        sys.exit(2)
