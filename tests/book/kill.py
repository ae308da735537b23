"""Kill builds at random moments, and compare what the next build makes with a book whose build nobody killed.

``python tests/book/kill.py [times] [seed] [whole]``: 50 times with seed 1 in a small copy of the book, or in a copy of
the whole. Every other build begins with nothing, as a first one does, the others with notebooks that have been run.
"""

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from small import alive, built, copied, differences, kill, small, sources, tree


def run(times=50, seed=1, copy=small):
    """Kill ``times`` builds; return the exit status, 0 where every next build was right and nothing else was touched."""
    chance, wrong, ran = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as place:
        folder, other = copy(Path(place, "killed")), copy(Path(place, "never killed"))
        seconds = []
        for part in ("_build", "_build/html"):
            shutil.rmtree(other / part, ignore_errors=True)
            start = time.monotonic()
            built(other)
            seconds.append(time.monotonic() - start)
        right, before = tree(other), sources(folder)
        for number in range(times):
            shutil.rmtree(folder / ("_build", "_build/html")[number % 2], ignore_errors=True)
            moment = (number + chance.random()) / times * seconds[number % 2]
            while "Built in" in (said := kill(folder, moment)):  # it was faster than that which was measured
                shutil.rmtree(folder / ("_build", "_build/html")[number % 2])
                moment *= 0.8
            ran += "Building the pages" not in said
            left = alive(folder)
            said = built(folder)
            if found := differences(tree(folder), right) + differences(sources(folder), before) + left:
                wrong.append(number)
                print(f"Kill {number}, after {moment:.1f} s: {found}\n{said}", flush=True)
    print(f"{times} builds killed (seed {seed}), {ran} while notebooks ran and {times - ran} while pages were built: {times - len(wrong)} next builds right to the byte, with no process left and sources and data untouched")
    return bool(wrong)


if __name__ == "__main__":
    whole = "whole" in sys.argv
    sys.exit(run(*[int(word) for word in sys.argv[1:] if word != "whole"], **{"copy": copied} if whole else {}))
