"""Makes the manual pages from the command line's own description.

usage: rmcp --experimental-dump-help | python3 manual.py FOLDER DATE

FOLDER has, for each page NAME.1 that is written, a file NAME.mdoc with what the description cannot know: examples at its top,
which stand before the options, and sections, which stand behind them. DATE is a day, 2026-11-29.
"""

import datetime
import json
import pathlib
import re
import sys

LIST = ".Bl -tag -width 6n"


def escaped(text):
    """Text as roff reads it."""
    text = text.replace("\\", "\\e").replace(" -", " \\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def sentences(text):
    """A line for each sentence, by which mandoc sees where one ends."""
    return [escaped(part) for part in re.split(r"(?<=[.!?])\s+(?=[A-Z'])", text) if part]


def short_and_long(argument):
    names = sorted(argument["names"], key=lambda name: name["kind"] == "long")
    return [name["name"] if name["kind"] == "short" else "-" + name["name"] for name in names]


def is_opposite(argument):
    """A flag's opposite, which stands beside the flag."""
    return argument["kind"] == "flag" and short_and_long(argument)[-1].startswith("-no-")


def opposite(argument, arguments):
    name = f"-no{short_and_long(argument)[-1]}"
    return [name] if argument["kind"] == "flag" and any(name in short_and_long(each) for each in arguments if each["kind"] == "flag") else []


def value_of(argument):
    more = "..." if argument["isRepeating"] else ""
    return f" Ar {argument['valueName']}{more}" if argument["kind"] == "option" else ""


def synopsis(arguments):
    lines = []
    for argument in arguments:
        if argument["kind"] == "positional":
            more = " ..." if argument["isRepeating"] else ""
            lines.append(f".Ar {argument['valueName']}{more}")
        elif not is_opposite(argument):
            lines.append(f".Op Fl {short_and_long(argument)[-1]}{value_of(argument)}")
    return lines


def options(arguments):
    """Options below the titles of their groups; those of none last."""
    titles = []
    for argument in arguments:
        if argument.get("sectionTitle") and argument["sectionTitle"] not in titles:
            titles.append(argument["sectionTitle"])
    lines = []
    for title in [None, *titles, ""]:
        # What stands on the command line by its place first, then groups, then help and version.
        chosen = [
            argument
            for argument in arguments
            if (argument["kind"] == "positional") == (title is None)
            and (title is None or (argument.get("sectionTitle") or "") == title)
            and not (argument["kind"] != "positional" and is_opposite(argument))
        ]
        if not chosen:
            continue
        if title is not None:
            lines.append(f".Ss {title or 'Other options'}")
        lines.append(LIST)
        for argument in chosen:
            if argument["kind"] == "positional":
                lines.append(f".It Ar {argument['valueName']}")
            else:
                lines.append(f".It Fl {' , '.join(short_and_long(argument) + opposite(argument, arguments))}{value_of(argument)}")
            lines += sentences(argument.get("abstract", ""))
        lines.append(".El")
    return lines


def page(command, path, folder, date, others):
    name = "-".join(path)
    extra = (folder / f"{name}.mdoc").read_text(encoding="utf-8") if (folder / f"{name}.mdoc").exists() else ""
    examples, mark, sections = extra.partition(".Sh ")
    arguments = [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]
    lines = [
        '.\\" Made by scripts/manual.',
        f".Dd {date:%B} {date.day}, {date.year}",
        f".Dt {name.upper()} 1",
        ".Os",
        ".Sh NAME",
        f".Nm {name}",
        f".Nd {command['abstract'].rstrip('.')[0].lower()}{command['abstract'].rstrip('.')[1:]}",
        ".Sh SYNOPSIS",
        f".Nm {' '.join(path)}",
        *synopsis(arguments),
        *([".Ar subcommand"] if command.get("subcommands") else []),
        ".Sh DESCRIPTION",
        *sentences(command.get("discussion", "")),
        *([".Ss Examples", examples.rstrip("\n")] if examples.strip() else []),
        *options(arguments),
        *((mark + sections).rstrip("\n").splitlines()),
        ".Sh SEE ALSO",
    ]
    others = [other for other in others if other != (name, "1")]
    lines += [f".Xr {other} {section} ," for other, section in others[:-1]] + [f".Xr {others[-1][0]} {others[-1][1]}"]
    (folder / f"{name}.1").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(folder / f"{name}.1")


def main():
    folder, date = pathlib.Path(sys.argv[1]), datetime.date.fromisoformat(sys.argv[2])
    command = json.load(sys.stdin)["command"]
    subcommands = [each for each in command["subcommands"] if each["commandName"] != "help"]
    names = sorted(f"rmcp-{each['commandName']}" for each in subcommands)
    others = [("rmcp", "1")] + [(name, "1") for name in names] + [("rmcp-events", "5"), ("rmcp-metrics", "5"), ("rmcp.toml", "5")]
    page(command, ["rmcp"], folder, date, others)
    for each in subcommands:
        page(each, ["rmcp", each["commandName"]], folder, date, others)


if __name__ == "__main__":
    main()
