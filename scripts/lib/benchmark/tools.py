"""The programs that are compared: how each is started at both ends, and by what one can tell how far it is."""
import json
import os
import subprocess

from benchmark.events import Events
from benchmark.namespaces import has_joined, wait_until

READY = 20  # seconds that a receiver may take until it listens


class Measured(Events):
    """A program in a node's namespace, below Tests/Benchmarks/reference/measure.c, which tells what it used."""

    def __init__(self, setup, lab, node, command):
        self.result = f"{setup.work}/{node}.usage"
        self.node = node
        if os.path.exists(self.result):
            os.unlink(self.result)
        super().__init__([setup.measure, self.result, lab.namespace(node)], command, setup.environment, f"{setup.work}/{node}.log")

    def usage(self):
        """What measure.c wrote; None when it was killed."""
        try:
            with open(self.result) as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def tail(self):
        with open(self.log.name, errors="replace") as file:
            # Into a cell of a table; programs with a progress line end lines by carriage returns.
            return " / ".join(file.read().replace("|", "/").split("\n")[-3:]).strip(" /")[-200:].split("\r")[-1].strip()


class Tool:
    """`name` and what it does to say: `whole_file` when receivers have a file that can be compared."""

    name = ""
    whole_file = True
    ends_itself = True  # receivers, when they have the file
    payload = None  # bytes of content in a full packet
    group = None  # that receivers join, where they do not say that they listen

    def helper(self, setup, directory):
        """A program at the laboratory's last node besides receivers; None when there is none."""
        return None

    def receiver(self, setup, case, directory):
        raise NotImplementedError

    def sender(self, setup, case, source):
        raise NotImplementedError

    def file(self, directory, source):
        return f"{directory}/{os.path.basename(source)}"

    def listens(self, process):
        if self.group:
            return wait_until(lambda: process.ended or has_joined(process.process.pid, self.group), READY) and not process.ended
        return process.wait_for("ready", READY) is not None

    def had_file(self, process):
        """When the receiver had the whole file; None when it has not."""
        usage = process.usage()
        return usage["ended"] if usage and usage["status"] == 0 else None

    def wait_for_file(self, process, seconds):
        process.wait(seconds)

    def is_data(self, payload, length):
        return length >= 1000

    def is_join(self, payload):
        return False


class Rmcp(Tool):
    name = "rmcp"
    payload = 1376

    def __init__(self, *options):
        self.options = options

    def receiver(self, setup, case, directory):
        return [setup.binary, "recv", "--json", "-i", "eth0", "-d", directory, "--once", "--allow-unsigned"]

    def sender(self, setup, case, source):
        return [setup.binary, "send", "--json", "-i", "eth0", "--wait-for", str(case.receivers), "--min-wait", "0s", *self.options,
                source]

    def listens(self, process):
        return process.wait_for("listening", READY) is not None

    def had_file(self, process):
        completed = process.first("completed")
        return completed and completed[0]

    def is_data(self, payload, length):
        return payload[:2] == b"RM" and payload[3] & 0x7F == 3

    def is_join(self, payload):
        return payload[:2] == b"RM" and payload[3] & 0x7F == 8  # a first STATUS


class RmcpAtRate(Rmcp):
    """Held to a limited link's rate by hand, as the peers are: what --rate counts leaves out Ethernet's headers."""

    name = "rmcp-rate"

    def sender(self, setup, case, source):
        return [*super().sender(setup, case, source)[:-1], "--rate", str(int(0.97 * case.rate)), source]


class RmcpOrdinary(Rmcp):
    """The same as it is where a router may be on the way: with datagrams for frames of 1500 bytes."""

    name = "rmcp-ordinary"

    def sender(self, setup, case, source):
        return [*super().sender(setup, case, source)[:-1], "--ttl", "2", source]


class RmcpWithRepair(Rmcp):
    """The same with a repair node, which is the laboratory's last node and no receiver."""

    name = "rmcp-repair"

    def helper(self, setup, directory):
        return [setup.binary, "repair", "--json", "-i", "eth0", "--cache", directory, "--allow-unsigned"]


class RmcpSealed(Rmcp):
    """The same, sealed for a group."""

    name = "rmcp-sealed"

    def group_key(self, setup):
        path = f"{setup.work}/group"
        if not os.path.exists(path):
            subprocess.run([setup.binary, "keygen", "--group", "-o", path], check=True, stderr=subprocess.DEVNULL)
        return ["--group-key", path]

    def receiver(self, setup, case, directory):
        return super().receiver(setup, case, directory) + self.group_key(setup)

    def sender(self, setup, case, source):
        return [*super().sender(setup, case, source)[:-1], *self.group_key(setup), source]


class Uftp(Tool):
    """At its fastest: no rate but a limited link's, blocks that fill a packet, and a list of receivers instead of a wait."""

    name = "uftp"
    ends_itself = False
    payload = 1440
    group = "230.4.4.1"

    def receiver(self, setup, case, directory):
        return ["uftpd", "-d", "-q", "-I", "eth0", "-D", directory, "-B", "8000000", "-F", "/dev/stdout"]

    def sender(self, setup, case, source):
        rate = str(case.rate // 1000) if case.rate else "-1"
        hosts = ",".join(f"0x0A4D{number + 2:04X}" for number in range(case.receivers))
        return ["uftp", "-R", rate, "-I", "eth0", "-B", "8000000", "-b", str(self.payload), "-H", hosts, "-q", source]

    def wait_for_file(self, process, seconds):
        process.wait_for("RESULT", seconds)

    def had_file(self, process):
        result = process.first("RESULT")
        return result[0] if result and "copied" in result[1]["line"] else None


class Udpcast(Tool):
    """At its fastest: full duplex, and its greeting often, without which it starts two seconds later."""

    name = "udpcast"
    payload = 1456
    group = "239.9.9.9"

    def receiver(self, setup, case, directory):
        return ["udp-receiver", "--nokbd", "--nosync", "-i", "eth0", "--mcast-rdv-address", self.group, "-f", f"{directory}/payload"]

    def sender(self, setup, case, source):
        rate = ["--max-bitrate", f"{case.rate // 1000}k"] if case.rate else []
        return ["udp-sender", "--nokbd", "--full-duplex", "-i", "eth0", "--min-receivers", str(case.receivers),
                "--mcast-rdv-address", self.group, "--rexmit-hello-interval", "100", *rate, "-f", source]


class Blast(Tool):
    """The reference limit: sends and counts, and repairs nothing."""

    name = "blast"
    whole_file = False
    hash = None

    def receiver(self, setup, case, directory):
        return [setup.blast, "receive", "--limit", "120"]

    def sender(self, setup, case, source):
        return [setup.blast, "send", "--receivers", str(case.receivers), "--bytes", str(os.path.getsize(source)), "--limit", "120"]

    def had_file(self, process):
        done = process.first("done")
        return done and done[1]["at"] or None


class BlastStore(Blast):
    """The same with a file at both ends, which the sender hashes, and receivers place, hash and write."""

    name = "blast-store"
    hash = "blake3"

    def receiver(self, setup, case, directory):
        return [setup.blast, "receive", "--limit", "120", "--store", f"{directory}/payload", "--hash", self.hash]

    def sender(self, setup, case, source):
        return [setup.blast, "send", "--receivers", str(case.receivers), "--file", source, "--limit", "120", "--hash", self.hash]


class BlastWrite(BlastStore):
    name = "blast-write"
    hash = "none"


TOOLS = {tool.name: tool for tool in (Rmcp, RmcpAtRate, RmcpOrdinary, RmcpWithRepair, RmcpSealed, Uftp, Udpcast, Blast, BlastStore, BlastWrite)}
