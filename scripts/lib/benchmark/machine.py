"""What every benchmark needs of this machine: packages, a binary, memory that has been touched, and an orderly end."""
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
MIB = 1 << 20
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def shell(*command, **options):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, text=True, capture_output=True, **options).stdout


def prepare(script, *groups):
    """Installs what these groups of scripts/lib/packages name, and returns rmcp's path (RMCP_BINARY, or built here)."""
    if os.geteuid() != 0:
        sys.exit(f"{script} needs root: it makes network namespaces")
    # A binary that is given needs no toolchain.
    groups += () if os.environ.get("RMCP_BINARY") else ("build",)
    install(script, *groups)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    build = subprocess.run(["bash", "-c", f". {ROOT}/scripts/lib/build && release_binary {ROOT}"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if build.returncode != 0:
        sys.exit(f"{script}: no binary to run")
    return build.stdout.strip().splitlines()[-1]


def install(script, *groups):
    if subprocess.run([f"{ROOT}/scripts/prepare", *groups], stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
        sys.exit(f"{script}: not everything that it needs is installed")


def exit_on_signals():
    """An end from outside takes the way through the finally clauses too."""
    for number in SIGNALS:
        signal.signal(number, lambda which, _: sys.exit(128 + which))


def ignore_signals():
    """For the way out: from here on only kill -9 interrupts."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def work_directory(name, parent="/dev/shm"):
    return tempfile.mkdtemp(prefix=f"rmcp-{name}.", dir=parent)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, which Python has no name for


def warm(length):
    """Touches as much memory as a run needs, just before it: on a virtual machine the first touch of a page is the host's time.

    A host may take back within seconds what is free. 512 MiB of a file took 1.6 s of the kernel's time to write then, and 0.2 s right after as
    much had been touched: whoever came behind a run that needs little had ten times the work of who came behind one that needs much.
    """
    if length == 0:
        return
    with mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(POPULATE_WRITE)


class FreshDisk:
    """A new ext4 file system in a file on the disk, as long as it is entered; its path.

    Directories of the machine's own file system are not alike: ext4 passes over inodes that were freed in the last minutes where it has no
    journal, and gives blocks back to the disk while the next run writes. Making 80,000 files took seven times as long after a removal.
    """

    BLOCK = 4 * MIB

    def __init__(self, directory, length, inodes):
        self.image, self.place, self.length, self.inodes, self.device = f"{directory}/image", f"{directory}/new", length, inodes, None
        os.makedirs(self.place, exist_ok=True)

    def make_image(self):
        """Blocks that were written once take no time to be found by the file system below."""
        # A mount namespace that was made meanwhile has the last one's file system mounted until it ends.
        if os.path.exists(self.image) and shell("losetup", "--associated", self.image):
            os.unlink(self.image)
        if not os.path.exists(self.image) or os.path.getsize(self.image) < self.length:
            shell("dd", "if=/dev/zero", f"of={self.image}", f"bs={self.BLOCK}", f"count={-(-self.length // self.BLOCK)}", "conv=fsync", "status=none")

    def __enter__(self):
        self.make_image()
        shell("mkfs.ext4", "-q", "-F", "-N", str(self.inodes), "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.image)
        try:
            # Direct, so that nothing is held in memory twice.
            self.device = shell("losetup", "--find", "--show", "--direct-io=on", self.image).strip()
            shell("mount", self.device, self.place)
        except BaseException:
            self.__exit__()
            raise
        os.sync()
        return self.place

    def __exit__(self, *_):
        subprocess.run(["umount", self.place], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def available_memory():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))


def random_file(path, length):
    with open(path, "wb", buffering=0) as file:
        while length > 0:
            length -= file.write(os.urandom(min(length, MIB)))


def cpu_times():
    """(used, all) of the processors so far, in ticks; what a hypervisor gave to others is neither used nor there."""
    with open("/proc/stat") as file:
        fields = [int(text) for text in file.readline().split()[1:9]]
    idle, stolen = fields[3] + fields[4], fields[7]
    return sum(fields) - idle - stolen, sum(fields) - stolen


def describe():
    """One line about where figures come from, for the head of a report."""
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024 // 1024
    return f"{os.cpu_count()} cores, {memory + 1} GiB, Linux {os.uname().release.split('-')[0]}"
