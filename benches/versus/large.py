#!/usr/bin/env python3
"""What a list of a million names and one of ten million cost Wardline: until they are in force, in memory, and while they change.

    benches/versus/large.py [--names 1000000,10000000] [--write]

One CPU. The memory of the list is what the process has more than one without a list; its peak is the most it had while one name was
added, which is when the old table and the new one stand side by side. --write puts the table into BENCHMARKS.md.
"""
import argparse, subprocess, time

import versus
from reload import ADDED, add_to_plain, forget_peak, peak_rss
from versus import ROOT, STOP, listed

# A special-use name: the program answers it itself.
OWN, OWN_ADDRESS = "localhost", "127.0.0.1"


def measure(folder, names):
    with open(folder / "list.txt", "w") as plain:
        plain.writelines(f"{listed(n)}\n" for n in range(names))
    with versus.WARDLINE.running(folder, with_list=False) as (process, begun):
        versus.wait_for(OWN, {OWN_ADDRESS}, begun)
        empty = versus.stat(process.pid)[1]
    with versus.WARDLINE.running(folder, with_list=True) as (process, begun):
        first = versus.wait_for("www." + listed(names - 1), {STOP}, begun)
        # What the start needed besides goes back to the system.
        time.sleep(3)
        steady = versus.stat(process.pid)[1]
        forget_peak(process.pid)
        add_to_plain(folder, process, folder)()
        changed = versus.wait_for(ADDED, {STOP}, time.monotonic())
        return {"names": names, "first": first, "table": steady - empty, "changed": changed, "peak": peak_rss(process.pid) - empty}


def table(results):
    lines = ["| names | start to first blocked, s | MiB the list adds | octets a name | one name added: in force after, s | peak meanwhile, × the list |",
             "|---|---|---|---|---|---|"]
    for result in results:
        lines.append(f"| {result['names']:,} | {result['first']:.2f} | {result['table'] / 2**20:.1f} | {result['table'] / result['names']:.1f} | "
                     f"{result['changed']:.2f} | {result['peak'] / result['table']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", default="1000000,10000000", help="numbers, comma separated")
    parser.add_argument("--write", action="store_true", help="write the table to BENCHMARKS.md")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    with versus.workspace() as folder:
        text = table([measure(folder, int(names)) for names in options.names.split(",")])
        print(text)
        if options.write:
            versus.write(text, "large")


if __name__ == "__main__":
    main()
