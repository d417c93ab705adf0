"""What is measured: each case by its name, and the selections that --all and --quick take."""
from dataclasses import dataclass, replace

PEERS = ("rmcp", "uftp", "udpcast")
ALL = PEERS + ("blast-store", "blast")
ON_LINK = ("rmcp", "rmcp-rate") + ALL[1:]


@dataclass(frozen=True)
class Case:
    name: str
    size: int  # MiB
    receivers: int = 4
    loss: float = 0  # per cent, at each receiver
    rate: int = None  # bit/s, of the sender's link
    wire: str = "whole"
    mtu: int = 1500
    content: str = "random"
    disk: bool = False
    tools: tuple = ALL
    rounds: int = 3
    limit: float = 60  # seconds for one run

    @property
    def nodes(self):
        """Of the laboratory, besides the sender: a repair node has one of its own."""
        return self.receivers + ("rmcp-repair" in self.tools)

    def title(self):
        parts = [f"{self.size} MiB of {'a tar of /usr' if self.content == 'image' else 'random bytes'}",
                 f"{self.receivers} receiver" + ("s" if self.receivers != 1 else "")]
        if self.loss:
            parts.append(f"{self.loss:g} % loss")
        if self.rate:
            parts.append(f"link of {self.rate / 1e9:g} Gb/s" if self.rate >= 1e9 else f"link of {self.rate / 1e6:g} Mb/s")
        if self.mtu != 1500:
            parts.append(f"MTU {self.mtu}")
        parts.append({"whole": "batches whole", "split": "single packets", "gro": "single packets, interface GRO"}[self.wire])
        if self.disk:
            parts.append("receivers' files on disk")
        return ", ".join(parts)


# Files are sized so that what all receivers hold fits into memory, and so that peers need tens of seconds at most.
CASES = [
    Case("receivers-1", 512, receivers=1, rounds=5, tools=ALL + ("blast-write",)),
    Case("receivers-4", 512, rounds=5, tools=ALL + ("blast-write",)),
    Case("receivers-16", 256, receivers=16),
    Case("receivers-64", 64, receivers=64, limit=90),
    Case("image", 1024, content="image"),
    Case("split", 512, wire="split"),
    Case("loss-0.1", 256, loss=0.1, wire="split", tools=PEERS),
    Case("loss-1", 256, loss=1, wire="split", tools=PEERS),
    Case("loss-5", 256, loss=5, wire="split", tools=PEERS),
    Case("loss-1-receivers-16", 128, receivers=16, loss=1, wire="split", tools=PEERS),
    Case("gro", 512, wire="gro"),
    Case("jumbo", 512, wire="split", mtu=9000, tools=("rmcp", "rmcp-ordinary", "uftp", "udpcast")),
    Case("link-1G", 512, rate=1_000_000_000, tools=ON_LINK),
    Case("link-100M", 64, rate=100_000_000, tools=ON_LINK),
    Case("disk", 512, disk=True),
    Case("sealed", 512, tools=("rmcp", "rmcp-sealed"), wire="split", rounds=5),
    Case("sealed-1", 512, receivers=1, tools=("rmcp", "rmcp-sealed"), rounds=5),
    Case("sealed-image", 1024, content="image", tools=("rmcp", "rmcp-sealed")),
    Case("sealed-link-1G", 512, rate=1_000_000_000, tools=("rmcp", "rmcp-sealed")),
    Case("repair", 256, tools=("rmcp", "rmcp-repair"), wire="split"),
    Case("repair-loss-1", 256, loss=1, tools=("rmcp", "rmcp-repair"), wire="split"),
]
BY_NAME = {case.name: case for case in CASES}

# One round of what says most, small.
QUICK = [replace(BY_NAME[name], rounds=1, size=size, limit=30) for name, size in (
    ("receivers-1", 256), ("receivers-4", 256), ("loss-1", 128), ("link-1G", 128), ("repair-loss-1", 64))]


def expected_transmissions(receivers, loss):
    """E[M]: how often a packet must be sent until each of R receivers, who lose it independently with probability p, has
    it, with ideal feedback: the sum over m >= 0 of 1 - (1 - p^m)^R."""
    total, power = 0.0, 1.0
    while True:
        term = 1 - (1 - power) ** receivers
        total += term
        power *= loss
        if term < 1e-12:
            return total
