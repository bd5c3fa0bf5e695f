"""A site on loopback that answers as a test says: functions of the request's handler, taken in turn for each path."""

import socket
import struct
import time
from collections import defaultdict
from contextlib import contextmanager

from pipeline.http import Access, Limits, PoliteSession
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.loopback import serving

HOST = "pictures.example"
SITE = f"https://{HOST}"
HOSTS = (HOST, "other.example")


class Site:
    """What is answered, and what was asked; robots.txt is a 404 that nobody notes unless a test scripts it."""

    def __init__(self):
        self.answers = {"/robots.txt": [reply(404)]}
        self.asked, self.headers, self.bodies = [], [], []
        self.place = ""

    def on(self, path, *answers):
        self.answers[path] = list(answers)

    def __call__(self, handler):
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        if handler.path != "/robots.txt":
            self.asked.append(handler.path)
            self.headers.append(dict(handler.headers))
            self.bodies.append((handler.command, body))
        waiting = self.answers.get(handler.path, [reply(404)])
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)

    def counts(self):
        found = defaultdict(int)
        for path in self.asked:
            found[path] += 1
        return dict(found)


def reply(status=200, body=b"fine", **headers):
    def send(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": len(body), "Content-Type": "text/plain", **headers}.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def hang_up(handler):
    handler.close_connection = True


def reset(handler):
    """Close with RST instead of FIN."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RD)
    handler.connection.close()
    handler.close_connection = True


def cut(handler):
    """A body that is shorter than promised."""
    reply(Content_Length=100)(handler)
    handler.close_connection = True


def drip(first, drop=b".", every_s=0.02, drops=500):
    """Bytes at once, then a little for ever: in the head, in the body, or in the head of a gzip stream."""

    def send(handler):
        try:
            handler.wfile.write(first)
            for _ in range(drops):
                handler.wfile.write(drop)
                time.sleep(every_s)
        except OSError:
            pass
        handler.close_connection = True

    return send


@contextmanager
def served(script):
    """Run a script on a free port of 127.0.0.1."""
    with serving(script) as port:
        script.place = f"127.0.0.1:{port}"
        yield script


@contextmanager
def client(site, fake=None, tokens=None, documented=(), hosts=HOSTS, **limits):
    """A session whose hosts are all the scripted site."""
    limits = {"requests_per_s": 1000.0, "attempts": 3, "timeout_s": 5.0, "max_bytes": 10_000, **limits}
    access = Access(hosts=hosts, documented=documented, tokens=tokens or {}, host_map=dict.fromkeys(HOSTS, site.place))
    pace = (fake or FakeTime()).pace()
    with PoliteSession(Limits(**limits), access, contact="https://lab.example", pace=pace) as session:
        yield session
