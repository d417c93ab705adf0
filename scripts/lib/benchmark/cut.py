"""What the others pay when one of four receivers is cut off in mid-transfer: its cable is pulled when a third has left."""
import os
import statistics
from dataclasses import replace

from benchmark.cases import Case
from benchmark.tools import TOOLS
from benchmark.transfer import Failed, Run

CASE = Case("cut", 256, tools=("rmcp", "uftp", "udpcast"), limit=260)


def once(tool, case, setup, lab, source, cut):
    """The healthy receivers' time, the sender's time and exit code; raises Failed."""
    run = Run(tool, case, setup, lab, source)
    victim = run.nodes[-1]
    awaited = run.nodes[:-1] if cut else run.nodes
    due = lab.counters()["s"][0] + os.path.getsize(source) // 3

    def pull(_):
        if lab.counters()["s"][0] < due:
            return False
        lab.link(victim, "down")
        return True

    try:
        run.start_receivers()
        run.send(pull if cut else None, awaited)
        if not tool.ends_itself:
            for process in run.receivers.values():
                process.process.terminate()
                process.wait(5)
        for node in awaited:
            run.receivers[node].wait(5)
        had = [tool.had_file(run.receivers[node]) for node in awaited]
        if None in had:
            raise Failed(f"{had.count(None)} of the healthy ones have no file within {case.limit:g} s")
        if not all(run.identical(node) for node in awaited):
            raise Failed("a file differs")
        return {"seconds": max(had) - run.began, "status": run.status,
                "sender_seconds": run.sender.ended - run.began if run.sender.ended else None}
    finally:
        run.end()
        run.remove_files()
        lab.link(victim, "up")


def measure(setup, lab, source, tools, rounds, limit, say):
    case, results = replace(CASE, limit=limit), {}
    for number in range(rounds):
        for name in tools:
            kinds = results.setdefault(name, {"undisturbed": [], "cut": [], "failure": None})
            if kinds["failure"]:
                continue
            try:
                for kind in ("undisturbed", "cut"):
                    kinds[kind].append(once(TOOLS[name](), case, setup, lab, source, kind == "cut"))
            except Failed as failure:
                kinds["failure"] = str(failure)
            say(f"cut, round {number + 1}: {name} {kinds['failure'] or ''}")
            if kinds["cut"] and kinds["cut"][-1]["seconds"] > 60:
                kinds["failure"] = "one round only, for its length"
    return results


def table(results):
    lines = ["| tool | undisturbed, s | healthy ones with one cut off, s | ratio | sender ends after, s | its exit code |",
             "|---" * 6 + "|"]
    for name, kinds in results.items():
        if not kinds["cut"]:
            lines.append(f"| {name} | {kinds['failure']} | | | | |")
            continue
        middle = lambda kind, key: statistics.median(run[key] or 0 for run in kinds[kind])
        plain, cut = middle("undisturbed", "seconds"), middle("cut", "seconds")
        statuses = sorted({str(run["status"]) for run in kinds["cut"]})
        lines.append(f"| {name} | {plain:.2f} | {cut:.2f} | {cut / plain:.2f} | {middle('cut', 'sender_seconds'):.1f} | "
                     f"{', '.join(statuses)} |")
    return lines
