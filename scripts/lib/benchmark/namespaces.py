"""One sender and N receivers on a bridge, by scripts/lab, and what can be read of its wires from outside."""
import ctypes
import os
import socket
import subprocess
import threading
import time

from benchmark.machine import ROOT, shell

WIRES = {
    "whole": ([], "segmentation batches whole on the wire"),
    "split": (["--split"], "single packets on the wire"),
    "gro": (["--split", "--gro"], "single packets on the wire, put together by the receivers' interfaces"),
}
# tbf passes a batch of 64 KB whole only when its burst holds it; the queue is 50 ms besides. A sender of plain UDP
# carries 99.8 % of 1 Gb/s and 100 % of 100 Mb/s through it; bursts of 128 and 256 KB change nothing.
BURST = 70_000
QUEUE_SECONDS = 0.05


class Lab:
    def __init__(self, receivers, loss=0, wire="whole", rate=None, mtu=1500):
        self.name = f"bench{os.getpid() % 1000000}"
        self.receivers = [f"r{number + 1}" for number in range(receivers)]
        shell(f"{ROOT}/scripts/lab", "up", "--name", self.name, "--receivers", str(receivers), "--loss", str(loss), "--mtu", str(mtu), *WIRES[wire][0])
        try:
            if rate:
                shell("ip", "netns", "exec", f"{self.name}-s", "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", str(rate),
                      "burst", str(BURST), "limit", str(int(rate / 8 * QUEUE_SECONDS) + BURST))
            # The bridge's namespace stays readable by this process's number, without starting anything.
            self.holder = subprocess.Popen(["ip", "netns", "exec", f"{self.name}-b", "sleep", "infinity"], stdin=subprocess.DEVNULL)
            self.network = f"/proc/{self.holder.pid}/net"
            wait_until(lambda: "br0" in read(f"{self.network}/dev"), 5)
        except BaseException:
            self.down()
            raise

    def down(self):
        if holder := getattr(self, "holder", None):
            holder.kill()
            holder.wait()
        shell(f"{ROOT}/scripts/lab", "down", self.name)

    def namespace(self, node):
        return f"{self.name}-{node}"

    def link(self, node, state):
        shell(f"{ROOT}/scripts/lab", "link", self.name, node, state)

    def counters(self):
        """Of each node's end of its cable at the bridge: (bytes and packets from it, bytes and packets to it)."""
        result = {}
        for line in read(f"{self.network}/dev").splitlines()[2:]:
            name, values = line.split(":")
            fields = [int(text) for text in values.split()]
            result[name.strip()] = (fields[0], fields[1], fields[8], fields[9])
        return result


def read(path):
    with open(path) as file:
        return file.read()


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def has_joined(pid, group):
    """Whether somebody in the namespace of this process has joined the group."""
    word = "".join(f"{int(part):02X}" for part in reversed(group.split(".")))
    try:
        return word in read(f"/proc/{pid}/net/igmp")
    except OSError:
        return False


class FirstPackets(threading.Thread):
    """Notes when the first data packet leaves the sender, and when each receiver was first heard before that.

    It looks at all packets at the sender's port of the bridge, by AF_PACKET with the kernel's time stamps, and stops at
    the first data packet, so that it costs the transfer nothing.
    """

    SO_TIMESTAMPNS = 35
    OUTGOING = 4

    def __init__(self, lab, is_data, is_join):
        super().__init__(daemon=True)
        self.is_data, self.is_join = is_data, is_join
        self.first_data, self.joined, self.stopped = None, {}, threading.Event()
        opened = threading.Thread(target=self.open, args=(lab,))  # setns is for one thread, which then ends.
        opened.start()
        opened.join()
        self.start()

    def open(self, lab):
        descriptor = os.open(f"/run/netns/{lab.namespace('b')}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        os.close(descriptor)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind(("s", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, self.SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.2)

    def run(self):
        with self.socket:
            while not self.stopped.is_set() and self.first_data is None:
                try:
                    packet, control, _, address = self.socket.recvmsg(128, 256, socket.MSG_TRUNC)
                except TimeoutError:
                    continue
                if packet[12:14] == b"\x08\x00" and packet[23] == 17:
                    self.note(packet, self.stamp(control), address[2] == self.OUTGOING)

    def stamp(self, control):
        for _, kind, data in control:
            if kind == self.SO_TIMESTAMPNS:
                seconds = int.from_bytes(data[:8], "little") + int.from_bytes(data[8:16], "little") / 1e9
                return seconds - (time.time() - time.monotonic())
        return time.monotonic()

    def note(self, packet, moment, towards_sender):
        start = 14 + 4 * (packet[14] & 15)
        length = int.from_bytes(packet[start + 4:start + 6], "big") - 8
        payload = packet[start + 8:]
        if towards_sender:
            if self.is_join(payload):
                self.joined.setdefault(packet[26:30], moment)
        elif self.is_data(payload, length):
            self.first_data = moment

    def stop(self):
        self.stopped.set()
        self.join()
