"""What people really use for one file and many hosts, each behind a link of its own: rmcp, rsync in turn and at once, BitTorrent."""
import hashlib
import os
import statistics
import subprocess
import time

from benchmark.cases import Case
from benchmark.namespaces import BURST, QUEUE_SECONDS, Lab, wait_until
from benchmark.tools import READY, Measured, Rmcp, Tool
from benchmark.transfer import Failed, Run
from benchmark.tree import Rsync

RATE = 100_000_000
CASE = Case("usual", 64, receivers=16, wire="split", rate=RATE, limit=240, tools=("rmcp", "aria2", "rsync-all", "rsync"))
PIECE = 256 << 10
# The tracker is on the bridge, which has no address otherwise.
TRACKER, TRACKER_PORT = "10.77.255.254", 6969


class RsyncAtOnce(Rsync):
    """To all receivers at the same time: the source's link is shared."""

    name = "rsync-all"

    def sender(self, setup, case, source):
        copies = [f"rsync -a {source} rsync://10.77.0.{number + 2}/t/ & " for number in range(case.receivers)]
        return ["bash", "-c", f"{''.join(copies)} status=0; for job in $(jobs -p); do wait $job || status=1; done; exit $status"]


class Aria2(Tool):
    """BitTorrent by aria2, with opentracker: the source seeds, and receivers that have everything go on to."""

    name = "aria2"
    ends_itself = False
    seeds = True  # the sender, until it is stopped
    # Pieces go on to others as soon as they are here, connections are made to all, and nothing else is looked for.
    COMMON = ["aria2c", "--no-conf", "--quiet", "--file-allocation=none", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
              "--listen-port=6881", "--seed-ratio=0.0", "--bt-max-peers=0", "--bt-request-peer-speed-limit=1000M", "--summary-interval=0"]

    def torrent(self, setup):
        return f"{setup.work}/payload.torrent"

    def receiver(self, setup, case, directory):
        done = f"{directory}.done"
        if os.path.exists(done):
            os.unlink(done)
        hook = f"{directory}.hook"
        with open(hook, "w") as file:
            file.write(f"#!/bin/sh\nexec touch {done}\n")
        os.chmod(hook, 0o755)
        return [*self.COMMON, "--dir", directory, "--on-bt-download-complete", hook, self.torrent(setup)]

    def sender(self, setup, case, source):
        # Whoever makes a torrent has read the file already.
        return [*self.COMMON, "--dir", os.path.dirname(source), "--bt-seed-unverified=true", self.torrent(setup)]

    def listens(self, process):
        def is_there():
            return process.ended or f":{6881:04X} " in listening(process.process.pid)

        return wait_until(is_there, READY) and not process.ended


def listening(pid):
    try:
        with open(f"/proc/{pid}/net/tcp") as file:
            return "".join(line[:45] + "\n" for line in file)
    except OSError:
        return ""


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(bencode(item) for item in value) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def make_torrent(path, source):
    """Returns the torrent's hash, by which the tracker knows it."""
    with open(source, "rb") as file:
        pieces = b"".join(hashlib.sha1(piece).digest() for piece in iter(lambda: file.read(PIECE), b""))
    info = {b"length": os.path.getsize(source), b"name": os.path.basename(source).encode(), b"piece length": PIECE, b"pieces": pieces}
    with open(path, "wb") as file:
        file.write(bencode({b"announce": f"http://{TRACKER}:{TRACKER_PORT}/announce".encode(), b"info": info}))
    return hashlib.sha1(bencode(info)).hexdigest()


class Links(Lab):
    """Every node's link carries RATE each way."""

    def __init__(self, receivers, wire):
        super().__init__(receivers, wire=wire, rate=RATE)
        try:
            shape = ["root", "tbf", "rate", str(RATE), "burst", str(BURST), "limit", str(int(RATE / 8 * QUEUE_SECONDS) + BURST)]
            for node in self.receivers:
                self.run("b", "tc", "qdisc", "add", "dev", node, *shape)
                self.run(node, "tc", "qdisc", "add", "dev", "eth0", *shape)
            self.run("b", "tc", "qdisc", "add", "dev", "s", *shape)
            self.run("b", "ip", "address", "add", f"{TRACKER}/16", "dev", "br0")
        except BaseException:
            self.down()
            raise

    def run(self, node, *command):
        subprocess.run(["ip", "netns", "exec", self.namespace(node), *command], check=True, stdin=subprocess.DEVNULL)


class Tracker:
    """opentracker, that serves one torrent."""

    def __init__(self, setup, lab, known):
        self.root = f"{setup.work}/tracker"
        os.makedirs(self.root, exist_ok=True)
        os.chmod(self.root, 0o755)
        with open(f"{self.root}/whitelist", "w") as file:
            file.write(known + "\n")
        # It changes its root directory and its user.
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", lab.namespace("b"), "opentracker", "-i", TRACKER, "-p", str(TRACKER_PORT), "-P", str(TRACKER_PORT), "-d",
             self.root, "-w", "/whitelist", "-u", "nobody"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        is_there = wait_until(lambda: self.process.poll() is not None or f":{TRACKER_PORT:04X} " in listening(self.process.pid), READY)
        if not is_there or self.process.poll() is not None:
            raise Failed("the tracker does not listen")

    def end(self):
        self.process.kill()
        self.process.wait()


TOOLS = {tool.name: tool for tool in (Rmcp, Aria2, RsyncAtOnce, Rsync)}
WHAT = {"rmcp": "rmcp", "aria2": "BitTorrent (aria2, opentracker)", "rsync-all": "rsync to all at once", "rsync": "rsync to each in turn"}


def wait_for_receivers(run):
    """Of BitTorrent, whose sender does not end: until all have everything."""
    done = [f"{run.directory(node)}.done" for node in run.nodes]
    deadline = run.began + run.case.limit
    while missing := [path for path in done if not os.path.exists(path)]:
        if time.monotonic() > deadline or run.sender.ended:
            raise Failed(f"{len(missing)} receivers have not everything after {time.monotonic() - run.began:.0f} s: {run.sender.tail()}")
        time.sleep(0.02)
    # Both clocks are the kernel's; one counts from 1970.
    offset = time.time() - time.monotonic()
    return [os.stat(path).st_mtime - offset for path in done]


def once(name, case, setup, lab, source):
    """Times, bytes and processor time of one run; raises Failed."""
    tool = TOOLS[name]()
    run = Run(tool, case, setup, lab, source)
    try:
        run.start_receivers()
        seeds = getattr(tool, "seeds", False)
        if seeds:
            run.before, run.began = lab.counters(), time.monotonic()
            run.sender = Measured(setup, lab, "s", tool.sender(setup, case, source))
            ends = wait_for_receivers(run)
            run.after = lab.counters()
        else:
            run.send()
            ends = None
        stopped = [] if tool.ends_itself else [*run.receivers.values(), *([run.sender] if seeds else [])]
        for process in stopped:
            process.process.terminate()
        for process in (*run.receivers.values(), run.sender):
            process.wait(10)
        if not seeds and run.status != 0:
            raise Failed(f"the sender's exit code is {run.status}: {run.sender.tail()}")
        if ends is None:
            # Of rsync only the end is known.
            ends = [tool.had_file(process) for process in run.receivers.values()] if tool.ends_itself else [run.sender.usage()["ended"]]
        if None in ends:
            raise Failed(f"{ends.count(None)} receivers have not everything")
        wrong = [node for node in run.nodes if not run.identical(node)]
        if wrong:
            raise Failed(f"the file differs at {' '.join(wrong)}")
        size = os.path.getsize(source)
        usages = [process.usage() for process in (run.sender, *run.receivers.values())]
        processor = [usage["user"] + usage["system"] if usage else None for usage in usages]
        return {
            "last": max(ends) - run.began, "first": min(ends) - run.began if len(ends) > 1 else None, "copies": (run.after["s"][0] - run.before["s"][0]) / size,
            "sender": processor[0], "receivers": sum(processor[1:]) if None not in processor else None,
        }
    finally:
        run.end()
        run.remove_files()


def measure(setup, source, options, busy, say):
    """A row for each tool."""
    receivers = options.receivers or CASE.receivers
    lab = Links(receivers, options.wire or CASE.wire)
    case = Case(CASE.name, CASE.size, receivers=receivers, limit=options.limit or CASE.limit)
    tools = options.tools.split(",") if options.tools else CASE.tools
    runs, failures = {name: [] for name in tools}, {}
    tracker = None
    try:
        if "aria2" in tools:
            tracker = Tracker(setup, lab, make_torrent(Aria2().torrent(setup), source))
        for number in range(options.rounds or 3):
            for name in tools:
                if name in failures:
                    continue
                busy.look()
                try:
                    runs[name].append(once(name, case, setup, lab, source))
                    say(f"usual, round {number + 1}: {name} {runs[name][-1]['last']:.2f} s")
                except Failed as failure:
                    failures[name] = str(failure)
                    say(f"usual, round {number + 1}: {name}: {failure}")
    finally:
        if tracker:
            tracker.end()
        lab.down()
    return [{"tool": name, "receivers": receivers, "bytes": os.path.getsize(source), "runs": runs[name], "failure": failures.get(name)} for name in tools]


def table(rows):
    lines = ["| what | seconds to the last | to the first | copies out of the source | processor of the source, s | of all receivers, s |", "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        if not row["runs"]:
            lines.append(f"| {WHAT[row['tool']]} | {row['failure']} | | | | |")
            continue
        median = {key: statistics.median(run[key] for run in row["runs"]) if None not in [run[key] for run in row["runs"]] else None
                  for key in row["runs"][0]}
        text = {key: "" if value is None else f"{value:.2f}" for key, value in median.items()}
        last = [run["last"] for run in row["runs"]]
        lines.append(f"| {WHAT[row['tool']]} | {text['last']} ({min(last):.2f}...{max(last):.2f}) | {text['first']} | {text['copies']} | {text['sender']} | {text['receivers']} |")
    return lines
