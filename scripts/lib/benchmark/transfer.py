"""One run of one tool in one case: starts both ends, waits, compares what arrived, and tells what it took."""
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass

from benchmark.machine import cpu_times, warm
from benchmark.namespaces import FirstPackets
from benchmark.tools import Blast, Measured, Rmcp

AFTER_SENDER = 15  # seconds that receivers may go on when the sender has ended


@dataclass
class Setup:
    """What all runs have in common: programs and places."""

    binary: str
    blast: str
    measure: str
    work: str  # in memory
    disk: str = None

    @property
    def environment(self):
        return dict(os.environ, HOME=self.work, XDG_CONFIG_HOME=f"{self.work}/.config")


class Failed(Exception):
    pass


class TooLong(Failed):
    pass


class Run:
    def __init__(self, tool, case, setup, lab, source, memory=0):
        self.memory = memory  # bytes that the run may touch
        self.tool, self.case, self.setup, self.lab, self.source = tool, case, setup, lab, source
        self.nodes = lab.receivers[:case.receivers]
        self.receivers, self.sender, self.helper = {}, None, None

    def directory(self, node):
        return f"{self.setup.disk if self.case.disk else self.setup.work}/{node}"

    def start_helper(self):
        node = self.lab.receivers[-1]
        command = self.tool.helper(self.setup, self.directory(node))
        if not command:
            return
        shutil.rmtree(self.directory(node), ignore_errors=True)
        os.mkdir(self.directory(node))
        self.helper = Measured(self.setup, self.lab, node, command)
        if not self.tool.listens(self.helper):
            raise Failed(f"the repair node does not listen: {self.helper.tail()}")

    def start_receivers(self):
        self.start_helper()
        for node in self.nodes:
            shutil.rmtree(self.directory(node), ignore_errors=True)
            os.mkdir(self.directory(node))
            self.receivers[node] = Measured(self.setup, self.lab, node, self.tool.receiver(self.setup, self.case, self.directory(node)))
        for node, process in self.receivers.items():
            if not self.tool.listens(process):
                raise Failed(f"{node} does not listen: {process.tail()}")

    def send(self, on_progress=None, awaited=None):
        """Sends until the receivers that are awaited (all) have the file or the limit is reached.

        `on_progress` is asked every 10 ms until it says that it has seen enough.
        """
        # Not before receivers are ready: a host takes back what has been free for a second or two.
        warm(self.memory)
        self.before, self.cpu_before = self.lab.counters(), cpu_times()[0]
        self.began = time.monotonic()
        deadline = self.began + self.case.limit
        self.sender = Measured(self.setup, self.lab, "s", self.tool.sender(self.setup, self.case, self.source))
        while on_progress and time.monotonic() < deadline and not self.sender.ended and not on_progress(self):
            time.sleep(0.01)
        self.status = self.sender.wait(deadline - time.monotonic())
        deadline = min(deadline, time.monotonic() + AFTER_SENDER)
        for node in awaited or self.nodes:
            self.tool.wait_for_file(self.receivers[node], deadline - time.monotonic())
        self.cpu_after, self.after = cpu_times()[0], self.lab.counters()

    def end(self):
        for process in [self.sender, self.helper, *self.receivers.values()]:
            if process:
                process.end()

    def identical(self, node):
        path = self.tool.file(self.directory(node), self.source)
        return subprocess.run(["cmp", "-s", self.source, path], stdin=subprocess.DEVNULL).returncode == 0

    def figures(self):
        """What it took, or why it failed."""
        had = {node: self.tool.had_file(process) for node, process in self.receivers.items()}
        usages = [process.usage() for process in self.receivers.values()]
        if self.status is None:
            raise TooLong(f"not done within {self.case.limit:g} s{self.how_far()}")
        if self.status != 0:
            raise Failed(f"the sender's exit code is {self.status}: {self.sender.tail()}")
        without = [node for node in self.nodes if had[node] is None or not self.receivers[node].usage()]
        if without:
            process = self.receivers[without[0]]
            raise Failed(f"{len(without)} receivers do not have the file; {without[0]} ended with {process.process.returncode}: "
                         f"{process.tail()}")
        size = os.path.getsize(self.source)
        gigabytes = size / 1e9
        cpu = lambda usage: (usage["user"] + usage["system"]) / gigabytes
        sender = self.sender.usage()
        out, back = ([after - before for before, after in zip(self.before["s"], self.after["s"])][slice(*which)]
                     for which in ((0, 2), (2, 4)))
        result = {
            "seconds": max(had.values()) - self.began, "first": min(had.values()) - self.began,
            "sender_seconds": sender["ended"] - self.began, "out_bytes": out[0], "out_packets": out[1], "back_bytes": back[0],
            "back_packets": back[1], "copies": out[0] / size, "cpu_sender": cpu(sender),
            "cpu_receiver": statistics.median(cpu(usage) for usage in usages), "cpu_receiver_most": max(cpu(usage) for usage in usages),
            "cpu_machine": (self.cpu_after - self.cpu_before) / os.sysconf("SC_CLK_TCK") / gigabytes,
            "peak_sender": sender["peak_kib"] / 1024, "peak_receiver": max(usage["peak_kib"] for usage in usages) / 1024,
        }
        if isinstance(self.tool, Blast):
            # How often it waited in vain for word from the receivers, which would make it a poor limit.
            result["stalls"] = self.sender.first("sent")[1]["stalls"]
            done = [process.first("done")[1] for process in self.receivers.values()]
            result["lost"] = sum(event["lost"] for event in done) / max(1, sum(event["lost"] + event["packets"] for event in done))
        if isinstance(self.tool, Rmcp):
            self.note_rmcp(result)
        if self.tool.payload and self.case.wire != "whole":
            # Of single packets: those that left, control packets included, over those that the content fills.
            result["packet_copies"] = out[1] / (result.get("encoded", size) / self.tool.payload)
        # Nothing repairs the reference: what it lost is told, and cannot be the same.
        if self.tool.whole_file and not result.get("lost"):
            wrong = [node for node in self.nodes if not self.identical(node)]
            if wrong:
                raise Failed(f"the file differs at {' '.join(wrong)}")
        return result

    def how_far(self):
        """Of a run that did not end: what rmcp's sender said last."""
        progress = self.sender.last("progress")
        if not progress:
            return ""
        states = {state: count for state, count in progress[1]["receivers"].items() if count}
        return f"; {progress[1]['phase']}, {progress[1]['bytes_sent_once'] >> 20} MiB sent once, {states}"

    def note_rmcp(self, result):
        finished = self.sender.last("finished")
        if finished:
            result["encoded"] = finished[1]["encoded_bytes"]
            # Data on the wire by its own count, without headers below UDP, over the encoded bundle.
            result["wire_copies"] = finished[1]["wire_bytes"] / max(1, finished[1]["encoded_bytes"])

        if self.helper:
            node = self.lab.receivers[-1]
            result["helper_copies"] = (self.after[node][0] - self.before[node][0]) / os.path.getsize(self.source)
            self.helper.end()
            usage = self.helper.usage()
            if usage:
                result["cpu_helper"] = (usage["user"] + usage["system"]) / (os.path.getsize(self.source) / 1e9)
                result["peak_helper"] = usage["peak_kib"] / 1024

    def remove_files(self):
        for node in self.lab.receivers:
            shutil.rmtree(self.directory(node), ignore_errors=True)


def measure(tool, case, setup, lab, source, memory):
    """One run that may touch so many bytes; raises Failed."""
    run = Run(tool, case, setup, lab, source, memory)
    try:
        run.start_receivers()
        watch = FirstPackets(lab, tool.is_data, tool.is_join)
        try:
            run.send()
        finally:
            watch.stop()
        if not tool.ends_itself:
            for process in run.receivers.values():
                process.process.terminate()
        for process in run.receivers.values():
            process.wait(5)
        result = run.figures()
        if watch.first_data:
            result["first_data"] = watch.first_data - run.began
            joined = [moment for moment in watch.joined.values() if moment < watch.first_data]
            # From the last receiver's first STATUS at the sender's port, which meets --wait-for, to the first DATA.
            if len(joined) == case.receivers:
                result["startup"] = watch.first_data - max(joined)
        return result
    finally:
        run.end()
        run.remove_files()
