"""Birman's figure 2: some of the receivers are stopped for 100 ms at a time with a probability."""
import os
import random
import shutil
import signal
import statistics
import subprocess
import threading
import time

from benchmark.namespaces import Lab

LIMIT = 120  # seconds for one run
NAP = 0.1
RATE = "200M"


def healthy_seconds(setup, lab, source, sleepers, probability):
    """(median seconds of the receivers that are left alone, the last one's of all, whether all files are complete)."""
    chance = random.Random(7)
    nodes = lab.receivers
    start = lambda node, *command: subprocess.Popen(
        ["ip", "netns", "exec", lab.namespace(node), setup.binary, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=setup.environment)
    running = []
    for node in nodes:
        shutil.rmtree(f"{setup.work}/{node}", ignore_errors=True)
        os.mkdir(f"{setup.work}/{node}")
        running.append(start(node, "recv", "--json", "-i", "eth0", "-d", f"{setup.work}/{node}", "--once", "--allow-unsigned"))
    for process in running:
        process.stdout.readline()  # It says that it listens.
    began = time.monotonic()
    sender = start("s", "send", "--json", "-i", "eth0", "--rate", RATE, "--wait-for", str(len(nodes)), "--min-wait", "500ms", source)
    while b'"started"' not in (line := sender.stdout.readline()) and line:
        continue
    done = {}

    def watch(index):
        running[index].communicate()
        done[index] = time.monotonic() - began

    threading.Thread(target=sender.communicate, daemon=True).start()
    watchers = [threading.Thread(target=watch, args=(index,)) for index in range(len(nodes))]
    for watcher in watchers:
        watcher.start()
    try:
        while len(done) < len(nodes) and time.monotonic() < began + LIMIT:
            asleep = [index for index in range(sleepers) if index not in done and chance.random() < probability]
            for index in asleep:
                running[index].send_signal(signal.SIGSTOP)
            time.sleep(NAP)
            for index in asleep:
                running[index].send_signal(signal.SIGCONT)
    finally:
        for process in (*running, sender):
            if process.poll() is None and len(done) < len(nodes):
                process.kill()
        for watcher in watchers:
            watcher.join()
        sender.wait()
    name = os.path.basename(source)
    complete = all(subprocess.run(["cmp", "-s", source, f"{setup.work}/{node}/{name}"]).returncode == 0 for node in nodes)
    return statistics.median(done[index] for index in range(sleepers, len(nodes))), max(done.values()), complete


def measure(setup, source, receivers, counts, probabilities, rounds, say):
    lab = Lab(receivers)
    rows, base = [], None
    try:
        for count in counts:
            for probability in probabilities:
                runs = [healthy_seconds(setup, lab, source, count, probability) for _ in range(rounds)]
                seconds = statistics.median(run[0] for run in runs)
                base = base or seconds
                rows.append({"asleep": count, "probability": probability, "healthy": seconds, "of_undisturbed": base / seconds,
                             "last": statistics.median(run[1] for run in runs), "complete": all(run[2] for run in runs), "runs": runs})
                say(f"{count} asleep with probability {probability}: {seconds:.2f} s")
    finally:
        lab.down()
    return rows


def table(rows):
    lines = ["| asleep | probability | healthy ones' seconds | of the undisturbed rate | last of all, seconds | all complete |",
             "|---" * 6 + "|"]
    for row in rows:
        lines.append(f"| {row['asleep']} | {row['probability']} | {row['healthy']:.2f} | {100 * row['of_undisturbed']:.1f} % | "
                     f"{row['last']:.2f} | {row['complete']} |")
    return lines
