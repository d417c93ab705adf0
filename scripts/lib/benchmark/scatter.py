"""What a receiver pays for copying payloads to their places, and would pay if the kernel put them there."""
import json
import subprocess

PAYLOADS = (1_376, 8_944)  # of ordinary and of jumbo frames
AREAS = (1, 4, 16, 64)  # MiB that places go through: what is used again soon is in a cache
ROUNDS = 25


def measure(program, options, busy, say):
    rows = []
    for payload in PAYLOADS:
        for area in AREAS:
            busy.look()
            command = [program, str(payload), str(area), str(options.rounds or ROUNDS)]
            done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=120)
            rows.append(json.loads(done.stdout))
            say(f"scatter: payloads of {payload} bytes in {area} MiB")
    return rows


def table(rows):
    lines = ["| payload, bytes | places in, MiB | left in the buffer, CPU s/GB | copied | scattered | scattered to copied |",
             "|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| {row['payload']} | {row['mebibytes']} | {row['left']:.3f} | {row['copied']:.3f} | {row['scattered']:.3f} | "
              f"{row['scattered'] / row['copied']:.2f} |" for row in rows]
    return lines
