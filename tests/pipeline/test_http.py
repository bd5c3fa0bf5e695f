import gzip
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipeline.http import FetchError, Limits, PoliteSession, user_agent
from tests.pipeline.fake_clock import FakeTime

SITE = "https://pictures.example"


class Site:
    """A server whose answers are functions of the handler, taken in turn for each path."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.headers = []

    def on(self, path, *answers):
        self.answers[path] = list(answers)

    def __call__(self, handler):
        self.asked.append(handler.path)
        self.headers.append(dict(handler.headers))
        waiting = self.answers[handler.path]
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(handler)


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


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(1000):
        try:
            handler.wfile.write(b".")
            time.sleep(0.02)
        except OSError:
            break
    handler.close_connection = True


@pytest.fixture
def site():
    script = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            script(self)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        script.place = f"127.0.0.1:{server.server_port}"
        yield script
        server.shutdown()
        thread.join()


@contextmanager
def client(site, fake=None, **limits):
    limits = {"requests_per_s": 1000.0, "attempts": 3, "timeout_s": 5.0, "max_bytes": 10_000, **limits}
    pace = (fake or FakeTime()).pace()
    hosts = ("pictures.example", "other.example")
    with PoliteSession(
        Limits(**limits),
        allowed_hosts=hosts,
        host_map=dict.fromkeys(hosts, site.place),
        contact="https://lab.example",
        pace=pace,
    ) as session:
        yield session


def failing(site, path="/x", **limits):
    with client(site, **limits) as session, pytest.raises(FetchError) as caught:
        session.get(SITE + path)
    return caught.value


def test_a_mapped_host_is_asked_on_loopback_under_its_public_name(site):
    site.on("/a?q=1", reply(body="grün".encode()))
    with client(site) as session:
        answer = session.get(f"{SITE}/a?q=1")
    assert (answer.url, answer.status, answer.text, answer.attempts) == (f"{SITE}/a?q=1", 200, "grün", 1)
    assert site.headers[0]["Host"] == "pictures.example"


def test_the_user_agent_says_who_asks_and_how_to_reach_them(site):
    site.on("/x", reply())
    with client(site) as session:
        session.get(f"{SITE}/x")
    assert site.headers[0]["User-Agent"] == user_agent("https://lab.example")
    assert user_agent("a@b.c").endswith("(+a@b.c)")
    assert user_agent(None).startswith("sur-workflow")


def test_no_cookie_comes_back_to_a_site(site):
    site.on("/x", reply(Set_Cookie="id=1; Path=/"))
    with client(site) as session:
        session.get(f"{SITE}/x")
        session.get(f"{SITE}/x")
    assert "Cookie" not in site.headers[1]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 522])
def test_a_passing_fault_is_asked_again(site, status):
    site.on("/x", reply(status), reply())
    with client(site) as session:
        assert session.get(f"{SITE}/x").attempts == 2


@pytest.mark.parametrize("fault", [hang_up, reply(Content_Length=100)])
def test_a_connection_or_body_that_breaks_off_is_asked_again(site, fault):
    def cut(handler):
        fault(handler)
        handler.close_connection = True

    site.on("/x", cut, reply())
    with client(site) as session:
        assert session.get(f"{SITE}/x").content == b"fine"


def test_attempts_end(site):
    site.on("/x", reply(503))
    error = failing(site, attempts=3)
    assert (error.reason, error.status, error.attempts, len(site.asked)) == ("http_503", 503, 3, 3)
    assert "after 3 attempts" in str(error)


def test_a_body_that_always_breaks_off_is_told_so(site):
    def cut(handler):
        reply(Content_Length=100)(handler)
        handler.close_connection = True

    site.on("/x", cut)
    assert failing(site).reason == "broken_off"


def test_waits_between_attempts_are_random_and_bounded(site):
    site.on("/x", reply(500))
    fake = FakeTime()
    failing(site, fake=fake, attempts=4)
    backing_off = [slept for slept in fake.slept if slept > 0.01]
    assert len(backing_off) == 3
    assert all(slept <= 2.0**power for power, slept in enumerate(backing_off))


def test_retry_after_is_kept_to_and_capped(site):
    site.on("/x", reply(429, Retry_After=7), reply(429, Retry_After=100_000), reply())
    fake = FakeTime()
    with client(site, fake=fake) as session:
        session.get(f"{SITE}/x")
    assert [round(slept) for slept in fake.slept] == [7, 120]


def test_a_site_that_cannot_be_reached_is_told_so(site):
    site.place = "127.0.0.1:9"
    error = failing(site, attempts=2)
    assert (error.reason, error.attempts, error.status) == ("connection_failed", 2, None)


def test_a_dripping_body_ends_at_the_deadline(site):
    site.on("/x", drip)
    limits = Limits(requests_per_s=1000.0, attempts=1, timeout_s=0.2, max_bytes=10_000)
    start = time.monotonic()
    with (
        PoliteSession(limits, allowed_hosts=["pictures.example"], host_map={"pictures.example": site.place}) as session,
        pytest.raises(FetchError, match="in time"),
    ):
        session.get(f"{SITE}/x")
    assert time.monotonic() - start < 1.0


def test_a_silent_server_ends_at_the_deadline(site):
    site.on("/x", lambda handler: time.sleep(0.3))
    assert failing(site, timeout_s=0.05, attempts=1).reason == "timed_out"


def test_the_byte_cap_counts_unpacked_bytes(site):
    bomb = gzip.compress(bytes(5_000_000))
    assert len(bomb) < 10_000
    site.on("/x", reply(body=bomb, Content_Encoding="gzip"))
    error = failing(site)
    assert (error.reason, len(site.asked)) == ("too_large", 1)


def test_a_packed_body_is_unpacked(site):
    site.on("/x", reply(body=gzip.compress(b"words " * 100), Content_Encoding="gzip"))
    with client(site) as session:
        assert session.get(f"{SITE}/x").content == b"words " * 100


def test_a_redirect_between_allowed_hosts_is_followed(site):
    site.on("/x", reply(302, Location="/y"))
    site.on("/y", reply(301, Location="https://other.example/z"))
    site.on("/z", reply(body=b"there"))
    with client(site) as session:
        answer = session.get(f"{SITE}/x")
    assert (answer.url, answer.content) == ("https://other.example/z", b"there")
    assert [headers["Host"] for headers in site.headers] == ["pictures.example", "pictures.example", "other.example"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("https://elsewhere.example/", "host_not_allowed"),
        ("https://127.0.0.1/", "host_not_allowed"),
        ("https://169.254.169.254/latest", "host_not_allowed"),
        ("http://other.example/z", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("/x", "too_many_redirects"),
    ],
)
def test_a_redirect_elsewhere_is_refused(site, target, reason):
    site.on("/x", reply(302, Location=target))
    error = failing(site)
    assert error.reason == reason
    assert set(site.asked) == {"/x"}


def test_a_redirect_to_this_machine_is_refused_even_to_the_mapped_port(site):
    site.on("/x", reply(302, Location=f"https://{site.place}/x"))
    assert failing(site).reason == "host_not_allowed"


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "not_found"), (410, "not_found"), (418, "http_418"), (304, "http_304")]
)
def test_a_final_status_is_asked_once(site, status, reason):
    site.on("/x", reply(status, body=b""))
    error = failing(site)
    assert (error.reason, error.status, len(site.asked)) == (reason, status, 1)


@pytest.mark.parametrize("status", [401, 403, 451])
def test_a_refusal_is_not_bypassed(site, status):
    site.on("/x", reply(status))
    error = failing(site)
    assert (error.reason, len(site.asked)) == ("refused", 1)
    assert "not bypassed" in str(error)


def test_a_host_that_refuses_three_times_in_a_row_is_not_asked_again(site):
    site.on("/x", reply(403))
    site.on("/y", reply())
    with client(site) as session:
        reasons = [_reason(session, path) for path in ("/x", "/x", "/y", "/x", "/x", "/x", "/y")]
    assert reasons == ["refused", "refused", None, "refused", "refused", "refused", "host_stopped"]
    assert len(site.asked) == 6


@pytest.mark.parametrize(
    "challenge",
    [
        reply(503, cf_mitigated="challenge"),
        reply(body=b"<html><head><TITLE>Just a moment...</title>", Content_Type="text/html"),
    ],
)
def test_a_challenge_page_stops_the_host_at_once(site, challenge):
    site.on("/x", challenge)
    with client(site) as session:
        assert [_reason(session, "/x"), _reason(session, "/x")] == ["challenge", "host_stopped"]
    assert len(site.asked) == 1


def _reason(session, path):
    try:
        session.get(SITE + path)
    except FetchError as error:
        return error.reason
    return None


def test_plain_http_is_refused_without_a_request(site):
    with client(site) as session, pytest.raises(FetchError, match="without https"):
        session.get("http://pictures.example/x")
    assert site.asked == []
