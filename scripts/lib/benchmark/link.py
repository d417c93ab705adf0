"""Two switches with one link between them, which all flows share: the bottleneck of scripts/bench-rate.

    s1 ─┐                          ┌─ r1
    s2 ─┴─ A ══ tbf at A's end ═══ B ─┴─ r2

The bottleneck is nobody's own interface, as in a real network: a sender learns of it by what does not arrive.
"""
import threading
import time

from topology import Network

# One millisecond at the link's rate, and never less than what one late wake-up costs: a timer that is 0.1 ms late
# would leave the link idle meanwhile.
BURST_SECONDS = 0.001
LEAST_BURST = 16_000


class SharedLink:
    def __init__(self, directory, rate, queue_seconds, receivers, loss, whole):
        self.rate, self.queue_seconds = rate, queue_seconds
        self.network = network = Network(directory)
        self.senders = ["s1", "s2"]
        self.receivers = [f"r{number + 1}" for number in range(max(receivers, 2))]
        network.host(network.SWITCHES)
        for switch in ("A", "B"):
            network.switch(switch)
        network.cable(network.SWITCHES, "ab", None, network.SWITCHES, "ba", None)
        network.inside(network.SWITCHES, "ip link set dev ab master A\nip link set dev ba master B\n")
        for index, host in enumerate(self.senders + self.receivers):
            network.host(host)
            network.plug(host, "eth0", f"10.79.{index // 250}.{index % 250 + 1}/16", "A" if host in self.senders else "B")
            network.inside(host, "ip route add 224.0.0.0/4 dev eth0\n")
            if host in self.receivers:
                network.lose(host, loss)
            elif whole:
                # Batches cross whole; the tbf cuts up those that its burst does not hold.
                network.inside(host, "ethtool -K eth0 gso on tx-udp-segmentation on >/dev/null\n")
        if rate:
            self.burst = max(LEAST_BURST, int(rate / 8 * BURST_SECONDS), 70_000 if whole else 0)
            limit = int(rate / 8 * queue_seconds) + self.burst
            network.inside(network.SWITCHES, f"tc qdisc add dev ab root tbf rate {rate} burst {self.burst} limit {limit}\n")
        # The counters of the switches' namespace, read without starting anything.
        holder = network.start(network.SWITCHES, ["sleep", "infinity"], f"{directory}/holder.log")
        self.counters_path = f"/proc/{holder.pid}/net/dev"
        # `ip netns exec` is in the namespace only after a moment.
        deadline = time.monotonic() + 5
        while "ab:" not in open(self.counters_path).read() and time.monotonic() < deadline:
            time.sleep(0.01)

    def address(self, host):
        index = (self.senders + self.receivers).index(host)
        return f"10.79.{index // 250}.{index % 250 + 1}"

    def close(self):
        self.network.close()

    def drops(self):
        """Packets that the bottleneck's queue had no room for."""
        text = self.network.inside(self.network.SWITCHES, "tc -s qdisc show dev ab")
        return int(text.split("dropped ")[1].split(",")[0])


class Sampler(threading.Thread):
    """Bytes at each switch's port every 50 ms: what the senders put in, what left the bottleneck, what receivers got."""

    INTERVAL = 0.05

    def __init__(self, link):
        super().__init__(daemon=True)
        self.link, self.samples, self.done = link, [], threading.Event()
        self.file = open(link.counters_path)
        self.start()

    def read(self):
        self.file.seek(0)
        now, ports = time.monotonic(), {}
        for line in self.file.read().splitlines()[2:]:
            name, values = line.split(":")
            fields = values.split()
            ports[name.strip()] = (int(fields[0]), int(fields[8]))  # received, transmitted
        sample = {"t": now, "out": ports["ab"][1]}
        for sender in self.link.senders:
            sample[sender] = ports[f"{sender}_eth0"][0]
        for receiver in self.link.receivers[:2]:
            sample[receiver] = ports[f"{receiver}_eth0"][1]
        return sample

    def run(self):
        due = time.monotonic()
        while not self.done.is_set():
            self.samples.append(self.read())
            due += self.INTERVAL
            self.done.wait(max(due - time.monotonic(), 0))

    def stop(self):
        self.done.set()
        self.join()
        self.samples.append(self.read())
        self.file.close()
        return self.samples
