import gzip
import socket
import time
from contextlib import contextmanager

import pytest

from pipeline import http, http_connections, http_requests
from pipeline.http import Access, FetchError, Limits, PoliteSession, user_agent
from pipeline.http_answers import is_final
from tests.pipeline.fake_clock import FakeTime
from tests.pipeline.faults.script import SITE, Site, client, cut, drip, hang_up, reply, reset, served


@pytest.fixture
def site():
    with served(Site()) as script:
        yield script


def failing(site, path="/x", **options):
    with client(site, **options) as session, pytest.raises(FetchError) as caught:
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


@pytest.mark.parametrize("fault", [hang_up, reset, cut])
def test_a_connection_or_body_that_breaks_off_is_asked_again(site, fault):
    site.on("/x", fault, reply())
    with client(site) as session:
        assert session.get(f"{SITE}/x").content == b"fine"


def test_attempts_end(site):
    site.on("/x", reply(503))
    error = failing(site, attempts=3)
    assert (error.reason, error.status, error.attempts, len(site.asked)) == ("http_503", 503, 3, 3)
    assert "after 3 attempts" in str(error)


def test_a_body_that_always_breaks_off_is_told_so(site):
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
    assert [round(slept) for slept in fake.slept if slept > 1.0] == [7, 120]


def test_a_site_that_cannot_be_reached_is_told_so(site):
    site.place = "127.0.0.1:9"
    error = failing(site, attempts=2)
    assert (error.reason, error.attempts, error.status) == ("connection_failed", 2, None)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
DRIPS = {
    "body": drip(HEAD + b"Content-Length: 1000\r\n\r\n"),
    "one long header": drip(HEAD + b"X-Long: "),
    "many headers": drip(HEAD, b"X-More: 1\r\n"),
    "continue for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks": drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
    # a gzip head with a file name that never ends: there is no unpacked byte to count
    "gzip head": drip(
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n\x1f\x8b\x08\x08" + bytes(6), b"n"
    ),
}


@pytest.mark.parametrize("dripping", DRIPS)
def test_whatever_drips_ends_at_the_deadline(site, dripping):
    site.on("/x", DRIPS[dripping])
    start = time.monotonic()
    assert failing(site, attempts=1, timeout_s=0.2).reason == "timed_out"
    assert time.monotonic() - start < 5.0


def test_redirects_do_not_prolong_the_deadline(site):
    def slowly(handler):
        time.sleep(0.3)
        reply(302, body=b"", Location="/x")(handler)

    site.on("/x", slowly)
    assert failing(site, attempts=1, timeout_s=0.5).reason == "timed_out"
    assert len(site.asked) == 2


def test_the_deadline_is_one_for_all_of_an_answer_and_new_for_the_next(site):
    site.on("/x", drip(HEAD + b"Content-Length: 1000\r\n\r\n"), reply())
    with client(site, timeout_s=0.2) as session:
        assert session.get(f"{SITE}/x").attempts == 2


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


def test_the_last_attempt_holds_nobody(site):
    site.on("/x", reply(429, Retry_After=90))
    site.on("/y", reply())
    fake = FakeTime()
    with client(site, fake=fake, attempts=1) as session:
        assert _reason(session, "/x") == "http_429"
        session.get(f"{SITE}/y")
    assert sum(fake.slept) < 1.0


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


def test_a_host_that_is_down_does_not_take_for_ever(site, monkeypatch):
    monkeypatch.setattr(http, "MAX_LOST", 3)
    site.on("/x", reply(503))
    site.on("/y", reply())
    site.on("/gone", reply(404))
    with client(site, attempts=2) as session:
        reasons = [_reason(session, path) for path in ("/x", "/x", "/y", "/x", "/gone", "/x", "/x", "/x", "/x", "/y")]
    lost = "http_503"
    assert reasons == [lost, lost, None, lost, "not_found", lost, lost, lost, "host_down", "host_down"]


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


@pytest.mark.parametrize("url", ["https://[", "https://", "", "//pictures.example/", "https://u:p@pictures.example/"])
def test_what_is_no_address_of_the_source_is_refused_without_a_request(site, url):
    with client(site) as session, pytest.raises(FetchError, match=r"not a host of this source|without https"):
        session.get(url)
    assert site.asked == []


@pytest.mark.parametrize("path", ["/a b", "/\n", "/\x00", "/%zz", "?x=[", "/🚀", "/\ud83d", "//[::1", "/../../x"])
def test_odd_paths_are_asked_and_break_nothing(site, path):
    assert failing(site, path).reason == "not_found"


def test_plain_http_is_refused_without_a_request(site):
    with client(site) as session, pytest.raises(FetchError, match="without https"):
        session.get("http://pictures.example/x")
    assert site.asked == []


def test_post_sends_json_and_is_asked_again_like_any_request(site):
    site.on("/x", reply(503), cut, reply(body=b"page"))
    with client(site) as session:
        answer = session.post(f"{SITE}/x", {"text": "grün", "cursor": 0})
    assert (answer.content, answer.attempts) == (b"page", 3)
    assert {body for _, body in site.bodies} == {b'{"text": "gr\\u00fcn", "cursor": 0}'}
    assert {method for method, _ in site.bodies} == {"POST"}
    assert site.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirected_post_keeps_its_body_only_where_the_status_says_so(site, status, method):
    site.on("/x", reply(status, Location="/y"))
    site.on("/y", reply())
    with client(site) as session:
        session.post(f"{SITE}/x", {})
    assert site.bodies == [("POST", b"{}"), (method, b"{}" if method == "POST" else b"")]


TOKEN = "t0ken-of-one-person"


def test_a_token_goes_to_its_host_alone_and_not_along_a_redirect(site):
    site.on("/x", reply(302, Location="https://other.example/z"))
    site.on("/z", reply())
    with client(site, tokens={"pictures.example": TOKEN}) as session:
        answer = session.get(f"{SITE}/x")
    assert [headers.get("Authorization") for headers in site.headers] == [f"Bearer {TOKEN}", None]
    assert TOKEN not in repr(answer) + "".join(site.asked)


def test_a_token_stands_in_no_error_and_no_description(site, caplog):
    site.on("/x", reply(500))
    caplog.set_level("DEBUG")
    with client(site, tokens={"pictures.example": TOKEN}) as session, pytest.raises(FetchError) as caught:
        session.get(f"{SITE}/x")
    told = [str(caught.value), repr(caught.value), repr(caught.value.__cause__), caplog.text]
    assert TOKEN not in "".join([*told, repr(Access(hosts=(), tokens={"a": TOKEN}))])


def test_a_redirect_that_puts_the_token_into_an_address_is_not_followed(site):
    site.on("/x", reply(302, Location=f"/y?token={TOKEN}"))
    error = failing(site, tokens={"pictures.example": TOKEN})
    assert (error.reason, site.asked) == ("bad_redirect", ["/x"])
    assert TOKEN not in str(error)


def test_the_body_of_a_redirect_is_capped_too(site):
    site.on("/x", reply(302, body=bytes(1_000_000), Location="/y"))
    assert (failing(site).reason, site.asked) == ("too_large", ["/x"])


def test_a_broken_redirect_is_told(site):
    site.on("/x", reply(302, Location="https://["))
    assert failing(site).reason == "bad_redirect"


class Names:
    """A name server: each look-up takes the next answer; connections are noted and go to the scripted site."""

    def __init__(self, *answers):
        self.answers, self.asked, self.connected = list(answers), [], []

    def look_up(self, host, port, *args, **options):
        self.asked.append(host)
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if address is None:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split()]

    def connect(self, place, *args, **options):
        self.connected.append(place)
        raise ConnectionRefusedError


@contextmanager
def internet(monkeypatch, *answers):
    names = Names(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    monkeypatch.setattr(http_connections, "create_connection", names.connect)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    access = Access(hosts=("public.example",), documented=("https://public.example/",))
    limits = Limits(requests_per_s=1000.0, attempts=2, timeout_s=1.0, max_bytes=1000)
    with PoliteSession(limits, access, pace=FakeTime().pace()) as session:
        yield names, session


PRIVATE = (
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 240.0.0.1 "
    "::1 fe80::1 fc00::1 ::ffff:127.0.0.1 64:ff9b::a00:1 2002:7f00:1::"
)


@pytest.mark.parametrize("address", [*PRIVATE.split(), "8.8.8.8 10.0.0.1"])
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(monkeypatch, address):
    with internet(monkeypatch, address) as (names, session), pytest.raises(FetchError) as caught:
        session.get("https://public.example/x")
    assert (caught.value.reason, names.connected, len(names.asked)) == ("private_address", [], 1)


def test_a_network_that_leads_every_name_to_itself_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(http, "MAX_LOST", 3)
    with internet(monkeypatch, "192.168.1.1") as (names, session):
        reasons = []
        for number in range(5):
            with pytest.raises(FetchError) as caught:
                session.get(f"https://public.example/{number}")
            reasons.append(caught.value.reason)
    assert reasons == ["private_address"] * 3 + ["host_down"] * 2
    assert len(names.asked) == 3
    assert not is_final("private_address", None)  # after the log-in it is asked again


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address):
    assert http_connections.is_public(address)


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch):
    """DNS rebinding: a second look-up would lead to this machine."""
    with internet(monkeypatch, "93.184.216.34", "127.0.0.1") as (names, session), pytest.raises(FetchError) as caught:
        session.get("https://public.example/x")
    assert names.connected == [("93.184.216.34", 443)]
    assert len(names.asked) == 2  # one a connection: the second attempt looks up again and is refused
    assert caught.value.reason == "private_address"


def test_every_address_of_a_name_is_tried(monkeypatch):
    with internet(monkeypatch, "93.184.216.34 93.184.216.35") as (names, session), pytest.raises(FetchError) as caught:
        session.get("https://public.example/x")
    assert [place for place, _ in names.connected] == ["93.184.216.34", "93.184.216.35"] * 2
    assert caught.value.reason == "connection_failed"


def test_a_name_without_an_address_is_told(monkeypatch):
    with internet(monkeypatch, None) as (_, session), pytest.raises(FetchError, match="could not be reached"):
        session.get("https://public.example/x")


def test_a_connection_that_takes_too_long_is_told(monkeypatch):
    with internet(monkeypatch, "93.184.216.34") as (names, session):
        names.connect = None

        def slow(*args, **options):
            raise TimeoutError

        monkeypatch.setattr(http_connections, "create_connection", slow)
        with pytest.raises(FetchError, match="in time"):
            session.get("https://public.example/x")


def test_a_redirect_to_a_name_with_a_private_address_is_refused(site, monkeypatch):
    site.on("/x", reply(302, Location="https://inside.example/"))
    access = Access(
        hosts=("pictures.example", "inside.example"),
        documented=("https://inside.example/",),
        host_map={"pictures.example": site.place},
    )
    monkeypatch.setattr(http_connections, "public_addresses", lambda host, port: _refuse(host))
    limits = Limits(requests_per_s=1000.0, attempts=3, timeout_s=5.0, max_bytes=1000)
    with PoliteSession(limits, access, pace=FakeTime().pace()) as session, pytest.raises(FetchError) as caught:
        session.get(f"{SITE}/x")
    assert (caught.value.reason, caught.value.url) == ("private_address", "https://inside.example/")


def _refuse(host):
    raise http_connections.PrivateAddressError(host)


def test_a_checkout_that_is_not_installed_has_a_name_too(monkeypatch):
    def missing(_):
        raise http_requests.PackageNotFoundError

    monkeypatch.setattr(http_requests, "version", missing)
    assert user_agent("a@b.c") == "sur-workflow (+a@b.c)"
