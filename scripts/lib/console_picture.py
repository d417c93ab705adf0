"""Draws what a console said as an SVG: python3 console_picture.py TEXT FILE.svg"""

import html
import re
import sys

WIDTH = 100
HEIGHT_OF_LINE = 17
WIDTH_OF_CHARACTER = 8.4
MARGIN = 16


def lines_of(text):
    """The lines without those of the kernel, broken at the width."""
    shown = []
    # A loader wipes a line with blanks, and writes on behind them.
    for line in re.sub(r" {20,}", "\n", text).splitlines():
        line = line.rstrip()
        if re.match(r"^\s*\[ *\d+\.\d+\]", line):
            continue
        while len(line) > WIDTH:
            shown.append(line[:WIDTH])
            line = line[WIDTH:]
        if line or (shown and shown[-1]):
            shown.append(line)
    return shown


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8", errors="replace") as file:
        lines = lines_of(file.read())
    width = WIDTH * WIDTH_OF_CHARACTER + 2 * MARGIN
    height = len(lines) * HEIGHT_OF_LINE + 2 * MARGIN
    rows = []
    for number, line in enumerate(lines):
        # What rmcp and its script say, and what the new system says, stand out.
        told = re.search(r"rmcp:|^complete|receiving|listening|came by multicast|Nothing but", line)
        colour = "#9fe89f" if told else "#c8c8c8"
        y = MARGIN + (number + 0.8) * HEIGHT_OF_LINE
        rows.append(f'<text x="{MARGIN}" y="{y:.0f}" fill="{colour}" xml:space="preserve">{html.escape(line)}</text>')
    with open(target, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="monospace" font-size="14">\n'
            f'<rect width="100%" height="100%" rx="6" fill="#101418"/>\n' + "\n".join(rows) + "\n</svg>\n"
        )


if __name__ == "__main__":
    main()
