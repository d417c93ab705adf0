"""How `rmcp send --rate auto` finds the rate of a link, and how it shares one: the runs of scripts/bench-rate."""
import os
import shutil
import time
from dataclasses import dataclass, field

from benchmark.events import Events
from benchmark.link import Sampler
from benchmark.machine import MIB, available_memory, random_file, warm

GROUPS = ["239.255.76.27:17627", "239.255.76.28:17628"]
# Fractions of the link's rate that a careful operator would try. What --rate counts leaves out Ethernet's headers, so that
# the last one is just above what fits.
HAND_SET = [0.85, 0.90, 0.94, 0.97, 0.99]
HAND_SET_UNLIMITED = [1e9, 2e9, 3e9, 4.5e9, 7e9]
HAND_SET_SECONDS = 4  # for each of them
# A rate counts as reached when the mean of this long is there: a single sample of 50 ms is mostly jitter.
WINDOW = 0.5
REACHED = 0.9
# Shares are those from this long after the last of both has begun.
SETTLE = 5
ALONE_FIRST = 3
READY = 15  # seconds that a process may take until it listens


@dataclass
class Bench:
    """What all runs on one link have in common."""

    link: object
    binary: str
    work: str
    seconds: float
    send_options: list = field(default_factory=list)
    # At random at each receiver (0...1).
    loss: float = 0

    @property
    def environment(self):
        return dict(os.environ, HOME=self.work, XDG_CONFIG_HOME=f"{self.work}/.config")

    def prefix(self, host):
        return ["ip", "netns", "exec", f"{self.link.network.prefix}-{host}"]

    def start(self, host, command, name):
        return Events(self.prefix(host), command, self.environment, f"{self.work}/{name}.log")


class Transfer:
    """One rmcp session from one sender to its receivers, of random bytes that are not compressed."""

    def __init__(self, bench, length, index=0, receivers=None):
        self.bench, self.length, self.index = bench, length, index
        self.hosts = receivers or bench.link.receivers[:-1]
        self.source = f"{bench.work}/payload{index}"
        if not os.path.exists(self.source) or os.path.getsize(self.source) != length:
            random_file(self.source, length)
        self.receivers = []
        for host in self.hosts:
            shutil.rmtree(f"{bench.work}/{host}-{index}", ignore_errors=True)
            os.mkdir(f"{bench.work}/{host}-{index}")
            self.receivers.append(bench.start(host, [
                bench.binary, "recv", "--json", "-i", "eth0", "-g", GROUPS[index], "-d", f"{bench.work}/{host}-{index}", "--once",
                "--allow-unsigned"], f"recv-{host}-{index}"))
        for receiver in self.receivers:
            if not receiver.wait_for("listening", READY):
                raise RuntimeError("a receiver does not listen")

    def send(self, rate):
        self.sender = self.bench.start(f"s{self.index + 1}", [
            self.bench.binary, "send", "--json", "-i", "eth0", "-g", GROUPS[self.index], "--unsigned", "--level", "0", "--rate",
            str(rate), "--wait-for", str(len(self.hosts)), "--min-wait", "0s", *self.bench.send_options, self.source],
            f"send-{self.index}")
        started = self.sender.wait_for("started", READY)
        if not started:
            raise RuntimeError("the sender does not start: " + open(f"{self.bench.work}/send-{self.index}.log").read()[-300:])
        self.began = started[0]

    def complete(self, seconds):
        """Waits for the last receiver; the time at which it was complete, or None."""
        deadline = time.monotonic() + seconds
        for receiver in self.receivers:
            if receiver.wait(deadline - time.monotonic()) != 0:
                return None
        return max(receiver.first("completed")[0] for receiver in self.receivers)

    def end(self):
        for process in [getattr(self, "sender", None), *self.receivers]:
            if process:
                process.end()
        for host in self.hosts:
            shutil.rmtree(f"{self.bench.work}/{host}-{self.index}", ignore_errors=True)

    def done_at(self, moment):
        """Content that the first receiver had stored then, by its own word, five times a second."""
        done = 0
        for at, event in self.receivers[0].events:
            if at > moment:
                break
            done = event.get("bytes_done", done)
        return done

    def told(self):
        """The sender's progress as (seconds since the start, rate in bit/s, median loss)."""
        return [(at - self.began, event.get("rate"), event.get("median_loss")) for at, event in self.sender.events
                if event.get("event") == "progress"]


# -- figures out of samples


def value_at(samples, key, moment):
    """A counter at a moment, between the samples around it."""
    before = samples[0]
    for sample in samples:
        if sample["t"] >= moment:
            span = sample["t"] - before["t"]
            share = (moment - before["t"]) / span if span > 0 else 1
            return before[key] + (sample[key] - before[key]) * share
        before = sample
    return samples[-1][key]


def rate_between(samples, key, begin, end):
    """Bits a second of a counter between two moments."""
    return 8 * (value_at(samples, key, end) - value_at(samples, key, begin)) / (end - begin)


def series(samples, keys, began):
    """Rates over time, in Mb/s, for the plot: [(seconds, rate of each key...)]."""
    rows = []
    for before, after in zip(samples, samples[1:]):
        span = after["t"] - before["t"]
        if span > 0:
            rows.append([round(after["t"] - began, 3)]
                        + [round(8e-6 * (after[key] - before[key]) / span, 2) for key in keys])
    return rows


def longest_pause(samples):
    """Between two samples, which are due every 50 ms: longer ones mean that something else had the processors."""
    return max(after["t"] - before["t"] for before, after in zip(samples, samples[1:]))


def reached_after(samples, key, began, end, wanted):
    """Seconds from the start until the mean of the last WINDOW was at least what is wanted; None when it never was."""
    moment = began + WINDOW
    while moment <= end:
        if rate_between(samples, key, moment - WINDOW, moment) >= wanted:
            return moment - began
        moment += 0.05
    return None


# -- the runs


def once(bench, rate, length):
    """One transfer alone: its times, its bytes on both sides of the bottleneck, and what the queue dropped."""
    transfer = Transfer(bench, length)
    sampler = Sampler(bench.link)
    drops = bench.link.drops() if bench.link.rate else 0
    try:
        transfer.send(rate)
        ended = transfer.complete(12 * bench.seconds)
        status = transfer.sender.wait(5)
        samples = sampler.stop()
        sent_once = transfer.sender.first("sent_once")
        result = {"seconds": ended and ended - transfer.began, "status": status, "began": transfer.began, "ended": ended,
                  "sent_once": sent_once and sent_once[0] - transfer.began, "told": transfer.told(), "samples": samples,
                  "pause": longest_pause(samples),
                  "drops": bench.link.drops() - drops if bench.link.rate else 0}
        finished = transfer.sender.last("finished")
        if finished:
            result["copies"] = finished[1]["wire_bytes"] / max(finished[1]["encoded_bytes"], 1)
        return result
    finally:
        sampler.done.set()
        transfer.end()


def best_hand_set(bench, longest, say):
    """The fixed rate with which everybody has the file soonest."""
    rate = bench.link.rate
    rates = [rate * fraction for fraction in HAND_SET] if rate else HAND_SET_UNLIMITED
    tried, best = [], None
    for candidate in rates:
        length = min(int(candidate / 8 * HAND_SET_SECONDS), longest)
        run = once(bench, int(candidate), length)
        entry = {"rate": candidate, "seconds": run["seconds"], "copies": run.get("copies"), "drops": run["drops"], "pause": run["pause"]}
        tried.append(entry)
        if run["seconds"]:
            # The end is left out: after the last first transmission only repairs cross.
            until = run["began"] + (run["sent_once"] or run["seconds"])
            entry["on_link"] = rate_between(run["samples"], "out", run["began"] + 0.2 * (until - run["began"]), until)
            entry["goodput"] = 8 * length / run["seconds"]
            if not best or entry["goodput"] > best["goodput"]:
                best = entry
        say(f"  --rate {candidate / 1e6:.0f}M: {entry.get('goodput', 0) / 1e6:.1f} Mb/s of content, {run['drops']} dropped")
    return {"tried": tried, "best": best}


# Times what receivers take at the best fixed rate, at which a fixed rate is too high.
OVERLOAD = 1.5
# Bytes of payload in a packet, and what each puts on the link besides: headers of rmcp, UDP, IP and Ethernet.
PAYLOAD, HEADERS = 1376, 24 + 28 + 14


def seconds_of(bench, rate, length):
    """One run's seconds until the last receiver has everything, and whether something else disturbed it."""
    run = once(bench, rate, length)
    return {"seconds": run["seconds"], "copies": run.get("copies"), "pause": run["pause"]}


def spread(bench, length, best):
    """--rate auto and the best fixed rate in turn; what the link takes for as many packets as receivers' loss asks for."""
    run = seconds_of(bench, "auto", length)
    run["fixed"] = seconds_of(bench, int(best["rate"]), length)["seconds"]
    if bench.link.rate:
        once_through = 8 * length * (PAYLOAD + HEADERS) / PAYLOAD / bench.link.rate
        run["ideal"] = once_through * transmissions(bench.loss, len(bench.link.receivers) - 1)
    return run


def transmissions(loss, receivers):
    """How often a packet must be sent until receivers that lose it each on their own have it: E[M]."""
    total, power = 0.0, 1.0
    while power > 1e-9:
        total += 1 - (1 - power) ** receivers
        power *= loss
    return total


def overload(bench, length, best):
    """A fixed rate that is half as much again as the best one, and the best one."""
    run = seconds_of(bench, int(OVERLOAD * best["rate"]), length)
    run["fixed"] = seconds_of(bench, int(best["rate"]), length)["seconds"]
    return run


def alone(bench, length, best):
    """--rate auto with the link for itself."""
    run = once(bench, "auto", length)
    samples, began = run.pop("samples"), run.pop("began")
    until = began + (run["sent_once"] or run["seconds"] or 0)
    result = dict(run, length=length, series=series(samples, ["s1", "out"], began))
    result.pop("ended")
    if not run["seconds"] or not best:
        return result
    result["goodput"] = 8 * length / run["seconds"]
    reached = reached_after(samples, "out", began, until, REACHED * best["on_link"])
    result["reached"] = reached
    after = began + (reached or 0)
    if until - after > 1:
        result["rate_after"] = rate_between(samples, "out", after, until)
        came = value_at(samples, "s1", until) - value_at(samples, "s1", after)
        left = value_at(samples, "out", until) - value_at(samples, "out", after)
        result["loss_after"] = max(0, 1 - left / came)
    return result


def with_tcp(bench, seconds):
    """rmcp joins one TCP flow (iperf3, CUBIC) that has had the link for three seconds."""
    link = bench.link
    length = int(link.rate / 8 * seconds)
    transfer = Transfer(bench, length)
    server = bench.start(link.receivers[-1], ["iperf3", "-s", "-1"], "iperf3-s")
    time.sleep(0.5)  # iperf3 says that it listens on a standard output that is not flushed.
    sampler = Sampler(link)
    client = bench.start("s2", ["iperf3", "-c", link.address(link.receivers[-1]), "-C", "cubic", "-t", str(int(seconds + 60)),
                                "-J"], "iperf3-c")
    try:
        tcp_began = time.monotonic()
        time.sleep(ALONE_FIRST)
        transfer.send("auto")
        begin, end = transfer.began + SETTLE, transfer.began + seconds
        transfer.complete(end - time.monotonic())
        end = min(end, time.monotonic())
        samples = sampler.stop()
        ended = client.ended or server.ended
        result = {"series": series(samples, ["r1", "out"], transfer.began), "told": transfer.told(), "iperf3_ended_early": bool(ended),
                  "pause": longest_pause(samples),
                  "tcp_alone": rate_between(samples, "out", tcp_began + 1, transfer.began) / link.rate}
        # The receiver beside TCP's gets all multicast and none of TCP; both are counted behind the bottleneck.
        rmcp, both = (rate_between(samples, key, begin, end) for key in ("r1", "out"))
        result.update(rmcp=rmcp, other=both - rmcp, used=both / link.rate)
        return result
    finally:
        sampler.done.set()
        client.end()
        server.end()
        transfer.end()


def two_senders(bench, seconds):
    """A second session joins one that has had the link for three seconds."""
    link = bench.link
    length = int(link.rate / 8 * seconds)
    transfers = [Transfer(bench, length, 0, ["r1"]), Transfer(bench, length, 1, ["r2"])]
    sampler = Sampler(link)
    try:
        transfers[0].send("auto")
        time.sleep(ALONE_FIRST)
        transfers[1].send("auto")
        began = transfers[1].began
        begin, end = began + SETTLE, began + seconds
        while time.monotonic() < end and not any(receiver.ended for transfer in transfers for receiver in transfer.receivers):
            time.sleep(0.05)
        end = min(end, time.monotonic())
        samples = sampler.stop()
        done = [8 * (transfer.done_at(end) - transfer.done_at(begin)) / (end - begin) for transfer in transfers]
        return {"series": series(samples, ["s1", "s2", "out"], began), "told": [transfer.told() for transfer in transfers],
                "first": rate_between(samples, "s1", begin, end), "second": rate_between(samples, "s2", begin, end),
                "first_content": done[0], "second_content": done[1], "used": rate_between(samples, "out", begin, end) / link.rate,
                "seconds": end - begin, "pause": longest_pause(samples)}
    finally:
        sampler.done.set()
        for transfer in transfers:
            transfer.end()


def warm_for(bench, length):
    """Sources, and each receiver's file and chunk buffers."""
    warm(int(min(length * (len(bench.link.receivers) + 1) + 128 * MIB * len(bench.link.receivers), 0.8 * available_memory())))
