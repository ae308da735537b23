"""Ask every outside address of the book whether it still answers: ``python tests/audit/links.py``.

Addresses come from the sources and the built pages. A host is asked one thing at a time, with a pause; many hosts
are asked side by side. The answers go to _build/links.csv. Never fails: a dead link is news, not an error.
"""

import csv
import re
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
AGENT = "Mozilla/5.0 (compatible; link check of an open book, one request at a time)"
SILENT = "no answer"


def answer(address, timeout=20):
    """Return what an address says: works, moved, gone, refused (a browser may fare better) or no answer."""
    asked = quote(address, safe=":/?#[]@!$&'()*+,;=%~")
    try:
        with urlopen(Request(asked, headers={"User-Agent": AGENT}), timeout=timeout) as response:
            return "works" if response.url.partition("#")[0] == asked.partition("#")[0] else f"moved to {response.url}"
    except HTTPError as error:
        return f"gone ({error.code})" if error.code in (404, 410) else f"refused ({error.code})"
    except (OSError, ValueError, HTTPException):  # no such host, no route, no time, a broken certificate; no valid address
        return SILENT


def check(addresses, pause=1.0, minutes=30.0, hosts=24):
    """Return each address's answer; none of those that the time did not suffice for, or of a machine without a network."""
    by_host, answers, end = defaultdict(list), {}, time.monotonic() + 60 * minutes
    for address in addresses:
        by_host[urlsplit(address).netloc].append(address)

    def offline():
        # Only names count: a network that is closed may still answer for a bare number.
        told = {said for address, said in list(answers.items()) if re.search("[a-z]", urlsplit(address).netloc)}
        return told == {SILENT}

    def ask(group):
        for address in group:
            if time.monotonic() > end or (len(answers) >= 2 * hosts and offline()):
                return
            answers[address] = answer(address)
            time.sleep(pause)

    with ThreadPoolExecutor(hosts) as pool:
        list(pool.map(ask, by_host.values()))
    return {} if offline() else answers


def main():
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "_build" / "html").rglob("*.html"))
    addresses = {unescape(address) for address in re.findall(r'<a [^>]*href="(https?://[^"]+)"', pages)}
    with open(ROOT / "data" / "sources.csv", encoding="utf-8", newline="") as file:
        addresses |= {row["url"] for row in csv.DictReader(file)}
    addresses = sorted(address for address in addresses if not address.startswith("https://web.archive.org/"))
    print(f"Asking {len(addresses)} addresses; at most half an hour", flush=True)
    answers = check(addresses)
    if not answers:
        print("Nothing outside could be reached from this machine: this says nothing about any link.")
        return
    (ROOT / "_build").mkdir(exist_ok=True)
    with open(ROOT / "_build" / "links.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("address", "answer"), *sorted(answers.items())])
    counts = Counter(said.split(" to ")[0].split(" (")[0] for said in answers.values())
    print(", ".join(f"{said}: {count}" for said, count in counts.most_common()), f"not asked: {len(addresses) - len(answers)}", "Each answer: _build/links.csv", sep="; ")


if __name__ == "__main__":
    sys.exit(main())
