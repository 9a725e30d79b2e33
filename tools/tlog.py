"""Reads transparency logs as files: signed notes, checkpoints, tiles and bundles of entries, as
c2sp.org describes them (signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles). Written from
docs/audit-format.md and those pages. Needs Python 3.9 and `cryptography` (Debian:
python3-cryptography)."""
import base64, functools, hashlib, itertools, os, re, stat
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NOTE_MAX, DAYS_MAX = 1 << 20, 40_000
BASE64 = ("((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|"
          "[A-Za-z0-9+/][AQgw]==)?)")
NAME = r"[^\s\0-\x1f\x7f-\x9f+]+"
SIGNATURE = rf"\u2014 ({NAME}) {BASE64}\n"
CHECKPOINT = (rf"(([^\0-\x1f\x7f-\x9f]+)\n(0|[1-9][0-9]{{0,17}})\n{BASE64}\n)\n"
              rf"((?:{SIGNATURE}){{1,100}})")

WORDS = r"([^\0-\x1f\x7f-\x9f]+)"
KEY_NOTE = (rf"(wardline-log-key/v1\nfollows {WORDS}\nkey {WORDS}\n)\n"
            rf"((?:{SIGNATURE}){{1,100}})")

class Refused(Exception):
    """A finding that ends the reading of a log: code and place."""

def sha(octets):
    return hashlib.sha256(octets).digest()

def read_file(path, most):
    """The octets of a regular file, if it is no longer than that."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(0, "no regular file")
        with open(handle, "rb") as file:
            octets = file.read(most + 1)
        if len(octets) > most:
            raise OSError(0, "too long")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path))
    return octets

def read_key(text):
    """Name, id, algorithm and key of a log's author (1) or of somebody who cosigns (4)."""
    name, key_id, encoded = text.strip().split("+", 2)
    octets = base64.b64decode(encoded, validate=True)
    is_key = 0 < len(name.encode()) < 256 and re.fullmatch(NAME, name)
    is_key = is_key and octets[:1] in (b"\1", b"\4")
    if not is_key or sha(name.encode() + b"\n" + octets)[:4].hex() != key_id:
        raise ValueError("not the key of a log's author or of a cosigner")
    return name, key_id, octets[0], Ed25519PublicKey.from_public_bytes(octets[1:])

def check_signature(text, algorithm, key, signature):
    if algorithm == 4:
        time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        text = f"cosignature/v1\ntime {time}\n{text}"
    key.verify(signature, text.encode())

def read_checkpoint(octets, keys):
    """Origin, size and root of a checkpoint whose first signature is its author's. Of a key that
    is known no signature may be wrong."""
    text, origin, size, root, lines = re.fullmatch(CHECKPOINT, octets.decode()).groups()[:5]
    is_authentic, root = False, base64.b64decode(root)
    signed = [(name, base64.b64decode(line)) for name, line in re.findall(SIGNATURE, lines)]
    if len(root) != 32 or any(len(name.encode()) > 255 or len(line) < 5 for name, line in signed):
        raise ValueError("not a root, or not a signature")
    for at, (name, octets) in enumerate(signed):
        for owner, key_id, algorithm, key in keys:
            if owner == name and key_id == octets[:4].hex():
                check_signature(text, algorithm, key, octets[4:])
                is_authentic |= at == 0 and algorithm == 1 and name == origin
    if not is_authentic:
        raise InvalidSignature
    return origin, int(size), root

def tile_name(folder, index, width):
    name, rest = f"{index % 1000:03}", index // 1000
    while rest:
        name, rest = f"x{rest % 1000:03}/{name}", rest // 1000
    return f"tile/{folder}/{name}" + (f".p/{width}" if width < 256 else "")

class Tree:
    """The roots of full subtrees, the largest first: all that a Merkle tree needs to grow."""
    def __init__(self):
        self.size, self.peaks = 0, []

    def append(self, leaf_hash):
        self.size, joined = self.size + 1, leaf_hash
        for _ in itertools.takewhile(lambda height: not self.size >> height & 1, range(64)):
            joined = sha(b"\1" + self.peaks.pop() + joined)
        self.peaks.append(joined)

    def root(self):
        join = lambda right, left: sha(b"\1" + left + right)
        return functools.reduce(join, reversed(self.peaks)) if self.peaks else sha(b"")

def known_keys(folder, keys):
    """The keys, and those that follow from them by the words in the folder; and these words."""
    keys, links = list(keys), []
    for at in range(100):
        try:
            octets = read_file(Path(folder) / "keys" / str(at), NOTE_MAX)
            text, follows, key, lines = re.fullmatch(KEY_NOTE, octets.decode()).groups()[:4]
            key = read_key(key)
            base = "/".join(follows.split("/")[:2])
            may = key[2] == 1 and key[0] != follows and "/" in base
            may = may and "/".join(key[0].split("/")[:2]) == base
            may = may and key[0] != base + "/recovery" and all(
                known[0] != key[0] or known[1] == key[1] for known in keys)
            signed = [(name, base64.b64decode(line)) for name, line in
                      re.findall(SIGNATURE, lines)]
            if any(len(name.encode()) > 255 or len(octets) < 5 for name, octets in signed):
                raise ValueError("not a signature")
            signers = [known for known in keys for name, octets in signed
                       if (known[0], known[1]) == (name, octets[:4].hex())
                       and (check_signature(text, known[2], known[3], octets[4:]) or True)]
            if may and any(known[2] == 1 and known[0] in (follows, base + "/recovery")
                           for known in signers):
                keys.append(key)
                links.append((follows, key[0]))
        except OSError:
            break
        except (ValueError, AttributeError, LookupError, InvalidSignature):
            pass
    return keys, links

class LogFiles:
    """The files of one log. Whoever reads them says what `take` does with each entry."""
    def __init__(self, folder, keys):
        self.folder, self.origin, self.size = Path(folder), folder, 0
        self.keys, self.links, self.ancestors = *known_keys(folder, keys), []

    def checkpoint(self, name):
        try:
            octets = read_file(self.folder / name, NOTE_MAX)
            origin, size, root = read_checkpoint(octets, self.keys)
        except (InvalidSignature, ValueError, AttributeError, OSError) as error:
            code = "signature" if isinstance(error, InvalidSignature) else "note"
            raise Refused(code, name)
        if name != "checkpoint" and origin != self.origin:
            raise Refused("signature", name)
        self.origin = origin
        return size, root

    def read(self, pins):
        """Rules 1 to 3, in one pass over the entries; `take` refuses what is no leaf."""
        self.size, self.root = self.checkpoint("checkpoint")
        root, name = self.root, self.origin
        for follows, key_name in reversed(self.links):
            if key_name == name:
                self.ancestors.append(follows)
                name = follows
        days = self.folder / "checkpoints"
        names = list(itertools.islice(os.listdir(days) if days.is_dir() else [], DAYS_MAX + 1))
        is_day = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
        if len(names) > DAYS_MAX or not all(map(is_day, names)):
            raise Refused("note", "checkpoints")
        names = [f"checkpoints/{name}" for name in sorted(names)]
        held = [(*self.checkpoint(name), "checkpoint", name) for name in names]
        for code, origin, size, pinned in pins:
            place = f"since {size}" if code == "since" else "checkpoint in another folder"
            own = code == "fork" and (size > self.size or (size, pinned) == (self.size, root))
            held += [(size, pinned, code, place)] if origin == self.origin and not own else []
        for _, _, code, place in (pin for pin in held if pin[0] > self.size):
            raise Refused(code, place)
        held, tree, misfit, bad = sorted(held, key=lambda pin: pin[0]), Tree(), None, None
        for entry in itertools.chain([None], self.entries()):
            if entry is not None:
                tree.append(sha(b"\0" + entry))
            while held and held[0][0] == tree.size:
                _, pinned, code, place = held.pop(0)
                misfit = misfit or (None if tree.root() == pinned else (code, place))
            try:
                if entry is not None and bad is None:
                    self.take(tree.size - 1, entry)
                    self.passed(tree)
            except Refused as refused:
                bad = refused.args
        misfit = misfit or (None if tree.root() == root else ("root", "checkpoint")) or bad
        if misfit:
            raise Refused(*misfit)

    def passed(self, tree):
        """All leaves of this tree are taken."""

    def entries(self):
        for first in range(0, self.size, 256):
            width, entries, at = min(256, self.size - first), [], 0
            name, tile = (tile_name(row, first // 256, width) for row in ("entries", 0))
            octets = read_file(self.folder / name, 256 * (2 + 65535))
            hashes = read_file(self.folder / tile, 256 * 32)
            while at + 2 <= len(octets):
                start, at = at + 2, at + 2 + int.from_bytes(octets[at:at + 2], "big")
                entries.append(octets[start:at])
            if at != len(octets) or len(entries) != width or len(hashes) != 32 * width:
                raise Refused("missing", name)
            for at, entry in enumerate(entries):
                if sha(b"\0" + entry) != hashes[32 * at:32 * at + 32]:
                    raise Refused("tile", f"leaf {first + at}")
            yield from entries

def copies(folders, keys):
    """The folders, each with what its copy of a log says for the other copies of it, or nothing:
    the logs of a resolver one after the other, the longest copy of each first."""
    said = []
    for folder in folders:
        try:
            octets = read_file(Path(folder) / "checkpoint", NOTE_MAX)
            pin = ("fork", *read_checkpoint(octets, known_keys(folder, keys)[0]))
            said.append((pin[1].split("/")[:2], pin[1], -pin[2], folder, pin))
        except (OSError, ValueError, AttributeError, InvalidSignature):
            said.append(([], "", 0, folder, None))
    return [(folder, pin) for *_, folder, pin in sorted(said, key=lambda copy: copy[:3])]
