#!/usr/bin/env python3
"""Wardline against other resolvers with empty caches: every question needs an authority.

    benches/versus/cold.py [--names 100000] [--zones 1000] [--flights 10,400] [--runs 1] [--only wardline,unbound] [--signed] [--write]

Needs Debian's nsd, dnsperf, the peers and, for --signed, bind9-utils; run it as root, for some peers ask authorities on port 53 alone.
A tree of three levels on loopback: the root, one top-level zone, and below it zones with all names, each level served by a process of
its own and each zone by two addresses. The resolver runs on CPU 0, load and authorities on CPU 1. Every name is asked for once, of a
resolver just started; CPU is user and system time of the whole process divided by the questions. --write puts the table into BENCHMARKS.md.
"""
import argparse, base64, contextlib, hashlib, os, pathlib, random, re, shutil, signal, socket, statistics, struct, subprocess, sys, tempfile, time

import versus
from versus import PORT, ROOT, SERVER, Peer

# Root, top-level zone, and the two servers of the zones below.
SERVERS = ["127.0.77.1", "127.0.77.2", "127.0.77.3", "127.0.77.4"]
# Nobody answers here; the zone is delegated to both.
SILENT = ["127.0.77.5", "127.0.77.6"]
SOA = "SOA ns.example. nobody.example. 1 3600 1200 604800 3600"


def host(n, zones):
    return f"host{n}.zone{n % zones}.example"


class Key:
    """One key for all zones: what is measured are the resolvers, which cannot know."""

    def __init__(self, folder):
        made = subprocess.run(["dnssec-keygen", "-K", str(folder), "-a", "ECDSAP256SHA256", "-f", "KSK", "example"],
                              capture_output=True, text=True, check=True).stdout.strip()
        self.private = (folder / f"{made}.private").read_text()
        flags, protocol, algorithm, *key = re.search(r"DNSKEY (.*)", (folder / f"{made}.key").read_text())[1].split()
        self.text = f"{flags} {protocol} {algorithm} {''.join(key)}"
        self.rdata = struct.pack(">HBB", int(flags), int(protocol), int(algorithm)) + base64.b64decode("".join(key))
        tag = sum(octet << 8 if index % 2 == 0 else octet for index, octet in enumerate(self.rdata))
        self.tag = (tag + (tag >> 16)) & 0xFFFF

    def ds(self, owner):
        wire = b"".join(bytes([len(label)]) + label.encode() for label in owner.split(".") if label) + b"\0"
        return f"{owner}. DS {self.tag} 13 2 {hashlib.sha256(wire + self.rdata).hexdigest()}\n"

    def sign(self, folder, file, owner):
        base = folder / f"K{owner}.+013+{self.tag:05}"
        base.with_name(base.name + ".key").write_text(f"{owner}. 3600 IN DNSKEY {self.text}\n")
        base.with_name(base.name + ".private").write_text(self.private)
        with open(file, "a") as zone:
            zone.write(f"{owner}. 3600 IN DNSKEY {self.text}\n")
        subprocess.run(["dnssec-signzone", "-z", "-Q", "-o", f"{owner}.", "-f", str(file), "-O", "full", "-d", str(folder), str(file), str(base)],
                       capture_output=True, check=True)


def make_tree(folder, options):
    """The zone files of each level by owner, and the questions."""
    key = Key(folder) if options.signed else None
    levels = [{}, {}, {}]

    def write(level, owner, text):
        file = folder / (owner.replace(".", "_") or "root")
        file.write_text(f"$TTL 86400\n{owner}. {SOA}\n{text}")
        if key:
            key.sign(folder, file, owner)
        levels[level][owner] = file

    ds = key.ds if key else lambda owner: ""
    write(0, "", f". NS a.ns.example.\na.ns.example. A {SERVERS[0]}\nexample. NS b.ns.example.\nb.ns.example. A {SERVERS[1]}\n{ds('example')}")
    below = [f"example. NS b.ns.example.\na.ns.example. A {SERVERS[0]}\nb.ns.example. A {SERVERS[1]}\n"]
    below += [f"silent.example. NS {letter}.silent.example.\n{letter}.silent.example. A {address}\n" for letter, address in zip("ef", SILENT)]
    for zone in range(options.zones):
        owner = f"zone{zone}.example"
        servers = f"{owner}. NS c.{owner}.\n{owner}. NS d.{owner}.\nc.{owner}. A {SERVERS[2]}\nd.{owner}. A {SERVERS[3]}\n"
        below.append(servers + ds(owner))
        names = range(zone, options.names, options.zones)
        write(2, owner, servers + "".join(f"{host(n, options.zones)}. A 198.51.{n // 256 % 256}.{n % 256}\n" for n in names))
    write(1, "example", "".join(below))
    (folder / "hints").write_text(f". 3600000 NS a.ns.example.\na.ns.example. 3600000 A {SERVERS[0]}\n")
    (folder / "anchor").write_text(f". 3600 IN DNSKEY {key.text}\n" if key else "")
    (folder / "anchor.bind").write_text('trust-anchors { . static-key %s %s %s "%s"; };' % tuple(key.text.split()) if key else "")
    order = list(range(options.names))
    random.Random(7).shuffle(order)
    (folder / "questions").write_text("".join(f"{host(n, options.zones)} A\n" for n in order))
    return levels, host(order[-1], options.zones)


@contextlib.contextmanager
def authorities(folder, levels):
    """One nsd for each level: one that had all zones would answer from the deepest."""
    running = []
    try:
        for level, zones in enumerate(levels):
            addresses = SERVERS[level:level + 1] if level < 2 else SERVERS[2:]
            conf = folder / f"nsd{level}.conf"
            conf.write_text("server:\n" + "".join(f" ip-address: {address}@53\n" for address in addresses) + f""" server-count: 1
 username: ""
 zonesdir: "{folder}"
 database: ""
 pidfile: ""
 xfrdfile: ""
 zonelistfile: "{folder}/zone{level}.list"
 rrl-ratelimit: 0
remote-control:
 control-enable: no
""" + "".join(f'zone:\n name: "{owner}."\n zonefile: "{file}"\n' for owner, file in zones.items()))
            running.append(subprocess.Popen(["taskset", "-c", "1", "nsd", "-d", "-c", str(conf)], start_new_session=True,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for address in SERVERS:
            wait_for_authority(address)
        yield
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def wait_for_authority(address):
    for _ in range(200):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.05)
            with contextlib.suppress(OSError):
                client.connect((address, 53))
                client.send(struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\0\0\x02\0\x01")
                client.recv(4096)
                return
        time.sleep(0.02)
    sys.exit(f"no authority on {address}")


# In the configurations the second argument says whether signatures are checked.
def wardline(folder, signed, more=""):
    return {"wardline.toml": f"""state = "@WORK@/state"
[listen]
udp = ["{SERVER}:{PORT}"]
tcp = ["{SERVER}:{PORT}"]
threads = 1
[limits]
udp_replies_per_s = 0
[resolve.recurse]
root_hints = "@LISTS@/hints"
trust_anchors = [{'"@LISTS@/anchor"' if signed else ""}]
validate = {str(signed).lower()}
loopback = true
ipv6 = false
[cache]
size_mib = 256
{more}"""}


def unbound(folder, signed):
    anchor = 'trust-anchor-file: "@LISTS@/anchor"' if signed else ""
    return {"conf": versus.UNBOUND + f""" do-ip6: no
 root-hints: "@LISTS@/hints"
 module-config: "{'validator ' if signed else ''}iterator"
 {anchor}
remote-control:
 control-enable: no
"""}


def pdns(folder, signed):
    anchor = '"@LISTS@/anchor"'
    return {"recursor.conf": f"""local-address={SERVER}
local-port={PORT}
threads=1
pdns-distributes-queries=no
hint-file=@LISTS@/hints
allow-from=127.0.0.0/8
dont-query=
query-local-address=0.0.0.0
dnssec={'validate' if signed else 'off'}
lua-config-file=@WORK@/lua
socket-dir=@WORK@
quiet=yes
max-cache-entries=1000000
max-packetcache-entries=1000000
""", "lua": f"clearTA()\nreadTrustAnchorsFromFile({anchor})\n" if signed else ""}


def bind(folder, signed):
    return {"named.conf": f"""options {{ directory "@WORK@"; pid-file none; session-keyfile none; listen-on port {PORT} {{ {SERVER}; }};
 listen-on-v6 {{ none; }}; recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }}; max-cache-size 1g; querylog no;
 dnssec-validation {'yes' if signed else 'no'}; recursive-clients 10000; fetches-per-server 0; }};
{'include "@LISTS@/anchor.bind";' if signed else ''}
controls {{ }}; zone "." {{ type hint; file "@LISTS@/hints"; }};
logging {{ category default {{ null; }}; }};
"""}


def kresd(folder, signed):
    anchors = "trust_anchors.add_file('@LISTS@/anchor', true)" if signed else "trust_anchors.remove('.')"
    return {"kresd.conf": f"""net.listen('{SERVER}', {PORT}, {{ kind = 'dns' }})
net.ipv6 = false
cache.size = 512 * MB
modules = {{ 'hints' }}
hints.root_file('@LISTS@/hints')
{anchors}
"""}


PROGRAM = ROOT / "target/release/wardline"
PROGRAMS = [
    Peer("Wardline", lambda work, _: [str(PROGRAM), "serve", "--config", "wardline.toml"], [str(PROGRAM), "--version"], wardline),
    Peer("Unbound", lambda work, _: ["unbound", "-d", "-p", "-c", "conf"], ["unbound", "-V"], unbound),
    Peer("BIND", lambda work, _: ["named", "-f", "-n", "1", "-c", str(work / "named.conf")], ["named", "-v"], bind),
    Peer("PowerDNS Recursor", lambda work, _: ["pdns_recursor", f"--config-dir={work}", "--daemon=no"], ["pdns_recursor", "--version"], pdns),
    Peer("Knot Resolver", lambda work, _: ["kresd", "-n", "-c", str(work / "kresd.conf"), str(work)], ["kresd", "--version"], kresd),
]


def run(peer, folder, last, flights, options):
    """CPU microseconds a question, answers a second, and the share in per cent that was lost or failed, of a fresh process."""
    with peer.running(folder, options.signed) as (process, begun):
        while not versus.ask(last, 1) and time.monotonic() - begun < 20:
            time.sleep(0.01)
        before, _ = versus.stat(process.pid)
        said = subprocess.run(["taskset", "-c", "1", "dnsperf", "-s", SERVER, "-p", str(PORT), "-d", str(folder / "questions"),
                               "-c", "16", "-q", str(flights), "-T", "1", "-n", "1", "-t", "5"], capture_output=True, text=True).stdout
        after, rss = versus.stat(process.pid)
    answered = int((re.search(r"NOERROR (\d+)", said) or [0, 0])[1])
    rate = float(re.search(r"Queries per second:\s+([\d.]+)", said)[1])
    return (after - before) * 1e6 / options.names, rate, 100 * (options.names - answered) / options.names, rss / 2**20


def table(results, flights, options):
    head = ["", "version", *[cell for count in flights for cell in (f"{count} at once: CPU µs", "q/s", "lost or failed, %")], "MiB after"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for title, version, runs in results:
        cells = [title, version]
        for count in flights:
            cpu, rate, lost, rss = (statistics.median(figures) for figures in zip(*runs[count]))
            cells += [f"{cpu:.0f}", f"{rate:,.0f}", f"{lost:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{rss:.0f}"]) + " |")
    signed = "signed (ECDSA P-256, NSEC), signatures checked" if options.signed else "unsigned"
    lines += ["", f"{options.names:,} names in {options.zones:,} {signed} zones; median of {options.runs} runs, each of a fresh process; everything of the resolver"
              " on CPU 0 (Wardline: one UDP thread and one tokio worker), `dnsperf -c 16` and nsd on CPU 1.", "", versus.machine()]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--zones", type=int, default=1_000)
    parser.add_argument("--flights", default="10,400", help="questions under way at once, comma separated")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--only", help="titles, comma separated")
    parser.add_argument("--signed", action="store_true", help="sign all zones and have the signatures checked")
    parser.add_argument("--write", action="store_true", help="write the table to BENCHMARKS.md")
    options = parser.parse_args()
    # Whoever ends this ends the servers that it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    only = options.only.lower().split(",") if options.only else None
    flights = [int(count) for count in options.flights.split(",")]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cold-"))
    os.chmod(folder, 0o755)
    try:
        levels, last = make_tree(folder, options)
        results = []
        with authorities(folder, levels):
            for peer in PROGRAMS:
                if peer.is_there() and (not only or peer.title.lower() in only):
                    runs = {count: [run(peer, folder, last, count, options) for _ in range(options.runs)] for count in flights}
                    print(peer.title, runs, file=sys.stderr, flush=True)
                    results.append((peer.title, peer.read_version(), runs))
        text = table(results, flights, options)
        print(text)
        if options.write:
            versus.write(text, "cold signed" if options.signed else "cold")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
