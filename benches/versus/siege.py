#!/usr/bin/env python3
"""What the others notice while Wardline is attacked or has more to do than it can.

    benches/versus/siege.py torture|warm|overload|memory [--seconds N] [--signed] [--times 1,2,5,10] [--share 0.2] [--kept 80]

torture   random names below a silent zone, 10,000 a second from 200 addresses, beside 500 cold questions a second and 100 listed ones
warm      1,000 cached questions a second, alone and beside 2,000 cold ones: latencies
overload  questions of 16 clients at so many times what it can do, on a share of a CPU so that load and authorities are never short; cold ones
          but for a per cent of kept ones. Take --names 800000, so that no cold name is asked for twice
memory    one new zone with a server of its own for every question, as fast as it goes, and a name more on a list of a million every half minute:
          resident memory over time, in a control group that may have a tenth more than the program says at its start

The tree, the authorities and what must be installed are cold.py's; the prober is `cargo bench --no-run --bench prober`. The resolver runs
on CPU 0, everything else on CPU 1. Answers count that are right and come within 5 s; SERVFAIL is none. Everything stays on loopback.
"""
import argparse, contextlib, os, pathlib, random, re, shutil, signal, socket, struct, subprocess, sys, tempfile, time

import cold, versus
from reload import prober, read
from versus import PORT, SERVER, STOP

LISTED = 1000
# An authority for the memory run needs a port that no other program wants.
SCAN_PORT = 5397
SCAN_ROOT = "127.78.0.1"
# From linux/in.h; Python has no name for it everywhere.
IP_PKTINFO = 8


def question(name, number=0):
    name = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack(">6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1"


class Flood:
    """Questions at a steady rate from many addresses, whose answers nobody reads; on CPU 1 in a process of its own."""

    def __init__(self, rate, seconds, name):
        self.child = os.fork()
        if self.child:
            return
        os.sched_setaffinity(0, {1})
        sockets = []
        for n in range(200):
            sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sockets[-1].bind((f"127.88.{n}.1", 0))
            sockets[-1].connect((SERVER, PORT))
            sockets[-1].setblocking(False)
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic() - begun) < seconds:
            while sent < now * rate:
                with contextlib.suppress(OSError):
                    sockets[sent % 200].send(question(name(sent), sent))
                sent += 1
            time.sleep(0.002)
        os._exit(0)

    def wait(self):
        os.waitpid(self.child, 0)


class Probe:
    """The prober with names of a file, which is made from `names`."""

    def __init__(self, folder, title, names, rate, seconds, before=()):
        file = folder / f"{title}.names"
        file.write_text("".join(f"{name}\n" for name in names))
        self.process = subprocess.Popen([*before, "taskset", "-c", "1", str(prober()), f"{SERVER}:{PORT}", str(file), str(rate), str(seconds)],
                                        stdout=subprocess.PIPE, text=True)

    def result(self):
        found = read(self.process)
        found["answered_percent"] = round(100 * (1 - found["lost"] / max(found["sent"], 1)), 3)
        return found


def show(title, found):
    keys = ["sent", "lost", "answered_percent", "p50", "p99", "p999", "max"]
    print(f"{title:28}", ", ".join(f"{key} {found[key]}" for key in keys if key in found), flush=True)


def some_hosts(options, start=0):
    order = list(range(options.names))
    random.Random(11).shuffle(order)
    return [cold.host(n, options.zones) for n in order[start:]]


def torture(process, folder, options):
    seconds = options.seconds or 30
    before = versus.stat(process.pid)[0]
    benign = Probe(folder, "benign", some_hosts(options), 500, seconds)
    listed = Probe(folder, "listed", [f"www.listed{n}.example" for n in range(LISTED)], 100, seconds)
    time.sleep(1)
    flood = Flood(10_000, seconds - 2, lambda n: f"{random.getrandbits(48):x}.silent.example")
    show("benign, 500 a second, cold", benign.result())
    show("listed, 100 a second", listed.result())
    flood.wait()
    after, rss = versus.stat(process.pid)
    print(f"CPU {100 * (after - before) / seconds:.0f} % of one, resident {rss >> 20} MiB")


def warm(process, folder, options):
    seconds = options.seconds or 20
    kept = some_hosts(options)[:1000]
    Probe(folder, "warming", kept, 1000, 2).result()
    # What watches must not wait for the load and the authorities that share its CPU.
    first = ["chrt", "--fifo", "50"]
    show("cached, alone", Probe(folder, "cached", kept, 1000, seconds, first).result())
    cold_ones = Probe(folder, "cold", some_hosts(options, 1000), 2000, seconds)
    show("cached, beside 2,000 cold", Probe(folder, "cached", kept, 1000, seconds, first).result())
    show("cold", cold_ones.result())


def control_group(kind):
    """A control group of our own, by the file system of either version: its folder, and whether that is the old version."""
    old, new = pathlib.Path(f"/sys/fs/cgroup/{kind}/wardline-siege"), pathlib.Path("/sys/fs/cgroup/wardline-siege")
    folder = old if old.parent.exists() else new
    folder.mkdir(exist_ok=True)
    return folder, folder == old


@contextlib.contextmanager
def small_machine(pid, share):
    """Keep a process to a share of one CPU."""
    folder, is_old = control_group("cpu")
    if is_old:
        (folder / "cpu.cfs_period_us").write_text("10000")
        (folder / "cpu.cfs_quota_us").write_text(str(int(10000 * share)))
    else:
        (folder / "cpu.max").write_text(f"{int(10000 * share)} 10000")
    (folder / "cgroup.procs").write_text(str(pid))
    try:
        yield
    finally:
        (folder.parent / "cgroup.procs").write_text(str(pid))
        folder.rmdir()


def overload(process, folder, options):
    seconds, used = options.seconds or 8, 0
    # A crowd behind one address would be held to what one client may have waiting.
    os.environ["PROBER_CLIENTS"] = "16"
    hosts = some_hosts(options)

    kept, mix = hosts[:1000], random.Random(12)

    def take(count):
        nonlocal used
        names = []
        for _ in range(count):
            if mix.random() * 100 < options.kept:
                names.append(mix.choice(kept))
            else:
                used += 1
                names.append(hosts[(1000 + used) % len(hosts)])
        return names

    Probe(folder, "warming", kept, 1000, 2).result()
    with small_machine(process.pid, options.share):
        # What it can do: the most of which nearly all is answered, of what grows until clearly less is.
        capacity, rate, answered_percent = 0, 1000, 100
        while answered_percent > 70:
            found = Probe(folder, "capacity", take(2 * rate), rate, 2).result()
            if found["answered_percent"] >= 90:
                capacity = max(capacity, (found["sent"] - found["lost"]) // 2)
            rate, answered_percent = rate * 8 // 7, found["answered_percent"]
        print(f"capacity {capacity} questions a second, {options.kept} % of them kept", flush=True)
        for times in [float(text) for text in options.times.split(",")]:
            rate = int(capacity * times)
            found = Probe(folder, "overload", take(rate * seconds), rate, seconds).result()
            show(f"{times:g} times", found)
            goodput = (found["sent"] - found["lost"]) / seconds
            print(f"{'':28} goodput {goodput:.0f} a second, {100 * goodput / capacity:.0f} % of the capacity", flush=True)
            # The prober waits 2 s for late answers, and so have we.
            show("  2 s later, half of it", Probe(folder, "after", take(capacity), capacity // 2, 2).result())


def serve_scan():
    """Refers every name below `example` to a zone of its own on a server of its own, and answers for that server too."""
    os.sched_setaffinity(0, {1})
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    door.bind(("0.0.0.0", SCAN_PORT))
    while True:
        packet, control, _, client = door.recvmsg(512, 64)
        end, labels = 12, []
        while packet[end]:
            labels.append(packet[end + 1:end + 1 + packet[end]].lower())
            end += 1 + packet[end]
        asked, name = packet[12:end + 5], lambda parts: b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
        # pktinfo: interface, our address, the header's.
        to = control[0][2][8:12]
        if to == socket.inet_aton(SCAN_ROOT):
            zone = labels[-2:] if len(labels) > 1 else labels
            child, host = name(zone), name([b"ns", *zone])
            # The top-level zone is served where the root is, the others by half a million servers.
            number = 0 if len(zone) < 2 else int(zone[0], 16)
            place = to if len(zone) < 2 else bytes([127, 64 + number % 8, number >> 3 & 255, number >> 11 & 255])
            body = child + struct.pack(">HHIH", 2, 1, 86400, len(host)) + host + host + struct.pack(">HHIH", 1, 1, 86400, 4) + place
            reply = packet[:2] + b"\x80\0\0\1\0\0\0\1\0\1" + asked + body
        else:
            reply = packet[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + asked + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 86400, 4) + b"\xc6\x33\x64\x01"
        door.sendmsg([reply], [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, to, b"\0\0\0\0"))], 0, client)


def memory(process, folder, options):
    seconds, (group, is_old) = options.seconds or 600, control_group("memory")
    budget = int(re.search(r"memory: at most ([\d,]+) MiB", (folder / "run-wardline/log").read_text())[1].replace(",", ""))
    (group / ("memory.limit_in_bytes" if is_old else "memory.max")).write_text(str((budget << 20) * 11 // 10))
    print(f"{budget} MiB are promised, and a tenth more is allowed", flush=True)
    load = subprocess.Popen(["taskset", "-c", "1", sys.executable, "-c", f"""
import random, sys
while True:
    print("www." + "%012x" % random.getrandbits(48) + ".example A", flush=False)
"""], stdout=subprocess.PIPE)
    perf = subprocess.Popen(["taskset", "-c", "1", "dnsperf", "-s", SERVER, "-p", str(PORT), "-c", "16", "-q", "200", "-l", str(seconds), "-t", "2"],
                            stdin=load.stdout, stdout=subprocess.PIPE, text=True)
    begun, changes = time.monotonic(), 0
    while perf.poll() is None:
        rss = versus.stat(process.pid)[1]
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
        print(f"{time.monotonic() - begun:5.0f} s: resident {rss / 2**20:.1f} MiB, {files} open files, {changes} changes of the list", flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            perf.wait(max(seconds / 20, 1))
        with open(folder / "list.txt", "a") as names:
            names.write(f"more{changes}.example\n")
        changes += 1
    load.kill()
    most = int((group / ("memory.max_usage_in_bytes" if is_old else "memory.peak")).read_text())
    killed = (group / ("memory.oom_control" if is_old else "memory.events")).read_text()
    print(f"the most that the group had, with the files that were read: {most >> 20} MiB; {' '.join(killed.split())}")
    print(*[line for line in perf.stdout.read().splitlines() if "Queries" in line or "codes" in line], sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["torture", "warm", "overload", "memory"])
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--signed", action="store_true", help="sign all zones and have the signatures checked")
    parser.add_argument("--times", default="1,2,5,10", help="times the capacity, comma separated")
    parser.add_argument("--share", type=float, default=0.2, help="of a CPU, for overload")
    parser.add_argument("--kept", type=int, default=0, help="per cent of overload's questions whose answers are kept")
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--zones", type=int, default=1_000)
    parser.add_argument("--cache-mib", type=int, default=64)
    options = parser.parse_args()
    # Whoever ends this ends the servers that it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="siege-"))
    os.chmod(folder, 0o755)
    silent = []
    for address in cold.SILENT:
        silent.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        silent[-1].bind((address, 53))
    listed = 1_000_000 if options.what == "memory" else LISTED
    (folder / "list.txt").write_text("".join(f"listed{n}.example\n" for n in range(listed)))
    lists = f"""[clients]
allow = ["127.0.0.0/8"]
[[list]]
id = "big"
file = "@LISTS@/list.txt"
unsigned = "allow"
authority = "Example Authority"
basis = "law"
legal_basis = "Example Act, section 1"
stop = ["{STOP}"]
"""

    def files(folder, signed):
        made = cold.wardline(folder, signed, lists)
        made["wardline.toml"] = made["wardline.toml"].replace("size_mib = 256", f"size_mib = {options.cache_mib}")
        if options.what == "memory":
            made["wardline.toml"] = made["wardline.toml"].replace("loopback = true", f"loopback = true\nport = {SCAN_PORT}")
        return made

    def command(work, signed):
        plain = cold.PROGRAMS[0].command(work, signed)
        if options.what != "memory":
            return plain
        return ["sh", "-c", f'echo $$ > {control_group("memory")[0]}/cgroup.procs; exec "$@"', "sh", *plain]

    program = versus.Peer("Wardline", command, None, files, binary=cold.PROGRAMS[0].binary)
    try:
        if options.what == "memory":
            (folder / "hints").write_text(f". NS a.\na. A {SCAN_ROOT}\n")
            (folder / "anchor").write_text("")
            around = scan()
            last = "www.000000000000.example"
        else:
            levels, last = cold.make_tree(folder, options)
            around = cold.authorities(folder, levels)
        with around, program.running(folder, options.signed) as (process, begun):
            while not versus.ask(last, 1):
                if time.monotonic() - begun > 20:
                    sys.exit((folder / "run-wardline/log").read_text())
            try:
                globals()[options.what](process, folder, options)
            finally:
                if process.poll() is not None:
                    sys.exit(f"Wardline ended meanwhile ({process.returncode})\n{(folder / 'run-wardline/log').read_text()}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if options.what == "memory":
            control_group("memory")[0].rmdir()


@contextlib.contextmanager
def scan():
    child = os.fork()
    if not child:
        serve_scan()
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
