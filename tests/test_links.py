"""The check of outside links, against a server of this machine's own."""

import importlib.util
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

spec = importlib.util.spec_from_file_location("links", Path(__file__).parent / "audit" / "links.py")
links = importlib.util.module_from_spec(spec)
spec.loader.exec_module(links)


@pytest.fixture
def host():
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response({"/ok": 200, "/old": 301, "/gone": 404, "/closed": 403}[self.path])
            if self.path == "/old":
                self.send_header("Location", "/ok")
            self.end_headers()

        def log_message(self, *words):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def test_each_answer_is_told_apart(host):
    wanted = {f"{host}/ok": "works", f"{host}/old": f"moved to {host}/ok", f"{host}/gone": "gone (404)", f"{host}/closed": "refused (403)", "http://localhost:9/": links.SILENT, "http://[": links.SILENT}
    assert links.check([*wanted][:-1], pause=0) == dict([*wanted.items()][:-1])
    assert links.answer("http://[") == wanted["http://["]


def test_a_machine_without_a_network_gives_no_verdict():
    assert links.check([f"http://localhost:9/{number}" for number in range(200)], pause=0) == {}


def test_time_that_does_not_suffice_leaves_addresses_unasked(host):
    assert links.check([f"{host}/ok", f"{host}/gone"], pause=0.2, minutes=0.1 / 60) == {f"{host}/ok": "works"}
