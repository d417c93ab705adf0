"""Holds lines of --json against their schema, by another validator than that of the tests.

usage: /usr/bin/python3 check_events.py SCHEMA LINES...

The schema must be one of its dialect. In the lines, events and fields that it does not have are faults, too.
"""

import json
import sys

import jsonschema


def main():
    schema = json.load(open(sys.argv[1], encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator({**schema, "unevaluatedProperties": False})
    faults = lines = 0
    for path in sys.argv[2:]:
        for number, text in enumerate(open(path, encoding="utf-8"), 1):
            line = json.loads(text)
            names = {f"any.{line.get('event')}", f"{line.get('command')}.{line.get('event')}"}
            found = [] if names & schema["$defs"].keys() else ["no such event"]
            found += [error.message for error in validator.iter_errors(line)]
            lines += 1
            faults += len(found)
            for fault in found:
                print(f"{path}:{number}: {fault[:400]}", file=sys.stderr)
    print(f"{lines} lines, {faults} faults")
    sys.exit(1 if faults or not lines else 0)


main()
