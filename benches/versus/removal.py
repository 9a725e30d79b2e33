#!/usr/bin/env python3
"""How long an emergency removal takes while a list of a million names is being built.

    benches/versus/removal.py [--names 1000000] [--rounds 5]

In each round the list's file is saved with one name more, and while its table is being built a signed removal is given to `wardline
remove`. Told is how long after that command was started the name was answered as not listed, and whether the new list came in force
later than that. One CPU for the server.
"""
import argparse, os, pathlib, shutil, socket, statistics, struct, subprocess, tempfile, time

import versus
from versus import ROOT, listed

PROGRAM = ROOT / "target/release/wardline"
PORT = 53535
STOP = "192.0.2.1"


def run(*words, **options):
    return subprocess.run([str(PROGRAM), *map(str, words)], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def is_blocked(name):
    question = struct.pack("!6H", 7, 0, 1, 0, 0, 0) + b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(10)
        asked.sendto(question, ("127.0.0.1", PORT))
        return asked.recv(512).endswith(socket.inet_aton(STOP))


def wait(name, wanted, patience_s=60):
    begun = time.monotonic()
    while is_blocked(name) != wanted:
        if time.monotonic() - begun > patience_s:
            raise SystemExit(f"{name}: not within {patience_s} s")
    return time.monotonic()


def desk(folder, names):
    run("key", "new", "agency.example", "--out", folder / "key")
    run("list", "new", folder / "desk", "--id", "example", "--authority", "Example Authority", "--legal-basis", "Example Act",
        "--signatures", 1, "--key", run("key", "show", folder / "key").strip())
    run("list", "add", folder / "desk", *names)


def removals(folder, names):
    """One file for each removal."""
    for at, name in enumerate(names):
        run("list", "remove", folder / "desk", name, "--now", "--key", folder / "key", "--reason", "listed by mistake")
        shutil.copy(folder / "desk/issue/example.removal", folder / f"{at}.removal")


def configure(folder):
    key = run("key", "show", folder / "key").strip()
    (folder / "wardline.toml").write_text(f"""
state = "{folder}/state"
[listen]
udp = ["127.0.0.1:{PORT}"]
tcp = ["127.0.0.1:{PORT}"]
[limits]
udp_replies_per_s = 0
[control]
socket = "{folder}/control"
[[list]]
id = "example"
file = "{folder}/list.txt"
format = "plain"
unsigned = "allow"
keys = ["{key}"]
signatures = 1
authority = "Example Authority"
basis = "law"
legal_basis = "Example Act"
stop = ["{STOP}"]
""")


def save(folder, names):
    new = folder / "list.new"
    with open(new, "w") as file:
        file.writelines(f"{name}\n" for name in names)
    os.replace(new, folder / "list.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        removed = [f"removed{at}.example" for at in range(options.rounds)]
        names = removed + [listed(n) for n in range(options.names)]
        desk(folder, removed)
        removals(folder, removed)
        configure(folder)
        save(folder, names)
        server = subprocess.Popen(["taskset", "-c", "0", str(PROGRAM), "serve", "--config", str(folder / "wardline.toml")],
                                  stdout=subprocess.PIPE, text=True)
        try:
            if not server.stdout.readline():
                raise SystemExit("the program did not get ready")
            took, built = [], []
            for at, name in enumerate(removed):
                wait(name, True)
                added = f"added{at}.example"
                names.append(added)
                save(folder, names)
                # The quiet time of a saved file is 100 ms: then it is being built.
                time.sleep(0.15)
                begun = time.monotonic()
                run("remove", "--config", folder / "wardline.toml", folder / f"{at}.removal")
                took.append(wait(name, False) - begun)
                is_first = not is_blocked(added)
                built.append((wait(added, True) - begun, is_first))
        finally:
            server.terminate()
            server.wait()
    print(f"{options.names:,} names; a removal is live after {statistics.median(took) * 1e3:.0f} ms (median of {options.rounds}, "
          f"at the most {max(took) * 1e3:.0f} ms); the new list after {statistics.median(at for at, _ in built):.2f} s, "
          f"later than the removal in {sum(first for _, first in built)} of {options.rounds} rounds")


if __name__ == "__main__":
    main()
