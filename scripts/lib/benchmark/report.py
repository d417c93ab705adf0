"""Markdown tables out of the runs of scripts/bench."""
import statistics

from benchmark.cases import Case, expected_transmissions

COLUMNS = ("tool", "seconds to the last", "to the first", "MB/s", "bytes out / content", "packets out", "CPU s/GB sender", "receiver",
           "machine", "peak MiB sender", "receiver", "s to first data", "start-up, ms")


def middle(runs, key):
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def show(value, form):
    return "" if value is None else form.format(value)


def with_range(runs, key, form):
    values = [run[key] for run in runs]
    text = form.format(statistics.median(values))
    return text if len(values) < 2 else f"{text} ({form.format(min(values))}-{form.format(max(values))})"


def row(name, runs, size):
    cell = lambda key, form: show(middle(runs, key), form)
    startup = middle(runs, "startup")
    return "| " + " | ".join([
        name, with_range(runs, "seconds", "{:.2f}"), cell("first", "{:.2f}"), f"{size / 1e6 / middle(runs, 'seconds'):.0f}",
        cell("copies", "{:.3f}"), cell("out_packets", "{:.0f}"), cell("cpu_sender", "{:.2f}"), cell("cpu_receiver", "{:.2f}"),
        cell("cpu_machine", "{:.2f}"), cell("peak_sender", "{:.0f}"), cell("peak_receiver", "{:.0f}"), cell("first_data", "{:.2f}"),
        show(startup and 1000 * startup, "{:.1f}")]) + " |"


def case_lines(entry):
    """One case: its table, and what follows from it."""
    case = Case(**{**entry["case"], "tools": tuple(entry["case"]["tools"])})
    lines = [f"### {case.name}: {case.title()}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for name, result in entry["tools"].items():
        if result["runs"]:
            lines.append(row(name, result["runs"], entry["bytes"]))
        if result["failures"]:
            failed = f"{len(result['failures'])} of {len(result['failures']) + len(result['runs'])} failed: {result['failures'][0]}"
            lines.append(f"| {name} | {failed} |" + " |" * (len(COLUMNS) - 2))
    runs = {name: result["runs"] for name, result in entry["tools"].items() if result["runs"]}
    lines += [""] + [f"- {text}" for text in remarks(case, runs)]
    return lines


def remarks(case, runs):
    seconds = {name: middle(results, "seconds") for name, results in runs.items()}
    rmcp = seconds.get("rmcp")
    peers = [name for name in ("uftp", "udpcast") if name in seconds]
    if rmcp and peers:
        best = min(peers, key=seconds.get)
        yield f"rmcp is {seconds[best] / rmcp:.1f} times as fast as {best}"
        for end in ("sender", "receiver"):
            least = min(middle(runs[name], f"cpu_{end}") for name in peers)
            yield f"rmcp's CPU at the {end} is {middle(runs['rmcp'], f'cpu_{end}') / least:.2f} of the thriftier peer's"
    for name in ("blast-store", "blast-write", "blast"):
        if rmcp and name in seconds:
            yield f"rmcp reaches {100 * seconds[name] / rmcp:.0f} % of the speed of {name}"
    for name, results in runs.items():
        lost = middle(results, "lost")
        if lost:
            yield f"{name} lost {100 * lost:.2f} %, which nothing repairs"
    if case.rate:
        for name in ("rmcp", "rmcp-rate"):
            if name in runs:
                size = case.size * (1 << 20)
                cores = [middle(runs[name], f"cpu_{end}") * size / 1e9 / seconds[name] for end in ("sender", "receiver")]
                share = 100 * 8 * size / seconds[name] / case.rate
                yield (f"{name}: content at {share:.0f} % of the link's rate, with {cores[0]:.2f} of a core at the sender and "
                       f"{cores[1]:.2f} at a receiver")
    if case.loss:
        bound = expected_transmissions(case.receivers, case.loss / 100)
        yield (f"bound on copies, E[M] for {case.receivers} receivers: {bound:.3f}; "
               + "; ".join(f"{name} sends {text}" for name, text in copies(runs)))
        if middle(runs.get("rmcp", []), "packet_copies"):
            yield f"rmcp's packets are {middle(runs['rmcp'], 'packet_copies') / bound:.3f} of the bound"
    elif any("wire_copies" in run for run in runs.get("rmcp", [])):
        yield "; ".join(f"{name} sends {text}" for name, text in copies(runs) if name.startswith("rmcp"))
    if "rmcp-repair" in runs:
        results = runs["rmcp-repair"]
        if case.loss:
            yield f"bound on what the sender sends for the repair node alone: {expected_transmissions(1, case.loss / 100):.3f}"
        yield (f"with a repair node {middle(results, 'copies'):.3f} copies leave the sender and "
               f"{middle(results, 'helper_copies'):.3f} the repair node, which needs {show(middle(results, 'cpu_helper'), '{:.2f}')} CPU s/GB and "
               f"{show(middle(results, 'peak_helper'), '{:.0f}')} MiB")


def copies(runs):
    """How often each tool sends what it has to send: in packets, or rmcp's own count of bytes where batches cross whole."""
    for name, results in runs.items():
        if (packets := middle(results, "packet_copies")) is not None:
            yield name, f"{packets:.3f} packets for each that the content fills, control included"
        elif (own := middle(results, "wire_copies")) is not None:
            yield name, f"{own:.3f} bytes for each of the encoded bundle, its own headers (1.017) included"
