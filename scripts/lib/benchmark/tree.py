"""20,000 files of 10 KiB beside one file of as many bytes: what it costs to send a directory, and what others take for it."""
import os
import shlex
import shutil
import statistics
import subprocess
from dataclasses import replace

from benchmark.cases import Case
from benchmark.machine import MIB, random_file
from benchmark.namespaces import read, wait_until
from benchmark.tools import READY, Rmcp, Udpcast
from benchmark.transfer import Failed, Run

FILES, LENGTH, IN_DIRECTORY = 20_000, 10 << 10, 200
CASE = Case("tree", FILES * LENGTH // MIB, tools=("file", "rmcp", "udpcast", "rsync"), limit=180)


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
WHAT = {"file": "rmcp, one file", "rmcp": "rmcp, 20,000 files", "udpcast": "tar c into udp-sender", "rsync": "rsync -a to each in turn"}


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


def once(name, case, setup, lab, source):
    """Seconds from the sender's start until the last receiver has everything; raises Failed."""
    tool = TOOLS[name]()
    run = Run(tool, case, setup, lab, source)
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
        return max(ends) - run.began
    finally:
        run.end()
        run.remove_files()


def measure(setup, lab_of, options, busy, say):
    """A row for each place, number of receivers and tool."""
    file, tree = make(setup.work)
    rows = []
    for receivers in [options.receivers] if options.receivers else [1, 4]:
        lab = lab_of(receivers)
        try:
            for disk in (False, True) if setup.disk else (False,):
                case = replace(CASE, receivers=receivers, disk=disk, limit=options.limit or CASE.limit)
                times = {name: [] for name in case.tools}
                failures = {}
                for number in range(options.rounds or 3):
                    for name in case.tools:
                        if name in failures:
                            continue
                        busy.look()
                        try:
                            times[name].append(once(name, case, setup, lab, file if name == "file" else tree))
                            say(f"tree, round {number + 1}: {name} {times[name][-1]:.2f} s")
                        except Failed as failure:
                            failures[name] = str(failure)
                            say(f"tree, round {number + 1}: {name}: {failure}")
                rows += [{"receivers": receivers, "disk": disk, "tool": name, "seconds": times[name], "failure": failures.get(name)}
                         for name in case.tools]
        finally:
            lab.down()
    return rows


def table(rows):
    lines = ["| receivers | on | what | seconds | times one file |", "|---:|---|---|---:|---:|"]
    for row in rows:
        one = next(other for other in rows if other["tool"] == "file" and all(other[key] == row[key] for key in ("receivers", "disk")))
        median = statistics.median(row["seconds"]) if row["seconds"] else None
        seconds = f"{median:.2f} ({min(row['seconds']):.2f}...{max(row['seconds']):.2f})" if median else row["failure"]
        times = f"{median / statistics.median(one['seconds']):.2f}" if median and one["seconds"] else ""
        lines.append(f"| {row['receivers']} | {'disk' if row['disk'] else 'memory'} | {WHAT[row['tool']]} | {seconds} | {times} |")
    return lines
