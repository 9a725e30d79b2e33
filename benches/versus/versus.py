#!/usr/bin/env python3
"""Wardline against the UDP echo floor and against other resolvers, in one run on pinned CPUs.

    benches/versus/versus.py [--install] [--names 1000000] [--runs 9] [--seconds 1] [--only wardline,unbound] [--keep FILE] [--write]

Needs Debian's nsd, dnsperf and the peers; --install fetches them with apt (as root). The server under test runs on CPU 0,
the load and the authority on CPU 1. The figure is server CPU per answer: user and system time of the process, read from
/proc, divided by the answers that dnsperf counted. Everything stays on loopback. --write puts the table into BENCHMARKS.md;
with --keep the results are kept in FILE and the table is made of all that are there, so that one program can be measured again.
"""
import argparse, contextlib, json, os, pathlib, platform, random, re, shutil, signal, socket, statistics, struct, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
AUTHORITY, AUTHORITY_PORT = "127.0.7.53", 5399
# BIND listens only on addresses that an interface has.
SERVER, PORT = "127.0.0.1", 5398
FLOOR = "127.0.7.2"
CACHED_NAMES = 100_000
STOP = "192.0.2.1"
MIX = "99 % cached, 1 % listed"
# The same questions over connections that stay open; dnsperf's mode, and how far its port is behind the first one. dnsmasq starts a process for
# each connection, which is not measured here.
STREAMS = {"cached over TCP": ("tcp", 0), "cached over TLS": ("dot", 2)}
CERTIFICATE, KEY = (ROOT / "tests/cases/tls" / name for name in ("cert.pem", "key.pem"))
# The packages start their services: stop those before a run that is to be believed.
PACKAGES = ["nsd", "dnsperf", "unbound", "pdns-recursor", "bind9", "knot-resolver", "dnsdist", "dnsmasq-base"]
SECONDS_TO_LOAD_MAX = 120


def listed(n):
    return f"site{n * 2654435761 % 4294967296:08x}.listed{n % 977}.example"


def cached(n):
    return f"host{n}.zone.example"


def make_inputs(folder, names):
    """The list in each program's form, the authority's zone, and the questions of each load."""
    rng = random.Random(7)
    with open(folder / "list.txt", "w") as plain, open(folder / "unbound.conf.list", "w") as unbound, \
            open(folder / "rpz.zone", "w") as rpz, open(folder / "dnsmasq.list", "w") as dnsmasq:
        rpz.write("$TTL 60\n@ SOA localhost. nobody.invalid. 1 3600 1200 604800 60\n@ NS localhost.\n")
        for n in range(names):
            name = listed(n)
            plain.write(f"{name}\n")
            unbound.write(f'local-zone: "{name}" redirect\nlocal-data: "{name} 60 A {STOP}"\n')
            rpz.write(f"{name} A {STOP}\n*.{name} A {STOP}\n")
            dnsmasq.write(f"address=/{name}/{STOP}\n")
    with open(folder / "zone", "w") as zone:
        zone.write("$ORIGIN zone.example.\n$TTL 86400\n@ SOA ns nobody.invalid. 1 3600 1200 604800 3600\n@ NS ns\nns A 127.0.7.53\n")
        for n in range(CACHED_NAMES):
            zone.write(f"host{n} A 198.51.{n // 256 % 256}.{n % 256}\n")
    everybody = list(range(CACHED_NAMES))
    rng.shuffle(everybody)
    # Popularity after Zipf with exponent 1.
    weights = [1 / (rank + 1) for rank in range(CACHED_NAMES)]
    popular = rng.choices(everybody, weights, k=400_000)
    loads = {
        "cached, by popularity": [cached(n) for n in popular],
        "cached, evenly": [cached(n) for n in everybody],
        "blocked": [listed(rng.randrange(names)) for _ in range(200_000)],
        MIX: [listed(rng.randrange(names)) if rng.random() < 0.01 else cached(n) for n in popular],
    }
    for title, questions in loads.items():
        with open(folder / f"{slug(title)}.load", "w") as file:
            file.writelines(f"{question} A\n" for question in questions)
    return list(loads)


def slug(title):
    return re.sub(r"[^a-z0-9]+", "-", title)


def stat(pid):
    """CPU seconds and resident octets of a process with all its threads; schedstat counts nanoseconds, where stat counts ticks."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    cpu_ns = sum(int(task.read_text().split()[0]) for task in tasks)
    rss = int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024
    return cpu_ns / 1e9, rss


def ask(name, timeout=0.05):
    """The address in the first answer, or None."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\x01\0\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect((SERVER, PORT))
        try:
            client.send(struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + question)
            reply = client.recv(4096)
        except OSError:
            return None
    if len(reply) < 28 or struct.unpack(">H", reply[6:8])[0] == 0:
        return None
    at = 12 + len(question)
    while 0 < reply[at] < 0xC0:
        at += 1 + reply[at]
    at += 1 if reply[at] == 0 else 2
    return socket.inet_ntoa(reply[at + 10:at + 14]) if reply[at:at + 2] == b"\0\x01" else "other"


class Peer:
    """How to run one program: its version, its configuration with and without the list, and its command."""

    def __init__(self, title, command, version, files=lambda folder, with_list: {}, binary=None, streams=("cached over TCP",)):
        self.streams = streams
        self.title, self.command, self.version, self.files = title, command, version, files
        self.binary = binary or command(pathlib.Path("."), True)[0]

    def is_there(self):
        return shutil.which(self.binary) is not None or pathlib.Path(self.binary).exists()

    def read_version(self):
        if not self.version:
            return ""
        said = subprocess.run(self.version, capture_output=True, text=True)
        found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        return found[0] if found else "?"

    @contextlib.contextmanager
    def running(self, folder, with_list):
        work = folder / f"run-{slug(self.title.lower())}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o777)
        for name, text in self.files(folder, with_list).items():
            (work / name).write_text(text.replace("@WORK@", str(work)).replace("@LISTS@", str(folder)))
        begun = time.monotonic()
        with open(work / "log", "w") as log:
            process = subprocess.Popen(["taskset", "-c", "0", *self.command(work, with_list)], cwd=work, stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield process, begun
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


UNBOUND = f"""server:
 directory: "@WORK@"
 chroot: ""
 username: ""
 pidfile: ""
 use-syslog: no
 verbosity: 0
 num-threads: 1
 interface: {SERVER}
 port: {PORT}
 access-control: 127.0.0.0/8 allow
 do-not-query-localhost: no
 msg-cache-size: 256m
 rrset-cache-size: 512m
 local-zone: "example." nodefault
 so-rcvbuf: 4m
 so-sndbuf: 4m
"""


def unbound(folder, with_list):
    lists = 'include: "@LISTS@/unbound.conf.list"' if with_list else ""
    return {"conf": UNBOUND + f""" module-config: "iterator"
 incoming-num-tcp: 100
 interface: {SERVER}@{PORT + 2}
 tls-port: {PORT + 2}
 tls-service-pem: "{CERTIFICATE}"
 tls-service-key: "{KEY}"
 {lists}
forward-zone:
 name: "."
 forward-addr: {AUTHORITY}@{AUTHORITY_PORT}
remote-control:
 control-enable: no
"""}


def pdns(folder, with_list):
    lua = f"""rpzFile("@LISTS@/rpz.zone", {{policyName="list"}})""" if with_list else ""
    return {"recursor.conf": f"""local-address={SERVER}
local-port={PORT}
threads=1
pdns-distributes-queries=no
forward-zones-recurse=.={AUTHORITY}:{AUTHORITY_PORT}
allow-from=127.0.0.0/8
dont-query=
dnssec=off
socket-dir=@WORK@
quiet=yes
max-cache-entries=1000000
max-packetcache-entries=1000000
lua-config-file=@WORK@/lists.lua
""", "lists.lua": lua}


def bind(folder, with_list):
    policy = 'response-policy { zone "rpz"; } min-update-interval 1 qname-wait-recurse no;' if with_list else ""
    zone = 'zone "rpz" { type primary; file "@LISTS@/rpz.zone"; allow-query { none; }; };' if with_list else ""
    return {"named.conf": f"""options {{ directory "@WORK@"; pid-file none; session-keyfile none; listen-on port {PORT} {{ {SERVER}; }};
 listen-on-v6 {{ none; }}; recursion yes; allow-query {{ any; }}; allow-recursion {{ any; }}; forward only;
 forwarders {{ {AUTHORITY} port {AUTHORITY_PORT}; }}; dnssec-validation no; max-cache-size 1g; querylog no; {policy} }};
controls {{ }}; {zone}
logging {{ category default {{ null; }}; }};
"""}


def kresd(folder, with_list):
    rpz = f"policy.add(policy.rpz(policy.ANSWER({{}}), '@LISTS@/rpz.zone'))" if with_list else ""
    return {"kresd.conf": f"""net.listen('{SERVER}', {PORT}, {{ kind = 'dns' }})
cache.size = 512 * MB
trust_anchors.remove('.')
modules = {{ 'policy' }}
{rpz}
policy.add(policy.all(policy.FORWARD('{AUTHORITY}@{AUTHORITY_PORT}')))
"""}


def dnsdist(folder, with_list):
    lists = """nodes = newSuffixMatchNode()
for line in io.lines("@LISTS@/list.txt") do nodes:add(newDNSName(line)) end
addAction(SuffixMatchNodeRule(nodes), SpoofAction("192.0.2.1"))
""" if with_list else ""
    return {"dnsdist.conf": f"""setLocal("{SERVER}:{PORT}", {{reusePort=false}})
addTLSLocal("{SERVER}:{PORT + 2}", "{CERTIFICATE}", "{KEY}")
setACL("127.0.0.0/8")
{lists}
newServer({{address="{AUTHORITY}:{AUTHORITY_PORT}"}})
cache = newPacketCache(1000000, {{maxTTL=86400}})
getPool(""):setCache(cache)
setSecurityPollSuffix("")
"""}


def dnsmasq(folder, with_list):
    lists = "conf-file=@LISTS@/dnsmasq.list" if with_list else ""
    return {"conf": f"""port={PORT}
listen-address={SERVER}
bind-interfaces
no-resolv
no-hosts
server={AUTHORITY}#{AUTHORITY_PORT}
cache-size=150000
dns-forward-max=10000
{lists}
"""}


def wardline(folder, with_list):
    lists = f"""[[list]]
id = "big"
file = "@LISTS@/list.txt"
unsigned = "allow"
format = "plain"
authority = "Example Authority"
basis = "law"
legal_basis = "Example Act, section 1"
action = "stop-page"
stop = ["{STOP}"]
""" if with_list else ""
    return {"wardline.toml": f"""state = "@WORK@/state"
[listen]
udp = ["{SERVER}:{PORT}"]
tcp = ["{SERVER}:{PORT}"]
tls = ["{SERVER}:{PORT + 2}"]
threads = 1
[tls]
certificate = "{CERTIFICATE}"
key = "{KEY}"
[limits]
udp_replies_per_s = 0
[resolve]
mode = "forward"
[resolve.forward]
upstreams = ["{AUTHORITY}:{AUTHORITY_PORT}"]
[cache]
size_mib = 256
{lists}"""}


ECHO = Peer("UDP echo (the floor)", lambda work, _: [str(newest_echo()), f"{FLOOR}:{PORT}"], None, binary="/")
WARDLINE = Peer("Wardline", lambda work, _: [str(ROOT / "target/release/wardline"), "serve", "--config", "wardline.toml"],
                [str(ROOT / "target/release/wardline"), "--version"], wardline, streams=STREAMS)
PEERS = [
    Peer("dnsdist", lambda work, _: ["dnsdist", "--supervised", "--disable-syslog", "-C", "dnsdist.conf"], ["dnsdist", "--version"], dnsdist,
         streams=STREAMS),
    Peer("PowerDNS Recursor", lambda work, _: ["pdns_recursor", f"--config-dir={work}", "--daemon=no"], ["pdns_recursor", "--version"], pdns),
    Peer("Unbound", lambda work, _: ["unbound", "-d", "-p", "-c", "conf"], ["unbound", "-V"], unbound, streams=STREAMS),
    Peer("BIND", lambda work, _: ["named", "-f", "-n", "1", "-c", str(work / "named.conf")], ["named", "-v"], bind),
    Peer("Knot Resolver", lambda work, _: ["kresd", "-n", "-c", str(work / "kresd.conf"), str(work)], ["kresd", "--version"], kresd),
    Peer("dnsmasq", lambda work, _: ["dnsmasq", "-k", "-C", "conf", "--user=root", "--pid-file="], ["dnsmasq", "--version"], dnsmasq,
         streams=()),
]


def newest_echo():
    built = [path for path in (ROOT / "target/release/deps").glob("echo-*") if path.suffix == ""]
    if not built:
        sys.exit("the echo floor is not built: cargo bench --no-run --bench echo")
    return max(built, key=lambda path: path.stat().st_mtime)


@contextlib.contextmanager
def authority(folder):
    (folder / "nsd.conf").write_text(f"""server:
 ip-address: {AUTHORITY}@{AUTHORITY_PORT}
 server-count: 1
 username: ""
 zonesdir: "{folder}"
 database: ""
 pidfile: ""
 xfrdfile: ""
 zonelistfile: "{folder}/zone.list"
 hide-version: yes
 rrl-ratelimit: 0
remote-control:
 control-enable: no
zone:
 name: zone.example
 zonefile: zone
""")
    process = subprocess.Popen(["taskset", "-c", "1", "nsd", "-d", "-c", str(folder / "nsd.conf")], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_for(name, wanted, begun):
    """Seconds from the start to the first right answer."""
    while time.monotonic() - begun < SECONDS_TO_LOAD_MAX:
        if ask(name) in wanted:
            return time.monotonic() - begun
    raise TimeoutError(f"no right answer for {name} within {SECONDS_TO_LOAD_MAX} s")


def load(folder, title, pid, address, seconds, mode="udp", port=PORT):
    """Server CPU in microseconds an answer, answers a second, lost in per cent."""
    before, _ = stat(pid)
    said = subprocess.run(["taskset", "-c", "1", "dnsperf", "-m", mode, "-s", address, "-p", str(port), "-d", str(folder / f"{slug(title)}.load"),
                           "-c", "16", "-q", "400", "-T", "1", "-l", str(seconds)], capture_output=True, text=True).stdout
    after, _ = stat(pid)
    sent = int(re.search(r"Queries sent:\s+(\d+)", said)[1])
    done = int(re.search(r"Queries completed:\s+(\d+)", said)[1])
    return (after - before) * 1e6 / max(done, 1), done / seconds, 100 * (sent - done) / max(sent, 1)


def warm(folder):
    """Ask every cached name once, slowly enough that nothing is lost, twice to be sure."""
    for _ in range(2):
        subprocess.run(["dnsperf", "-s", SERVER, "-p", str(PORT), "-d", str(folder / "cached-evenly.load"), "-n", "1", "-q", "50",
                        "-t", "5"], capture_output=True)


def measure(peer, floor, folder, loads, options):
    """All figures of one program; each run stands beside one of the floor, and the first of each load is thrown away."""
    result = {"title": peer.title, "version": peer.read_version()}
    with peer.running(folder, with_list=False) as (process, begun):
        wait_for(cached(0), {"198.51.0.0"}, begun)
        warm(folder)
        result["empty_rss"] = stat(process.pid)[1]
    with peer.running(folder, with_list=True) as (process, begun):
        result["first"] = wait_for("www." + listed(options.names - 1), {STOP}, begun)
        wait_for(cached(0), {"198.51.0.0"}, begun)
        warm(folder)
        result["rss"] = stat(process.pid)[1]
        for title in loads:
            load(folder, title, process.pid, SERVER, 1)
            runs, floors = [], []
            for _ in range(options.runs):
                floors.append(load(folder, title, floor.pid, FLOOR, options.seconds)[0])
                runs.append(load(folder, title, process.pid, SERVER, options.seconds))
            result[title] = statistics.median(run[0] for run in runs)
            result[f"{title} floor"] = statistics.median(floors)
            result[f"{title} lost"] = max(run[2] for run in runs)
        for title in peer.streams:
            mode, beside = STREAMS[title]
            runs = [load(folder, loads[0], process.pid, SERVER, options.seconds, mode, PORT + beside) for _ in range(1 + options.runs)]
            result[title] = statistics.median(run[0] for run in runs[1:])
    return result


def table(results, loads, options):
    head = ["", "version", *[f"{title}: CPU µs (× floor)" for title in loads], *[f"{title}, CPU µs" for title in STREAMS], "start to first blocked, s", "MiB with list", "MiB the list adds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for result in results:
        cells = [result["title"], result["version"]]
        cells += [f"{result[title]:.2f} ({result[title] / result[f'{title} floor']:.2f})" for title in loads]
        cells += [f"{result[title]:.1f}" if title in result else "–" for title in STREAMS]
        cells += [f"{result['first']:.2f}", f"{result['rss'] / 2**20:.0f}", f"{(result['rss'] - result['empty_rss']) / 2**20:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    floors = [result[f"{title} floor"] for result in results for title in loads]
    lines += ["", f"The floor itself: {min(floors):.2f} to {max(floors):.2f} µs, median {statistics.median(floors):.2f}; each ratio is to the"
              " floor measured in turn with the program.", "", f"{options.names:,} listed names, {CACHED_NAMES:,} cached ones; median of {options.runs} runs of {options.seconds} s after a"
              f" throw-away run; one server thread on CPU 0, `dnsperf -c 16 -q 400 -T 1` on CPU 1,"
              " over TCP and TLS on 16 connections that stay open.", "", machine()]
    return "\n".join(lines) + "\n"


def machine():
    """What it was measured on, and when."""
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return (f"Machine: {cpu[1] if cpu else platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()};"
            f" {time.strftime('%Y-%m-%d', time.gmtime())}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the peers with apt first")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--only", help="titles, comma separated; the floor always runs")
    parser.add_argument("--keep", type=pathlib.Path, help="a file of results to add to")
    parser.add_argument("--write", action="store_true", help="write the table to BENCHMARKS.md")
    options = parser.parse_args()
    if options.install:
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES], check=True)
    subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    subprocess.run(["cargo", "bench", "--no-run", "--bench", "echo"], cwd=ROOT, check=True)
    only = options.only.lower().split(",") if options.only else None
    programs = [peer for peer in [WARDLINE, *PEERS] if (not only or peer.title.lower() in only) and peer.is_there()]
    with workspace() as folder:
        loads = make_inputs(folder, options.names)
        with authority(folder), ECHO.running(folder, with_list=False) as (floor, _):
            results, left_out = [], 0
            for peer in programs:
                print(f"… {peer.title}", file=sys.stderr, flush=True)
                try:
                    results.append(measure(peer, floor, folder, loads, options))
                except (OSError, TypeError, ValueError) as error:
                    # Such as a program that does not start, or one that gives no answers to count.
                    print(f"{peer.title} is left out: {error}", file=sys.stderr, flush=True)
                    left_out += 1
                    continue
                print(results[-1], file=sys.stderr, flush=True)
                with_kept(results, options.keep)
        text = table(with_kept(results, options.keep), loads, options)
        print(text)
        if options.write:
            write(text)
    sys.exit(1 if left_out else 0)


@contextlib.contextmanager
def workspace():
    """A folder that programs with users of their own can read, for as long as it is needed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="versus-"))
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def with_kept(results, path):
    """These results and those that the file has of other programs, in the order of the programs; all are kept there."""
    if not path:
        return results
    kept = {result["title"]: result for result in json.loads(path.read_text())} if path.exists() else {}
    kept |= {result["title"]: result for result in results}
    order = [peer.title for peer in [WARDLINE, *PEERS]]
    results = sorted(kept.values(), key=lambda result: order.index(result["title"]))
    path.write_text(json.dumps(results, indent=1))
    return results


def write(text, part="versus"):
    """Replace the marked part of BENCHMARKS.md."""
    path = ROOT / "BENCHMARKS.md"
    start, end = f"<!-- {part} -->\n", f"<!-- /{part} -->\n"
    old = path.read_text()
    path.write_text(old[:old.index(start) + len(start)] + text + old[old.index(end):])


if __name__ == "__main__":
    main()
