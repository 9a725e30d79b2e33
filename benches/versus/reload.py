#!/usr/bin/env python3
"""What a change of one name in a large list costs the questions that are asked meanwhile: Wardline and other resolvers.

    benches/versus/reload.py [--names 1000000] [--rate 20000] [--seconds 10] [--only wardline,unbound] [--keep FILE] [--write]

Each program serves 100,000 cached names and the list, on CPU 0. A prober on CPU 1 asks at a steady rate, whether answers come or
not (99 % cached names, 1 % listed), first without a change, then with one name added to the list two seconds after the start, in
the program's own way: its file is saved and read again; dnsdist is told over its console; dnsmasq and Knot Resolver, which
as Debian has them read such a file only when they start, are started again. Lost are questions without an answer. Everything stays on loopback; versus.py tells what must be installed,
and what --keep does.
"""
import argparse, base64, json, os, pathlib, shlex, signal, subprocess, sys, time

import versus
from versus import PORT, ROOT, SERVER, STOP, cached, listed

ADDED = "added.listed.example"
CHANGE_AFTER_S = 2
# A program may take this long to enforce a change.
ENFORCE_S_MAX = 60


# Each of these makes the change ready, and gives back what brings it about.


def beside(path, text):
    """Save as editors do: a new file, to be renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    return lambda: os.replace(new, path)


def add_to_plain(folder, process, work):
    return beside(folder / "list.txt", (folder / "list.txt").read_text() + ADDED + "\n")


def add_to_unbound(folder, process, work):
    with open(folder / "unbound.conf.list", "a") as file:
        file.write(f'local-zone: "{ADDED}" redirect\nlocal-data: "{ADDED} 60 A {STOP}"\n')
    return lambda: process.send_signal(signal.SIGHUP)


def add_to_rpz(folder):
    text = (folder / "rpz.zone").read_text().replace(" 1 3600", " 2 3600", 1)
    return beside(folder / "rpz.zone", text + f"{ADDED} A {STOP}\n")


def add_to_pdns(folder, process, work):
    add_to_rpz(folder)()
    command = ["rec_control", f"--config-dir={work}", f"--socket-dir={work}", "reload-lua-config"]
    return lambda: subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def add_to_bind(folder, process, work):
    add_to_rpz(folder)()
    return lambda: process.send_signal(signal.SIGHUP)


def add_to_dnsdist(folder, process, work):
    # A rule keeps its own copy of the names, so a new one takes the place of the old one.
    lua = (f'nodes:add(newDNSName("{ADDED}")) addAction(SuffixMatchNodeRule(nodes), SpoofAction("{STOP}")) '
           'rmRule(0)')
    command = ["dnsdist", "-C", str(work / "dnsdist.conf"), "-e", lua]
    return lambda: subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=work)


def start_again(process, name):
    """End the program; the loop around it starts it again."""
    return lambda: subprocess.run(["pkill", "-TERM", "-P", str(process.pid), name])


def add_to_kresd(folder, process, work):
    add_to_rpz(folder)()
    return start_again(process, "kresd")


def add_to_dnsmasq(folder, process, work):
    with open(folder / "dnsmasq.list", "a") as file:
        file.write(f"address=/{ADDED}/{STOP}\n")
    return start_again(process, "dnsmasq")


WAYS = {"Wardline": add_to_plain, "Unbound": add_to_unbound, "PowerDNS Recursor": add_to_pdns, "BIND": add_to_bind,
        "Knot Resolver": add_to_kresd, "dnsdist": add_to_dnsdist, "dnsmasq": add_to_dnsmasq}


def prober():
    built = [path for path in (ROOT / "target/release/deps").glob("prober-*") if path.suffix == ""]
    if not built:
        sys.exit("the prober is not built: cargo bench --no-run --bench prober")
    return max(built, key=lambda path: path.stat().st_mtime)


def probe(folder, options, seconds, name=None):
    command = ["taskset", "-c", "1", str(prober()), f"{SERVER}:{PORT}", str(folder / f"{versus.slug(versus.MIX)}.load"),
               str(options.rate), str(seconds)]
    return subprocess.Popen(command + ([name] if name else []), stdout=subprocess.PIPE, text=True)


def read(probing, patience_s=None):
    """What the prober found out."""
    return json.loads(probing.communicate(timeout=patience_s)[0].splitlines()[-1])


def started_again(peer):
    """The same program in a loop, as a service manager would run it."""
    command = lambda work, with_list: ["sh", "-c", "while :; do " + shlex.join(peer.command(work, with_list)) + "; done"]
    return versus.Peer(peer.title, command, peer.version, peer.files, peer.binary)


def with_console(peer):
    """The same program with a console that only this machine can reach."""
    console = f'controlSocket("127.0.0.1:{PORT + 1}")\nsetKey("{base64.b64encode(bytes(32)).decode()}")\n'
    files = lambda folder, with_list: {name: text + console for name, text in peer.files(folder, with_list).items()}
    return versus.Peer(peer.title, peer.command, peer.version, files, peer.binary)


def measure(peer, folder, options):
    is_started_again = WAYS[peer.title] in (add_to_kresd, add_to_dnsmasq)
    if is_started_again:
        peer = started_again(peer)
    if WAYS[peer.title] == add_to_dnsdist:
        peer = with_console(peer)
    versus.make_inputs(folder, options.names)
    with peer.running(folder, with_list=True) as (process, begun):
        versus.wait_for("www." + listed(options.names - 1), {STOP}, begun)
        versus.wait_for(cached(0), {"198.51.0.0"}, begun)
        versus.warm(folder)
        read(probe(folder, options, 2))
        quiet = read(probe(folder, options, options.seconds))
        forget_peak(process.pid)
        steady = peak_rss(process.pid)
        seconds = options.seconds if peer.title == "Wardline" else max(options.seconds, options.long)
        change = WAYS[peer.title](folder, process, folder / f"run-{versus.slug(peer.title.lower())}")
        probing = probe(folder, options, seconds, ADDED)
        # Its clock begins with this line.
        probing.stdout.readline()
        time.sleep(CHANGE_AFTER_S)
        change()
        changed = read(probing, seconds + ENFORCE_S_MAX)
        if changed["enforced_at"] is not None:
            changed["enforced_at"] -= CHANGE_AFTER_S * 1e3
        return {"title": peer.title, "version": peer.read_version(), "quiet": quiet, "changed": changed,
                "peak": (peak_rss(process.pid) - steady) / 2**20 if not is_started_again else None}


def forget_peak(pid):
    """Let the peak begin anew, at what the process has now (proc(5), clear_refs)."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_rss(pid):
    """The most memory the process had since then, in octets."""
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
                     f"{enforced} | {'–' if result['peak'] is None else format(result['peak'], '.0f')} |")
    lines += ["", f"{options.names:,} listed names, one added; {options.rate:,} questions a second in an open loop, 99 % cached and 1 % listed."
              " Enforced is counted from the moment when the new file is in place or the program is told. Each program has CPU 0 alone, its reading of the list included; the prober has CPU 1."
              " Unbound can also be told single names by unbound-control, without reading its file again.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--long", type=int, default=30, help="seconds of the run with the change, for programs that need longer for it")
    parser.add_argument("--only", help="titles, comma separated")
    parser.add_argument("--keep", type=pathlib.Path, help="a file of results to add to")
    parser.add_argument("--write", action="store_true", help="write the table to BENCHMARKS.md")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    subprocess.run(["cargo", "bench", "--no-run", "--bench", "prober"], cwd=ROOT, check=True)
    only = options.only.lower().split(",") if options.only else None
    programs = [peer for peer in [versus.WARDLINE, *versus.PEERS]
                if peer.title in WAYS and (not only or peer.title.lower() in only) and peer.is_there()]
    with versus.workspace() as folder:
        results, left_out = [], 0
        versus.make_inputs(folder, options.names)
        with versus.authority(folder):
            for peer in programs:
                print(f"… {peer.title}", file=sys.stderr, flush=True)
                try:
                    results.append(measure(peer, folder, options))
                except (OSError, ValueError, subprocess.TimeoutExpired) as error:
                    print(f"{peer.title} is left out: {error}", file=sys.stderr, flush=True)
                    left_out += 1
                    continue
                print(results[-1], file=sys.stderr, flush=True)
                versus.with_kept(results, options.keep)
        text = table(versus.with_kept(results, options.keep), options)
        print(text)
        if options.write:
            versus.write(text, "reload")
    sys.exit(1 if left_out else 0)


if __name__ == "__main__":
    main()
