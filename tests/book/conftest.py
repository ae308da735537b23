"""What the tests of the built book share. The book is built once, before the first of them."""

import functools
import gzip
import io
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
CHAPTERS = ["the-article", "diplomacy", "iraqi-politics", "proxy-attacks", "force-posture", "verdict"]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "embed": "src", "object": "data", "video": "src", "audio": "src", "input": "src", "image": "href", "use": "href"}


def pytest_sessionstart(session):
    if hasattr(session.config, "workerinput"):  # one of several side by side: the first process has built
        return
    done = subprocess.run([sys.executable, "-m", "retribution.book"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.exit(done.stdout + done.stderr, 1)


class Page(HTMLParser):
    """Links, anchors, what the browser would load, and the text of one page."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.ids, self.loads, self.text = path, [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        self.ids |= {attributes["id"]} if "id" in attributes else set()
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and set(attributes.get("rel", "").split()) & {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}:
            self.loads.append(attributes["href"])
        if attributes.get(LOADING.get(tag, "")):
            self.loads.append(attributes[LOADING[tag]])
        self.loads += re.findall(r"url\(([^)]+)\)", attributes.get("style", ""))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="session")
def pages():
    return {path.relative_to(HTML).as_posix(): Page(path) for path in sorted(HTML.rglob("*.html"))}


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@functools.cache
def packed(path):
    """Return a file as it goes over the wire."""
    return gzip.compress(path.read_bytes(), 6)


class Host(SimpleHTTPRequestHandler):
    """Sends the built book as a host would: compressed, with the headers that the build wrote, 404.html where nothing is."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        found = path.is_file()
        path = path if found else HTML / "404.html"
        body = packed(path)
        self.send_response(200 if found else 404)
        for line in (HTML / "_headers").read_text(encoding="utf-8").splitlines()[1:]:
            self.send_header(*line.strip().split(": ", 1))
        for name, value in {"Content-Type": self.guess_type(path), "Content-Encoding": "gzip", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        return io.BytesIO(body)


@contextmanager
def served():
    """Yield the address of a server of the built book."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Host, directory=HTML)) as host:
        host.handle_error = lambda *words: None  # a browser that hangs up early
        Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


@pytest.fixture(scope="session")
def server():
    with served() as address:
        yield address


def opened(browser, name, width=1280, server=None, **options):
    """Open a page from disk with the network off, or from ``server``; what goes wrong is in ``page.complaints``."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=not server, **options)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:", server or "file:")) else page.complaints.append(request.url))
    page.goto(f"{server or HTML.as_uri()}/{name}")
    return page


def awake(still, timeout=30000):
    """Return a figure's picture once its chart is live."""
    still.focus()
    still.page.wait_for_function("still => still.classList.contains('live')", arg=still.element_handle(), timeout=timeout)
    return still


def violations(page):
    """Return the rule and the target of each of axe's violations."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [(rule["id"], node["target"]) for rule in found for node in rule["nodes"]]


def tooltip_at(page, mark):
    """Return what the tooltip says with the pointer on the middle of ``mark``; empty where there is none."""
    mark.evaluate("mark => mark.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = mark.bounding_box()
    if not box:
        return ""
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    return page.evaluate("(document.querySelector('#vg-tooltip-element.visible') || {}).innerText || ''").strip()


def figures_of(name):
    text = (HTML / name).read_text(encoding="utf-8")
    return re.findall(r'<figure class="[^"]*chart[^"]*" id="fig-([a-z0-9-]+)">(.*?)</figure>', text, re.S)
