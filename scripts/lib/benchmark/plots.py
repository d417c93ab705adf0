"""Draws what the benchmarks wrote as JSON. Debian's interpreter runs this file: another one does not see matplotlib.

As a module it only starts itself by that interpreter; as a program it takes a kind, a JSON file and a directory.
"""
import json
import os
import subprocess
import sys

COLOURS = {
    "rmcp": "#1f6fb4", "uftp": "#d9822b", "udpcast": "#7a9a3a", "blast": "#c9c9c9", "blast-store": "#7f7f7f", "blast-write": "#9c9c9c",
    "tcp": "#c0392b", "second": "#2aa198", "bound": "#333333",
}


def run(script, kind, path, directory):
    from benchmark import machine

    machine.install(f"scripts/{script}", "plot")
    os.makedirs(directory, exist_ok=True)
    return subprocess.run(["/usr/bin/python3", "-B", os.path.realpath(__file__), kind, os.path.realpath(path),
                           os.path.realpath(directory)], stdin=subprocess.DEVNULL).returncode


def pyplot():
    import matplotlib

    matplotlib.use("svg")
    # Text as text keeps the files small; fixed salt and no date keep them the same for the same figures.
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "rmcp", "font.family": "sans-serif", "font.size": 10, "axes.grid": True,
        "grid.color": "#e4e4e4", "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
        "legend.frameon": False, "figure.facecolor": "white", "savefig.bbox": "tight"})
    import matplotlib.pyplot as module

    return module


def save(figure, directory, name):
    figure.savefig(f"{directory}/{name}.svg", metadata={"Date": None})
    # For eyes that have no SVG at hand; not kept in the repository.
    if os.environ.get("RMCP_PLOT_PNG"):
        figure.savefig(f"{directory}/{name}.png", dpi=80)
    print(f"{directory}/{name}.svg")


# -- scripts/bench-rate


def smooth(rows, column, width=5):
    """(seconds, mean of `width` samples): fifty milliseconds each are mostly jitter."""
    values = [row[column] for row in rows]
    times = [row[0] for row in rows]
    middle = [sum(values[max(0, i - width + 1):i + 1]) / len(values[max(0, i - width + 1):i + 1]) for i in range(len(values))]
    return times, middle


def link_title(rate):
    if not rate:
        return "unlimited"
    return f"{rate / 1e9:g} Gb/s" if rate >= 1e9 else f"{rate / 1e6:g} Mb/s"


def rate_panel(axis, part, link, run):
    rate, series = link["rate"], run["series"]
    lines = {
        "alone": [(1, "sent", "#9cc3e4"), (2, "behind the bottleneck", COLOURS["rmcp"])],
        "tcp": [(1, "rmcp", COLOURS["rmcp"]), (2, "both", "#b9b9b9")],
        "two": [(1, "first rmcp", COLOURS["rmcp"]), (2, "second rmcp", COLOURS["second"]), (3, "link", "#b9b9b9")],
    }[part]
    if part == "tcp":
        times, rmcp = smooth(series, 1)
        both = smooth(series, 2)[1]
        axis.plot(times, [all_ - own for all_, own in zip(both, rmcp)], color=COLOURS["tcp"], linewidth=1.2, label="TCP")
    for column, label, colour in lines:
        axis.plot(*smooth(series, column), color=colour, linewidth=1.2, label=label)
    if rate:
        axis.axhline(rate / 1e6, color=COLOURS["bound"], linewidth=0.8, linestyle=":")
        axis.set_ylim(0, 1.25 * rate / 1e6)
    else:
        axis.set_ylim(bottom=0)
    best = link["results"].get("hand_set", {}).get("best")
    if part == "alone" and best:
        axis.axhline(0.9e-6 * best["on_link"], color=COLOURS["bound"], linewidth=0.8, linestyle="--", label="90 % of the best fixed")
    axis.set_title(f"{link_title(rate)}, " + {"alone": "alone", "tcp": "beside one TCP flow", "two": "two rmcp"}[part], fontsize=10)


def draw_rate(results, directory):
    plt = pyplot()
    for part in ("alone", "tcp", "two"):
        links = [link for link in results["links"] if link["results"].get(part)]
        if not links:
            continue
        columns = min(len(links), 2)
        rows = (len(links) + columns - 1) // columns
        figure, axes = plt.subplots(rows, columns, figsize=(4.6 * columns, 2.7 * rows), squeeze=False)
        flat = [axis for row in axes for axis in row]
        for axis, link in zip(flat, links):
            # The round in the middle, by what its content took or had.
            runs = sorted(link["results"][part], key=lambda run: run.get("goodput") or run.get("rmcp") or run.get("first") or 0)
            rate_panel(axis, part, link, runs[len(runs) // 2])
            axis.set_xlabel("seconds since the start")
            axis.set_ylabel("Mb/s")
        for axis in flat[len(links):]:
            axis.set_visible(False)
        flat[0].legend(fontsize=8, loc="lower right")
        figure.tight_layout()
        save(figure, directory, f"rate-{part}")


# -- scripts/bench

ORDER = ["rmcp", "uftp", "udpcast", "blast-store", "blast-write", "blast"]


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def by_name(results):
    return {entry["case"]["name"]: entry for entry in results["cases"]}


def runs_of(entry, tool):
    return entry["tools"].get(tool, {}).get("runs") or []


def grouped_bars(axis, groups, tools, value, unit):
    """Bars by tool for each group, medians with the range as a whisker; what is missing says so."""
    width = 0.8 / len(tools)
    for place, tool in enumerate(tools):
        for index, (_, entry) in enumerate(groups):
            x = index - 0.4 + width * (place + 0.5)
            values = [value(run, entry) for run in runs_of(entry, tool)]
            label = tool if index == 0 else None
            if not values:
                axis.text(x, axis.get_ylim()[0], "–", ha="center", va="bottom", fontsize=8)
                continue
            middle = median(values)
            axis.bar(x, middle, width * 0.92, color=COLOURS[tool], label=label,
                     yerr=[[middle - min(values)], [max(values) - middle]], error_kw={"elinewidth": 0.8, "capsize": 2})
            axis.annotate(f"{middle:.0f}" if middle >= 10 else f"{middle:.1f}" if middle >= 1 else f"{middle:.2f}", (x, max(values)),
                          ha="center", va="bottom", fontsize=7, xytext=(0, 2), textcoords="offset points")
    axis.set_xticks(range(len(groups)), [title for title, _ in groups])
    axis.set_ylabel(unit)
    axis.grid(False, axis="x")


def present(entries, tools):
    return [tool for tool in tools if any(runs_of(entry, tool) for _, entry in entries)]


def draw_speed(plt, cases, directory):
    groups = [(f"{entry['case']['receivers']} receiver" + ("s" if entry["case"]["receivers"] > 1 else "")
               + f"\n{entry['case']['size']} MiB", entry) for name, entry in cases.items() if name.startswith("receivers-")]
    if not groups:
        return
    figure, axis = plt.subplots(figsize=(9, 3.4))
    axis.set_yscale("log")  # The limit that only counts is a hundred times the slowest.
    tools = present(groups, ORDER)
    grouped_bars(axis, groups, tools, lambda run, entry: entry["bytes"] / 1e6 / run["seconds"], "MB/s of content, log scale")
    axis.set_title("To the last receiver, random bytes, no loss, batches whole on the wire", fontsize=10)
    axis.legend(ncols=len(tools), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17))
    save(figure, directory, "bench-speed")


def draw_cpu(plt, cases, directory):
    titles = {"receivers-4": "batches whole", "split": "single packets", "gro": "single packets,\ninterface GRO",
              "image": "a tar of /usr,\nbatches whole"}
    wires = [(title, cases[name]) for name, title in titles.items() if name in cases]
    if not wires:
        return
    tools = present(wires, [tool for tool in ORDER if tool not in ("blast", "blast-write")])
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), sharey=False)
    for axis, end in zip(axes, ("sender", "receiver")):
        grouped_bars(axis, wires, tools, lambda run, _: run[f"cpu_{end}"], "CPU seconds per GB of content")
        axis.set_title(f"at the {end}, 4 receivers", fontsize=10)
        axis.tick_params(axis="x", labelsize=8)
    axes[0].legend(ncols=len(tools), fontsize=8, loc="upper center", bbox_to_anchor=(1.1, -0.22))
    save(figure, directory, "bench-cpu")


def draw_copies(plt, cases, directory):
    from cases import expected_transmissions

    lossy = [entry for name, entry in cases.items() if name.startswith("loss-") and entry["case"]["receivers"] == 4]
    if not lossy:
        return
    lossy = ([cases["split"]] if "split" in cases else []) + lossy
    figure, axis = plt.subplots(figsize=(5.4, 3.4))
    fine = [step / 1000 for step in range(0, 56)]
    axis.plot([100 * loss for loss in fine], [expected_transmissions(4, loss) for loss in fine], color=COLOURS["bound"],
              linestyle="--", linewidth=1, label="bound E[M], 4 receivers")
    for tool in ("rmcp", "uftp", "udpcast"):
        points = [(entry["case"]["loss"], [run["packet_copies"] for run in runs_of(entry, tool)]) for entry in lossy
                  if runs_of(entry, tool)]
        if not points:
            continue
        middles = [median(values) for _, values in points]
        spread = [[middle - min(values) for middle, (_, values) in zip(middles, points)],
                  [max(values) - middle for middle, (_, values) in zip(middles, points)]]
        axis.errorbar([loss for loss, _ in points], middles, yerr=spread, color=COLOURS[tool], marker="o", markersize=4, capsize=2,
                      linewidth=1.2, label=tool)
    axis.set_xlabel("loss at each receiver, %")
    axis.set_ylabel("packets leaving the sender,\nfor each that the content fills")
    axis.legend(fontsize=8)
    save(figure, directory, "bench-copies")


def draw_bench(results, directory):
    plt, cases = pyplot(), by_name(results)
    for draw in (draw_speed, draw_cpu, draw_copies):
        draw(plt, cases, directory)


def main():
    kind, path, directory = sys.argv[1:4]
    with open(path) as file:
        results = json.load(file)
    {"rate": draw_rate, "bench": draw_bench}[kind](results, directory)


if __name__ == "__main__":
    main()
