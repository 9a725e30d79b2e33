#!/usr/bin/env python3
"""What a change of one name in a large list costs the questions that are asked meanwhile: Wardline and other resolvers.

    benches/versus/reload.py [--names 1000000] [--rate 20000] [--seconds 10] [--only wardline,unbound] [--write]

Each program serves 100,000 cached names and the list, on CPU 0. A prober on CPU 1 asks at a steady rate, whether answers come or
not (99 % cached names, 1 % listed), first without a change, then with one name added to the list two seconds after the start, in
the program's own way. Lost are questions without an answer. Everything stays on loopback; versus.py tells what must be installed.
"""
import argparse, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time

import versus
from versus import PORT, ROOT, SERVER, STOP, cached, listed

ADDED = "added.listed.example"
CHANGE_AFTER_S = 2
# A program may take this long to enforce a change.
ENFORCE_S_MAX = 60


def replace(path, text):
    """Save as editors do: a new file renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


def add_to_plain(folder, process, work):
    replace(folder / "list.txt", (folder / "list.txt").read_text() + ADDED + "\n")


def add_to_unbound(folder, process, work):
    with open(folder / "unbound.conf.list", "a") as file:
        file.write(f'local-zone: "{ADDED}" redirect\nlocal-data: "{ADDED} 60 A {STOP}"\n')
    process.send_signal(signal.SIGHUP)


def add_to_rpz(folder):
    text = (folder / "rpz.zone").read_text().replace(" 1 3600", " 2 3600", 1)
    replace(folder / "rpz.zone", text + f"{ADDED} A {STOP}\n")


def add_to_pdns(folder, process, work):
    add_to_rpz(folder)
    subprocess.run(["rec_control", f"--config-dir={work}", f"--socket-dir={work}", "reload-lua-config"], capture_output=True)


def add_to_bind(folder, process, work):
    add_to_rpz(folder)
    process.send_signal(signal.SIGHUP)


def add_to_kresd(folder, process, work):
    # Its policy.rpz watches the file.
    add_to_rpz(folder)


# dnsmasq and dnsdist cannot reload such a list without a restart.
WAYS = {"Wardline": add_to_plain, "Unbound": add_to_unbound, "PowerDNS Recursor": add_to_pdns, "BIND": add_to_bind,
        "Knot Resolver": add_to_kresd}


def prober():
    built = [path for path in (ROOT / "target/release/deps").glob("prober-*") if path.suffix == ""]
    if not built:
        sys.exit("the prober is not built: cargo bench --no-run --bench prober")
    return max(built, key=lambda path: path.stat().st_mtime)


def probe(folder, options, seconds, name=None):
    command = ["taskset", "-c", "1", str(prober()), f"{SERVER}:{PORT}", str(folder / f"{versus.slug(versus.MIX)}.load"),
               str(options.rate), str(seconds)]
    return subprocess.Popen(command + ([name] if name else []), stdout=subprocess.PIPE, text=True)


def measure(peer, folder, options):
    versus.make_inputs(folder, options.names)
    with peer.running(folder, with_list=True) as (process, begun):
        versus.wait_for("www." + listed(options.names - 1), {STOP}, begun)
        versus.wait_for(cached(0), {"198.51.0.0"}, begun)
        versus.warm(folder)
        json.loads(probe(folder, options, 2).communicate()[0])
        quiet = json.loads(probe(folder, options, options.seconds).communicate()[0])
        peak = peak_rss(process.pid)
        seconds = options.seconds if peer.title == "Wardline" else max(options.seconds, 30)
        probing = probe(folder, options, seconds, ADDED)
        time.sleep(CHANGE_AFTER_S)
        saved = time.monotonic()
        WAYS[peer.title](folder, process, folder / f"run-{versus.slug(peer.title.lower())}")
        saving_ms = (time.monotonic() - saved) * 1e3
        changed = json.loads(probing.communicate(timeout=seconds + ENFORCE_S_MAX)[0])
        if changed["enforced_at"] is not None:
            changed["enforced_at"] -= CHANGE_AFTER_S * 1e3
        return {"title": peer.title, "version": peer.read_version(), "quiet": quiet, "changed": changed, "saving_ms": saving_ms,
                "peak": (peak_rss(process.pid) - peak) / 2**20}


def peak_rss(pid):
    """The most memory the process ever had, in octets."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def table(results, options):
    lines = ["| | version | p50 / p99 / slowest, quiet, ms | the same with the change | lost of asked | enforced after, s | peak adds, MiB |",
             "|---|---|---|---|---|---|---|"]
    for result in results:
        times = [" / ".join(f"{run[key]:.2f}" if run[key] is not None else "–" for key in ("p50", "p99", "max"))
                 for run in (result["quiet"], result["changed"])]
        changed = result["changed"]
        enforced = f"{changed['enforced_at'] / 1e3:.2f}" if changed["enforced_at"] is not None else "not within the run"
        lines.append(f"| {result['title']} | {result['version']} | {times[0]} | {times[1]} | {changed['lost']:,} of {changed['sent']:,} | "
                     f"{enforced} | {result['peak']:.0f} |")
    lines += ["", f"{options.names:,} listed names, one added; {options.rate:,} questions a second in an open loop, 99 % cached and 1 % listed."
              " Enforced is counted from the moment when saving began.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", help="titles, comma separated")
    parser.add_argument("--write", action="store_true", help="write the table to BENCHMARKS.md")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    subprocess.run(["cargo", "bench", "--no-run", "--bench", "prober"], cwd=ROOT, check=True)
    only = options.only.lower().split(",") if options.only else None
    programs = [peer for peer in [versus.WARDLINE, *versus.PEERS]
                if peer.title in WAYS and (not only or peer.title.lower() in only) and peer.is_there()]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-"))
    os.chmod(folder, 0o755)
    results = []
    try:
        versus.make_inputs(folder, options.names)
        with versus.authority(folder):
            for peer in programs:
                print(f"… {peer.title}", file=sys.stderr, flush=True)
                try:
                    results.append(measure(peer, folder, options))
                except (TimeoutError, subprocess.TimeoutExpired) as error:
                    print(f"{peer.title} is left out: {error}", file=sys.stderr, flush=True)
                    continue
                print(results[-1], file=sys.stderr, flush=True)
        text = table(results, options)
        print(text)
        if options.write:
            versus.write(text, "reload")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
