"""Check the data package, or refresh its hashes and check it: ``python -m retribution check|refresh``."""

import sys

from .dataset import DataError, load, refresh


def main(arguments):
    """Return the exit status: 0 if the data keep their descriptor, 1 if not, 2 for another command."""
    if arguments not in (["check"], ["refresh"]):
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
    print(f"data/ keeps its descriptor: {len(data.events)} events, {len(data.reports)} reports, {len(data.sources)} sources.")
    return 0


sys.exit(main(sys.argv[1:]))
