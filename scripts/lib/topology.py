"""Networks of several subnets, made of network namespaces: hosts, switches, routers that really route multicast.

Used by scripts/lab-tree. Nothing is ever added to the host's own namespace.
"""
import os
import subprocess
import time
from dataclasses import dataclass, field

GROUP = "239.255.76.27"
# The region of a repair node that serves subnets behind another router: that router must know the group.
WIDE_REGION = "239.255.77.101"

# Before the first interface: with IPv6 off it sends nothing of its own, so that counters hold only what was sent.
HOST = "for scope in all default; do echo 1 >/proc/sys/net/ipv6/conf/$scope/disable_ipv6; done 2>/dev/null || true\n"
# A router gets a group's packets from a sender that it may have another way back to.
ROUTER = """
echo 1 >/proc/sys/net/ipv4/ip_forward
for scope in all default; do
  echo 0 >/proc/sys/net/ipv4/conf/$scope/rp_filter
  echo 0 >/proc/sys/net/ipv4/conf/$scope/send_redirects
done
"""


class TopologyError(Exception):
    pass


def shell(*command):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, capture_output=True)
    if result.returncode != 0:
        raise TopologyError(f"{' '.join(command)}: {result.stderr.strip() or result.returncode}")
    return result.stdout


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Network:
    """Makes namespaces and what connects them, starts processes inside, and removes all of it."""

    SWITCHES = "w"  # One namespace holds all bridges, so that no host sees another subnet's.

    def __init__(self, directory):
        self.directory = directory
        self.prefix = f"lt{os.getpid()}"
        while os.path.exists(f"/run/netns/{self.prefix}-{self.SWITCHES}"):
            self.prefix += "x"  # Left by one with this number that was killed.
        self.namespaces = []
        self.processes = []

    # -- making

    def host(self, name, routes=False):
        namespace = f"{self.prefix}-{name}"
        self.namespaces.append(namespace)  # First: an interruption in between leaves nothing behind.
        shell("ip", "netns", "add", namespace)
        self.inside(name, HOST + "ip link set lo up\n" + (ROUTER if routes else ""))

    def switch(self, name):
        # Without snooping it floods multicast, as a plain switch does; without a forward delay at once.
        self.inside(self.SWITCHES, f"ip link add {name} type bridge mcast_snooping 0 stp_state 0 forward_delay 0\n"
                                   f"ip link set dev {name} up")

    def cable(self, host, device, address, other, other_device, other_address):
        shell("ip", "link", "add", "name", device, "netns", f"{self.prefix}-{host}", "type", "veth",
              "peer", "name", other_device, "netns", f"{self.prefix}-{other}")
        for end, name, its_address in ((host, device, address), (other, other_device, other_address)):
            # Segmentation batches are cut into packets here, so that each is counted, routed and lost by itself.
            self.inside(end, f"ethtool -K {name} tx-udp-segmentation off gso off gro off >/dev/null\n"
                             f"ip link set dev {name} up\n"
                             + (f"ip address add {its_address} dev {name}\n" if its_address else ""))

    def plug(self, host, device, address, switch):
        port = f"{host}_{device}"
        self.cable(host, device, address, self.SWITCHES, port, None)
        self.inside(self.SWITCHES, f"ip link set dev {port} master {switch}")

    def route(self, host, destination, via):
        self.inside(host, f"ip route add {destination} via {via}")

    def lose(self, host, percent, *match):
        """Loses UDP datagrams at random: all that come in, or what a router forwards and `match` describes."""
        if percent > 0:
            chain = "FORWARD" if match else "INPUT"
            self.inside(host, f"iptables -w -A {chain} {' '.join(match)} -p udp "
                              f"-m statistic --mode random --probability {percent / 100:.6f} -j DROP")

    def lose_on_link(self, router, device, percent):
        for direction in ("-o", "-i"):
            self.lose(router, percent, direction, device)

    def route_multicast(self, router, routes):
        """Runs smcroute in a router: `routes` are (incoming interface, group, outgoing interfaces)."""
        devices = sorted({device for incoming, _, outgoing in routes for device in (incoming, *outgoing)})
        lines = [f"phyint {device} enable ttl-threshold 1" for device in devices]
        for incoming, group, outgoing in routes:
            # The membership is for switches that snoop; the one here floods.
            lines.append(f"mgroup from {incoming} group {group}")
            lines.append(f"mroute from {incoming} group {group} to {' '.join(outgoing)}")
        base = f"{self.directory}/{router}"
        with open(f"{base}.conf", "w") as file:
            file.write("\n".join(lines) + "\n")
        # -N: no interface but these. One that runs for the whole machine shares neither names nor files with it.
        daemon = self.start(router, ["smcrouted", "-n", "-N", "-i", f"{self.prefix}-{router}", "-f", f"{base}.conf",
                                     "-P", f"{base}.pid", "-u", f"{base}.sock"], f"{base}.smcroute.log")

        def interfaces():
            try:
                with open(f"/proc/{daemon.pid}/net/ip_mr_vif") as file:
                    return sum(1 for _ in file) - 1
            except OSError:
                return 0

        if not wait_until(lambda: daemon.poll() is not None or interfaces() == len(devices), 5) or daemon.poll() is not None:
            with open(f"{base}.smcroute.log") as file:
                raise TopologyError(f"smcrouted did not start in {router}: {file.read().strip()}")

    def count_multicast(self, host, device):
        self.inside(host, f"iptables -w -t mangle -A POSTROUTING -o {device} -p udp -d 224.0.0.0/4")

    # -- using

    def inside(self, host, script):
        return shell("ip", "netns", "exec", f"{self.prefix}-{host}", "sh", "-e", "-c", script)

    def start(self, host, command, log, environment=None):
        with open(log, "wb") as output:
            # A session of its own: an interruption from the terminal is for this script, which ends them in order.
            process = subprocess.Popen(["ip", "netns", "exec", f"{self.prefix}-{host}", *command], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        self.processes.append(process)
        return process

    def counters(self, host, device):
        """Bytes that an interface has sent and taken, Ethernet headers included."""
        statistics = f"/sys/class/net/{device}/statistics"
        return [int(text) for text in self.inside(host, f"cat {statistics}/tx_bytes {statistics}/rx_bytes").split()]

    def multicast(self, host, device):
        """Bytes of routed multicast that left by an interface on which they are counted."""
        for line in self.inside(host, "iptables -w -t mangle -nvxL POSTROUTING").splitlines():
            if f" {device} " in line:
                return int(line.split()[1])
        return 0

    def ping(self, host, address):
        """Whether unicast gets there and back; several tries, since the first waits for address resolution."""
        command = ["ip", "netns", "exec", f"{self.prefix}-{host}", "ping", "-q", "-c", "1", "-W", "1", address]
        return any(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0 for _ in range(3))

    # -- removing

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        wait_until(lambda: all(process.poll() is not None for process in self.processes), 2)
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for namespace in self.namespaces:
            # Whatever else runs inside would keep the namespace alive, with the links in it.
            pids = subprocess.run(["ip", "netns", "pids", namespace], text=True, capture_output=True).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


@dataclass
class Link:
    """A link as the report shows it: `device` at `host` is the end that transmits away from the sender."""

    label: str
    host: str
    device: str
    receivers: list = field(default_factory=list)
    node: str = None
    below: list = field(default_factory=list)

    def all(self):
        yield self
        for link in self.below:
            yield from link.all()


class Topology:
    """What all have: a sender `s`, subnets with a repair node and receivers, and a tree of links to count on.

    Subnet K is 10.78.K.0/24: its router's address ends in 254, its repair node's in 1, its receiver I's in I + 10.
    """

    def __init__(self, network, receivers, loss, inner_loss, repair):
        self.network, self.count, self.loss, self.inner_loss, self.repair = network, receivers, loss, inner_loss, repair
        self.nodes = {}  # name: options of its own for `rmcp repair`
        self.addresses = {}
        self.root = None
        network.host(network.SWITCHES)
        self.build()
        for link in self.root.all():
            if link is not self.root:
                network.count_multicast(link.host, link.device)
        self.unreached = [name for name, address in self.addresses.items() if not network.ping("s", address)]

    def build(self):
        raise NotImplementedError

    def receivers(self):
        return [name for link in self.root.all() for name in link.receivers]

    def children(self, node):
        """Whoever a repair node is the nearest to."""
        links = [link for link in self.root.all() if link.node == node]
        return [name for link in links for name in link.receivers + [below.node for below in link.below if below.node]]

    def member(self, name, address, switch, gateway):
        self.network.host(name)
        self.network.plug(name, "eth0", f"{address}/24", switch)
        self.network.route(name, "default", gateway)
        self.addresses[name] = address

    def node(self, name, number, *options):
        self.member(name, f"10.78.{number}.1", f"sub{number}", f"10.78.{number}.254")
        if self.repair:
            self.nodes[name] = list(options)
            return name

    def add_receivers(self, number, count):
        names = [f"r{number}-{index + 1}" for index in range(count)]
        for index, name in enumerate(names):
            self.member(name, f"10.78.{number}.{index + 11}", f"sub{number}", f"10.78.{number}.254")
            self.network.lose(name, self.loss)
        return names

    def lan(self, router, number):
        self.network.switch(f"sub{number}")
        self.network.plug(router, f"sub{number}", f"10.78.{number}.254/24", f"sub{number}")

    def subnet(self, label, router, number):
        """A subnet behind a router, with a repair node and receivers."""
        self.lan(router, number)
        self.network.lose_on_link(router, f"sub{number}", self.inner_loss)
        node = self.node(f"n{number}", number)
        return Link(label, router, f"sub{number}", self.add_receivers(number, self.count), node)

    def sender_behind(self, router):
        self.network.host("s")
        self.network.host(router, routes=True)
        self.network.cable("s", "eth0", "10.78.0.1/24", router, "up", "10.78.0.254/24")
        self.network.route("s", "default", "10.78.0.254")


class Routed(Topology):
    """The sender on a link of its own, a router, and three subnets that it forwards the group into."""

    def build(self):
        self.sender_behind("x")
        self.root = Link("router", "s", "eth0")
        for number in (1, 2, 3):
            self.root.below.append(self.subnet(f"subnet {number}", "x", number))
        self.network.route_multicast("x", [("up", GROUP, ["sub1", "sub2", "sub3"])])


class TwoLevels(Topology):
    """A repair node right behind the router, and behind it a second router with two subnets that have their own."""

    def build(self):
        network = self.network
        self.sender_behind("x1")
        self.lan("x1", 1)
        network.lose_on_link("x1", "sub1", self.inner_loss)
        network.host("x2", routes=True)
        network.plug("x2", "up", "10.78.1.253/24", "sub1")
        network.route("x2", "default", "10.78.1.254")
        # Its children are behind one more router, so its region reaches across that one.
        region = Link("region A", "x1", "sub1", node=self.node("n1", 1, "--region", WIDE_REGION, "--region-ttl", "2"))
        for number in (2, 3):
            for host, via in (("x1", "10.78.1.253"), ("n1", "10.78.1.253")):
                network.route(host, f"10.78.{number}.0/24", via)
            region.below.append(self.subnet(f"subnet {number}", "x2", number))
        self.root = Link("router 1", "s", "eth0", below=[region])
        network.route_multicast("x1", [("up", GROUP, ["sub1"])])
        network.route_multicast("x2", [("up", group, ["sub2", "sub3"]) for group in (GROUP, WIDE_REGION)])


class Sites(Topology):
    """Two sites, joined by a link that no multicast crosses: no router forwards it, whatever its time to live."""

    def build(self):
        network = self.network
        for site, router in ((1, "x1"), (2, "x2")):
            network.host(router, routes=True)
            self.lan(router, site)
        network.cable("x1", "link", "10.78.0.1/24", "x2", "link", "10.78.0.2/24")
        network.lose_on_link("x1", "link", self.inner_loss)
        network.route("x1", "default", "10.78.0.2")
        network.route("x2", "default", "10.78.0.1")
        self.member("s", "10.78.1.1", "sub1", "10.78.1.254")
        del self.addresses["s"]
        near = self.add_receivers(1, max(1, self.count // 2))
        link = Link("link", "x1", "link")
        # Without the node nothing reaches its site: then there is nobody to send to.
        node = self.node("n2", 2, "--upstream", "10.78.1.1")
        far = self.add_receivers(2, self.count)
        link.below.append(Link("site 2", "x2", "sub2", far if self.repair else [], node))
        self.root = Link("site 1", "s", "eth0", near, below=[link])
