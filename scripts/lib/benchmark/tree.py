"""20,000 files of 10 KiB beside one file of as many bytes: what it costs to send a directory, and what others take for it.

A C program (Tests/Benchmarks/reference/files.c) reads and makes the same files and sends nothing. What it takes more for the directory than
for the file is the kernel's, and nobody takes less.
"""
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
from dataclasses import replace

from benchmark.cases import Case
from benchmark.machine import FreshDisk, MIB, random_file, warm
from benchmark.namespaces import read, wait_until
from benchmark.tools import READY, Rmcp, Udpcast
from benchmark.transfer import Failed, Run

FILES, LENGTH, IN_DIRECTORY = 20_000, 10 << 10, 200
CASE = Case("tree", FILES * LENGTH // MIB, tools=("file", "rmcp", "one-made", "made", "udpcast", "rsync"), limit=180)
FLUSHED = 32  # MiB of small files from one syncfs(2) to the next: rmcp's own step, EarlyFlush.swift


class TarUdpcast(Udpcast):
    """An archive made on the way, and taken apart on the way."""

    def receiver(self, setup, case, directory):
        receive = super().receiver(setup, case, directory)[:-2]
        return ["bash", "-o", "pipefail", "-c", f"{shlex.join(receive)} | tar -C {directory} -xf -"]

    def sender(self, setup, case, source):
        send = super().sender(setup, case, source)[:-2]
        parent, name = os.path.split(source)
        return ["bash", "-o", "pipefail", "-c", f"tar -C {parent} -cf - {name} | {shlex.join(send)}"]


class Rsync(Rmcp):
    """To each receiver in turn, as rsync does it: a copy each leaves the sender."""

    name = "rsync"
    ends_itself = False
    port = 873

    def receiver(self, setup, case, directory):
        configuration = f"{directory}.conf"
        with open(configuration, "w") as file:
            file.write(f"use chroot = no\nuid = 0\ngid = 0\n[t]\npath = {directory}\nread only = no\n")
        return ["rsync", "--daemon", "--no-detach", "--config", configuration]

    def sender(self, setup, case, source):
        # scripts/lab numbers receivers from 10.77.0.2 on.
        copies = [f"rsync -a {source} rsync://10.77.0.{number + 2}/t/" for number in range(case.receivers)]
        return ["bash", "-c", " && ".join(copies)]

    def listens(self, process):
        listening = f":{self.port:04X} 00000000:0000 0A"

        def is_there():
            return process.ended or any(listening in read(f"/proc/{process.process.pid}/net/{table}") for table in ("tcp", "tcp6"))

        return wait_until(is_there, READY) and not process.ended

    def wait_for_file(self, process, seconds):
        pass


TOOLS = {"file": Rmcp, "rmcp": Rmcp, "udpcast": TarUdpcast, "rsync": Rsync}
WHAT = {"file": "rmcp, one file", "rmcp": "rmcp, 20,000 files", "one-made": "one file made by a C program",
        "made": "20,000 files made by a C program", "udpcast": "tar c into udp-sender", "rsync": "rsync -a to each in turn"}
ONE = {"made": "one-made"}  # what a tool's one file is; of the others it is rmcp's


def make(work):
    """The file, and the directory."""
    file, tree = f"{work}/payload", f"{work}/tree"
    random_file(file, FILES * LENGTH)
    shutil.rmtree(tree, ignore_errors=True)
    for first in range(0, FILES, IN_DIRECTORY):
        os.makedirs(f"{tree}/d{first // IN_DIRECTORY}")
        for number in range(first, first + IN_DIRECTORY):
            with open(f"{tree}/d{first // IN_DIRECTORY}/f{number}", "wb") as small:
                small.write(os.urandom(LENGTH))
    return file, tree


def made(program, setup, case, source):
    """Seconds, and seconds of processors, until the C program has made the source as often as there are receivers."""
    parent = setup.disk if case.disk else setup.work
    places = [f"{parent}/m{number}" for number in range(case.receivers)]
    try:
        for place in places:
            os.mkdir(place)
        warm(memory_of(case))
        done = subprocess.run([program, source, str(FLUSHED), *places], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=case.limit)
        if done.returncode != 0:
            raise Failed(done.stderr.strip() or f"its exit code is {done.returncode}")
        took = json.loads(done.stdout)
        return took["seconds"], took["cpu"]
    except subprocess.TimeoutExpired:
        raise Failed(f"not done within {case.limit:g} s") from None
    finally:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)


def memory_of(case):
    """Bytes that a run touches."""
    return (case.receivers + 1) * 2 * CASE.size * MIB


def sent(name, case, setup, lab, source):
    """Seconds from the sender's start until the last receiver has everything, and those of processors, at both ends."""
    tool = TOOLS[name]()
    run = Run(tool, case, setup, lab, source, memory_of(case))
    try:
        run.start_receivers()
        run.send()
        if not tool.ends_itself:
            for process in run.receivers.values():
                process.process.terminate()
        for process in run.receivers.values():
            process.wait(10)
        if run.status != 0:
            raise Failed(f"the sender's exit code is {run.status}: {run.sender.tail()}")
        ends = [tool.had_file(process) for process in run.receivers.values()] if tool.ends_itself else [run.sender.usage()["ended"]]
        if None in ends:
            raise Failed(f"{ends.count(None)} receivers have not everything")
        for node in run.nodes:
            if subprocess.run(["diff", "-rq", source, tool.file(run.directory(node), source)], stdout=subprocess.DEVNULL).returncode != 0:
                raise Failed(f"what {node} has differs")
        usages = [process.usage() for process in (run.sender, *run.receivers.values())]
        return max(ends) - run.began, sum(usage["user"] + usage["system"] for usage in usages if usage)
    finally:
        run.end()
        run.remove_files()


def once(name, case, setup, lab, sources, program):
    """The two figures of one run; raises Failed."""
    file, tree = sources
    if name in TOOLS:
        return sent(name, case, setup, lab, file if name == "file" else tree)
    return made(program, setup, case, file if name == "one-made" else tree)


def measure(setup, lab_of, program, options, busy, say):
    """A row for each place, number of receivers and tool. `program` is the one in C."""
    sources = make(setup.work)
    rows = []
    for receivers in [options.receivers] if options.receivers else [1, 4]:
        lab = lab_of(receivers)
        try:
            for disk in (False, True) if setup.disk else (False,):
                case = replace(CASE, receivers=receivers, disk=disk, limit=options.limit or CASE.limit)
                rows += measure_place(case, setup, lab, sources, program, options.rounds or 3, busy, say)
        finally:
            lab.down()
    return rows


def measure_place(case, setup, lab, sources, program, rounds, busy, say):
    figures = {name: [] for name in case.tools}
    failures = {}
    for number in range(rounds):
        for name in random.Random(f"tree {number}").sample(case.tools, len(case.tools)):
            if name in failures:
                continue
            busy.look()
            try:
                if case.disk:
                    with FreshDisk(setup.disk, (case.receivers + 1) * 2 * FILES * LENGTH, (case.receivers + 1) * 2 * FILES) as place:
                        figures[name].append(once(name, case, replace(setup, disk=place), lab, sources, program))
                else:
                    figures[name].append(once(name, case, setup, lab, sources, program))
                say(f"tree, round {number + 1}: {name} {figures[name][-1][0]:.2f} s")
            except (Failed, subprocess.CalledProcessError) as failure:
                # Without loop devices there is no file system to write to.
                failures[name] = str(failure)
                say(f"tree, round {number + 1}: {name}: {failure}")
    return [{"receivers": case.receivers, "disk": case.disk, "tool": name, "seconds": [run[0] for run in figures[name]],
             "cpu": [run[1] for run in figures[name]], "failure": failures.get(name)} for name in case.tools]


def table(rows):
    """Beside one file: how often its time, and how many seconds more."""
    lines = ["| receivers | on | what | seconds | processors, s | times one file | seconds more than one file |", "|---:|---|---|---:|---:|---:|---:|"]
    for row in rows:
        one = next(other for other in rows if other["tool"] == ONE.get(row["tool"], "file") and all(other[key] == row[key] for key in ("receivers", "disk")))
        times = more = cpu = ""
        seconds = row["failure"]
        if row["seconds"]:
            median, cpu = statistics.median(row["seconds"]), f"{statistics.median(row['cpu']):.2f}"
            seconds = f"{median:.2f} ({min(row['seconds']):.2f}...{max(row['seconds']):.2f})"
            if one["seconds"] and row["tool"] not in ("file", "one-made"):
                less = statistics.median(one["seconds"])
                times, more = f"{median / less:.2f}", f"{median - less:.2f}"
        lines.append(f"| {row['receivers']} | {'ext4' if row['disk'] else 'memory'} | {WHAT[row['tool']]} | {seconds} | {cpu} | {times} | {more} |")
    return lines
