#!/usr/bin/env python3
"""Instructions for each answer, counted by valgrind: unlike times they are the same on a busy machine, so a regression shows.

    benches/instructions.py [--against FILE] [--write FILE]

Needs Debian's valgrind. Runs the packet bench under callgrind, which counts inside the bench's passes alone. --write keeps the
counts as JSON; --against compares with such a file and ends with 1 where a load takes over 2 % more.
"""
import argparse, json, pathlib, re, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LISTED = 10_000
LOADS = ["popular", "even", "blocked"]
GROWTH_PERCENT_MAX = 2.0


def newest_bench():
    subprocess.run(["cargo", "bench", "--no-run", "--bench", "packet"], cwd=ROOT, check=True)
    built = [path for path in (ROOT / "target/release/deps").glob("packet-*") if path.suffix == ""]
    return max(built, key=lambda path: path.stat().st_mtime)


def count(bench, load):
    """Instructions for one answer of this load."""
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "--toggle-collect=packet::answer_all*",
                               str(bench), str(LISTED), "--only", load], capture_output=True, text=True)
    collected, answers = re.search(r"Collected : (\d+)", said.stderr), re.search(r"(\d+) answers", said.stdout)
    if not collected or not answers:
        sys.exit(f"{load}: no count\n{said.stdout}{said.stderr[-2000:]}")
    return int(collected[1]) / int(answers[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    options = parser.parse_args()
    bench = newest_bench()
    before = json.loads(options.against.read_text()) if options.against else {}
    counts, has_grown = {}, False
    for load in LOADS:
        counts[load] = round(count(bench, load), 1)
        change = f" ({100 * (counts[load] / before[load] - 1):+.1f} %)" if load in before else ""
        has_grown |= load in before and counts[load] > before[load] * (1 + GROWTH_PERCENT_MAX / 100)
        print(f"{load:<8} {counts[load]:>8.1f} instructions an answer{change}")
    if options.write:
        options.write.write_text(json.dumps(counts) + "\n")
    sys.exit(1 if has_grown else 0)


if __name__ == "__main__":
    main()
