"""Check the data package, refresh its hashes and check it, or draw reports to verify.

``python -m retribution check | refresh | draw N``
"""

import sys

from .dataset import DataError, draw, load, refresh


def main(arguments):
    """Return the exit status: 0 if the data keep their descriptor, 1 if not, 2 for another command."""
    match arguments:
        case ["check"] | ["refresh"]:
            pass
        case ["draw", number] if number.isdecimal():
            pass
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    try:
        if arguments == ["refresh"]:
            refresh()
        data = load()
    except DataError as error:
        print(error, file=sys.stderr)
        print(f"data/ breaks its descriptor in {len(error.problems)} place(s).", file=sys.stderr)
        return 1
    if arguments[0] == "draw":
        print(draw(data, int(arguments[1])).to_csv(index=False), end="")
    else:
        print(f"data/ keeps its descriptor: {len(data.events)} events, {len(data.reports)} reports, {len(data.sources)} sources.")
    return 0


sys.exit(main(sys.argv[1:]))
