"""Reads one leaf of an audit log: its form, and what each kind of event says. Written from
docs/audit-format.md."""
import datetime, hashlib, json, re
from tlog import Refused

HOUR, BIG, WORD_MAX, TOUCHES_MAX = 3600, 2**53 - 1, 255, 8
LEAF = {"v": int, "kind": str, "provider": str, "resolver": str, "seq": int, "boot": str,
        "serial": (int, None), "manifest": (str, None)}
ENDED = "blocked failed fault hit limited miss own refused"
HOUR_LEAF = {**LEAF, "hour": str, "list": str, "in_force_s": int, "questions": int, "gap_s": int,
             "blocked": {"address": int, "https": int, "other": int, "via_cname": int},
             "ended": dict.fromkeys(ENDED.split(), int),
             "carried": {"in": int, "out": int, "lost": int},
             "gaps": [{"from": str, "until": str, "kind": str}],
             "software": str, "configuration": str}
OUT = {"not_in_force": [{"from": str, "until": str}]}
EVENT_LEAF = {**LEAF, "at": str, "list": (str, None), "body": dict}
FORMS = {("hour", 1): HOUR_LEAF, ("hour", 2): {**HOUR_LEAF, **OUT},
         ("hour", 3): {**HOUR_LEAF, **OUT, "salt": str}, ("event", 1): EVENT_LEAF,
         ("event", 3): {**EVENT_LEAF, "salt": str, "touches": [str]}}
START = {"software": str, "configuration": str, "lists": [str], "previous": (str, None),
         "behind_s": int}
RESTORED = {"origin": str, "size": int, "root": str, "found": int, "why": str}
CLOCKS = ({"until": str, "forward_s": int}, {"until": str, "back_s": int}, {"until": str},
          {"since": str, "until": str})
# Kind, list or program, what it touches, and the keys of its body: a number, a word, a time, words;
# with a question mark also null. Of a key with an exclamation mark there may be none.
TABLE = """
start program counts,in-force arrived:w! behind_s:n configuration:w lists:l previous:w? \
recovery:w! software:w
stop program counts
crash program counts
clock program counts forward_s:n until:t
clock program counts back_s:n until:t
clock program counts until:t
clock program counts since:t until:t
unwritten program - until:t
live list counts,in-force entries:n generation:n? issued:n? rejects:n sha256:w
rollback list counts,in-force manifest:w? serial:n? to:n
received list - at-ms:n way:w
verified list - at-ms:n
refused list - codes:l message:w
override list - codes:l known-by:w
staged list - entries:n known-by:w seconds:n
staged list - questions:n would-be-blocked:n
probed list - asked:n right:n
receipt list - live-ms:n probed-ms:n received-ms:n verified-ms:n
removal list in-force entries:n from:n named:n removal:w until:n
removal list in-force end:w removal:w serial:n?
expired list - expires:n? manifest:w? serial:n?
moved program counts to:w
configured program - changed:l waiting:l
restored program counts found:n from:t! origin:w root:w size:n until:t! why:w
restored list - found:n?
follows program counts origin:w root:w size:n until:t why:w
entry-counts list - commitment:w entries:n hour:t
"""
WORDS = "boot kind provider resolver list manifest software configuration".split()
PLAIN = r'[^"\\\0-\x1f\x7f-\x9f]*'
TIME = "(19[7-9]|2[0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"

def seconds(text):
    if not re.fullmatch(TIME, text):
        raise ValueError("not a time")
    return int(datetime.datetime.fromisoformat(text[:-1] + "+00:00").timestamp())

def is_word(text):
    """A word of an envelope."""
    return len(text.encode()) <= WORD_MAX and re.fullmatch(PLAIN, text) is not None

def is_time(text):
    try:
        return seconds(text) >= 0
    except ValueError:
        return False

def fits(value, form):
    """A form is a type (whole numbers are counts), nothing, a choice, a list of one form, or a
    form for each key."""
    if isinstance(form, dict):
        same = fits(value, dict) and value.keys() == form.keys()
        return same and all(fits(value[key], form[key]) for key in form)
    if isinstance(form, list):
        return fits(value, list) and all(fits(item, form[0]) for item in value)
    if isinstance(form, tuple):
        return any(fits(value, choice) for choice in form)
    return value is None if form is None else type(value) is form and (
        form is not int or 0 <= value <= BIG)

def read_table():
    types, kinds = {"n": int, "w": str, "t": str, "l": [str]}, {}
    for line in TABLE.split("\n")[1:-1]:
        kind, owner, touches, *keys = line.split()
        spec = [key.split(":") for key in keys]
        form = {key: (types[mark[0]], None) if mark[1:] == "?" else types[mark[0]]
                for key, mark in spec}
        optional = {key for key, mark in spec if mark[1:] == "!"}
        times = [key for key, mark in spec if mark[0] == "t"]
        touched = [] if touches == "-" else touches.split(",")
        kinds.setdefault(kind, []).append((owner == "list", touched, form, optional, times))
    return kinds

KINDS = read_table()

def read_body(leaf):
    """What an event touches that says what one of its kind says; else nothing."""
    body = leaf["body"]
    for of_list, touches, form, optional, times in KINDS.get(leaf["kind"], []):
        form = {key: form[key] for key in form if key in body or key not in optional}
        if of_list == (leaf["list"] is not None) and fits(body, form):
            words = body.get("lists", [])
            is_right = body.get("back_s") != 0 and words == sorted(set(words)) and all(
                is_time(body[key]) for key in times if key in body)
            return touches if is_right else None
    return None

def has_right_envelope(leaf):
    salt, touches = leaf["salt"], leaf.get("touches", [])
    is_known = "touches" not in leaf or leaf["kind"] not in KINDS or read_body(leaf) == touches
    return re.fullmatch("[0-9a-f]{32}", salt) and touches == sorted(set(touches)) and is_known \
        and len(touches) <= TOUCHES_MAX and all(map(is_word, touches))

def read_spans(spans):
    return [(seconds(span["from"]), seconds(span["until"]), span.get("kind")) for span in spans]

def read_leaf(seq, octets):
    try:
        leaf = json.loads(octets.decode())
        is_hour = leaf["kind"] == "hour"
        text = json.dumps(leaf, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        form = FORMS.get(("hour" if is_hour else "event", leaf["v"]), {})
        good = text.encode() == octets and fits(leaf, form)
        body = leaf.get("body", {}).values()
        good = good and all(fits(item, (str, int, bool, None, [str])) for item in body)
        words = [leaf.get(key) for key in WORDS] + [gap["kind"] for gap in leaf.get("gaps", [])]
        good = good and all(is_word(word) for word in words if word is not None)
        good = good and (leaf["v"] != 3 or has_right_envelope(leaf))
        leaf["start"] = seconds(leaf["hour" if is_hour else "at"])
        leaf["gaps"] = read_spans(leaf.get("gaps", []))
        leaf["out"] = read_spans(leaf.get("not_in_force", []))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good or is_hour and leaf["start"] % HOUR:
        raise Refused("leaf", f"leaf {seq}")
    return {**leaf, "place": seq, "here": f"leaf {seq}", "end": leaf["start"] + HOUR * is_hour}

def has_arrived(arrived, moved):
    """A log that was moved is gone on with where it was moved to, and nowhere else."""
    if arrived is None or moved is None:
        return arrived is moved
    is_token = type(arrived) is str and re.fullmatch("[0-9a-f]{64}", arrived)
    return is_token and hashlib.sha256(bytes.fromhex(arrived)).hexdigest() == moved

def tells_of_end(body, first):
    """Does it say what log ended, and are the times up to this one full hours, the last one its
    first? Without a first hour, as in the older form, there are no times."""
    said = {key: body[key] for key in body if key not in ("from", "until")}
    if not fits(said, RESTORED) or said == body or first is None:
        return fits(body, RESTORED)
    try:
        since, until = (body.get(key) and seconds(body[key]) for key in ("from", "until"))
    except ValueError:
        return False
    return until == first and (since is None or since % HOUR == 0 and since <= first)
