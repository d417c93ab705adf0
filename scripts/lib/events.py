"""Makes the manual page of events from the schema of their lines, so that both tell the same.

usage: python3 events.py SCHEMA TEMPLATE >PAGE

TEMPLATE is the page with @common@, @events@ and @values@ where the fields of every line, the events by command, and the values that
states and refusals have are to stand.
"""

import json
import sys

from manual import escaped, sentences

COMMANDS = {
    "any": "Events of any command", "send": "Events of send", "recv": "Events of recv", "repair": "Events of repair",
    "watch": "Events of watch", "keygen": "Events of keygen",
}
HEAD = """.Dd November 29, 2026
.Dt RMCP-EVENTS 5
.Os
.Sh NAME
.Nm rmcp-events
.Nd what rmcp writes with \\-\\-json
.Sh DESCRIPTION
"""


def resolved(field, definitions):
    """What a field may be, with the description that it has where it stands."""
    if "$ref" not in field:
        return field
    found = definitions[field["$ref"].removeprefix("#/$defs/")]
    return {**found, **field}


def flattened(fields, required):
    """Fields, each followed by those that it has itself, with a point between their names; and whether it is always there."""
    for name, field in fields.items():
        yield name, field, name in required
        inner = field.get("items", field)
        if "$ref" not in field:
            for member, part, _ in flattened(inner.get("properties", {}), []):
                yield f"{name}.{member}", part, True


def field_lines(fields, required, definitions):
    lines = [".Bl -tag -width Ds -compact"]
    for name, field, is_always in flattened(fields, required):
        field = resolved(field, definitions)
        lines.append(f".It Va {name}")
        lines += sentences(field["description"])
        values = field.get("enum", [])
        # States, and exit codes, have a list of their own.
        if values and all(isinstance(value, str) for value in values) and "$ref" not in field:
            lines += ["One of", ".Ql " + " , ".join(escaped(value) for value in values) + " ."]
        if not is_always:
            lines.append("Not always there.")
    return lines + [".El"]


def event_lines(command, schema):
    definitions = schema["$defs"]
    lines = [f".Ss {COMMANDS[command]}", ".Bl -tag -width Ds"]
    for name, definition in definitions.items():
        if not name.startswith(command + "."):
            continue
        lines.append(f".It Cm {name.split('.', 1)[1]}")
        lines += sentences(definition["description"])
        if "$ref" in definition:
            lines.append("Its figures are below.")
        if "properties" in definition:
            lines += field_lines(definition["properties"], definition.get("required", []), definitions)
    lines.append(".El")
    measures = definitions.get(f"measures_of_{command}")
    if measures:
        lines += [f".Ss Figures of {command}", *field_lines(measures["properties"], measures["required"], definitions)]
    return lines


def value_lines(schema):
    definitions = schema["$defs"]
    lines = ["States of receivers, also in labels of metrics:", ".Pp"]
    lines += field_lines(definitions["receivers"]["properties"], definitions["state"]["enum"], definitions)
    lines += [".Pp", "Reasons of receivers that take no part:", ".Pp"]
    return lines + field_lines(definitions["refusals"]["properties"], definitions["refusals"]["properties"], definitions)


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    parts = {
        "@common@": field_lines(schema["properties"], schema["required"], schema["$defs"]),
        "@events@": [line for command in COMMANDS for line in event_lines(command, schema)],
        "@values@": value_lines(schema),
    }
    page = HEAD + open(sys.argv[2], encoding="utf-8").read()
    for mark, lines in parts.items():
        page = page.replace(mark, "\n".join(lines))
    sys.stdout.write(".\\\" Made by scripts/manual.\n" + page)


main()
