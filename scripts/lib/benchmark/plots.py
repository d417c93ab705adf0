"""Draws what the benchmarks wrote as JSON. Debian's interpreter runs this file: another one does not see matplotlib.

As a module it only starts itself by that interpreter; as a program it takes a kind, a JSON file and a directory.
"""
import json
import os
import subprocess
import sys

COLOURS = {"rmcp": "#1f6fb4", "uftp": "#d9822b", "udpcast": "#7a9a3a", "blast": "#b9b9b9", "blast-store": "#7f7f7f",
           "tcp": "#c0392b", "second": "#2aa198", "bound": "#333333"}


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


def main():
    kind, path, directory = sys.argv[1:4]
    with open(path) as file:
        results = json.load(file)
    {"rate": draw_rate}[kind](results, directory)


if __name__ == "__main__":
    main()
