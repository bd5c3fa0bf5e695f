"""The one HTTP client: polite to sites and careful with what they send.

One loop of ours retries, outside the rate limit of each host, because retries inside ``urllib3`` pass the limiter by
and do not see a body that breaks off. A site that refuses is not asked again and never tricked.
"""

import json
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pipeline.http_answers import (
    REDIRECTS,
    REFUSED,
    TRANSIENT,
    FetchError,
    Response,
    host_of,
    is_challenge,
    reason_of,
)
from pipeline.http_connections import SHORTEST_S, PrivateAddressError, pieces, session
from pipeline.http_requests import PACKAGE, Access, Ask, Limits, user_agent
from pipeline.pacing import Clock, Pace, retry_after_s
from pipeline.robots import RobotRules

MAX_HOPS = 5
MAX_REFUSALS = 3  # in a row from one host: single pictures may be private, a wall is for all
MAX_LOST = (
    20  # addresses in a row that a host did not give after all attempts: it is down, the rest would take for ever
)
PIECE_BYTES = 65536


class _TransientError(Exception):
    """A failure that another attempt may mend."""

    def __init__(self, url: str, reason: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.url, self.reason, self.status, self.wait_s = url, reason, status, wait_s


class PoliteSession:
    """A client for a stated set of hosts; safe to share between threads.

    Args:
        limits: rate, attempts, time and size.
        access: hosts, tokens and the way to this machine.
        contact: an address or page for the user agent.
        pace: rate limit and back-off; a test brings one with its own clock.
    """

    def __init__(self, limits: Limits, access: Access, *, contact: str | None = None, pace: Pace | None = None) -> None:
        self._limits, self._access = limits, access
        self._pace = pace or Pace(limits.requests_per_s)
        self._clock: Clock = self._pace.clock
        self._refusals: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._robots = RobotRules(PACKAGE, lambda url: self._fetch(Ask(url, for_rules=True)))
        agent = user_agent(contact)
        self._public, self._mapped = session(agent, loopback=False), session(agent, loopback=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._public.close()
        self._mapped.close()

    def get(self, url: str) -> Response:
        """Fetch an address, following redirects between allowed hosts.

        Raises:
            FetchError: it could not be had, or must not be asked.
        """
        return self._fetch(Ask(url))

    def post(self, url: str, value: Any) -> Response:
        """Send a value as JSON, with the same retries: only for requests that change nothing at the site.

        Raises:
            FetchError: it could not be had, or must not be asked.
        """
        return self._fetch(Ask(url, json.dumps(value).encode()))

    def _fetch(self, ask: Ask) -> Response:
        last = self._limits.attempts
        for attempt in range(1, last):
            try:
                return self._follow(ask, attempt)
            except _TransientError as fault:
                self._pause(fault, attempt)
        try:
            return self._follow(ask, last)
        except _TransientError as fault:
            self._count(self._lost, host_of(fault.url), 1)
            raise FetchError(fault.url, fault.reason, status=fault.status, attempts=last) from fault

    def _pause(self, fault: _TransientError, attempt: int) -> None:
        """Wait before the next attempt: as long as the site asks all of us to, else a random while."""
        if fault.wait_s is None:
            self._pace.back_off(attempt)
        else:
            self._pace.hold(host_of(fault.url), fault.wait_s)

    def _follow(self, ask: Ask, attempt: int) -> Response:
        left_s = self._limits.timeout_s  # for all hops together, less the waiting between them
        for _ in range(MAX_HOPS + 1):
            self._admit(ask, attempt)
            self._pace.wait(host_of(ask.url))
            begun = time.monotonic()
            answer = self._exchange(ask, attempt, left_s)
            left_s = max(SHORTEST_S, left_s - (time.monotonic() - begun))
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return self._judged(answer, ask)
            ask = ask.at(self._target(ask.url, target, attempt), answer.status)
        raise FetchError(ask.url, "too_many_redirects", attempts=attempt)

    def _target(self, url: str, target: str, attempt: int) -> str:
        """Where a redirect leads; one that puts our token into an address is not followed."""
        try:
            joined = urljoin(url, target)
        except ValueError as error:  # such as https://[
            raise FetchError(url, "bad_redirect", attempts=attempt) from error
        if any(token in joined for token in self._access.tokens.values()):
            raise FetchError(url, "bad_redirect", attempts=attempt)
        return joined

    def _admit(self, ask: Ask, attempt: int) -> None:
        url, host = ask.url, host_of(ask.url)
        if not url.lower().startswith("https://"):
            raise FetchError(url, "not_https", attempts=attempt)
        if host not in self._access.hosts:
            raise FetchError(url, "host_not_allowed", attempts=attempt)
        if self._refusals[host] >= MAX_REFUSALS:
            raise FetchError(url, "host_stopped", attempts=attempt - 1)
        if self._lost[host] >= MAX_LOST:
            raise FetchError(url, "host_down", attempts=attempt - 1)
        if not ask.for_rules and not url.startswith(self._access.documented):
            self._obey(url, host, attempt)

    def _obey(self, url: str, host: str, attempt: int) -> None:
        """Keep to the host's robots.txt; that file itself may always be asked for."""
        if urlsplit(url).path == "/robots.txt":
            return
        rules = self._robots.of(host)
        if not rules.allows(url):
            raise FetchError(url, "robots_disallowed", attempts=attempt - 1)
        self._pace.slow_down(host, rules.delay_s)

    def _exchange(self, ask: Ask, attempt: int, left_s: float) -> Response:
        try:
            with self._open(ask, left_s) as reply:
                content = self._body(reply.raw, ask.url, attempt)
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return Response(ask.url, reply.status_code, headers, content, attempt)
        except PrivateAddressError as error:
            self._count(self._lost, host_of(ask.url), 1)
            raise FetchError(ask.url, "private_address", attempts=attempt) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise _TransientError(ask.url, "timed_out") from error
        except requests.ConnectionError as error:
            raise _TransientError(ask.url, "connection_failed") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _TransientError(ask.url, "broken_off") from error

    def _open(self, ask: Ask, left_s: float) -> requests.Response:
        """Send the request; a mapped host is asked over plain HTTP on loopback, under its public name."""
        parts, url = urlsplit(ask.url), ask.url
        place, chosen, headers = self._access.host_map.get(parts.netloc), self._public, ask.headers
        if (token := self._access.tokens.get(parts.netloc)) is not None:
            headers["Authorization"] = f"Bearer {token}"
        if place is not None:
            chosen, headers["Host"] = self._mapped, parts.netloc
            url = parts._replace(scheme="http", netloc=place).geturl()
        return chosen.request(
            ask.method,
            url,
            data=ask.body,
            headers=headers,
            timeout=urllib3.Timeout(total=left_s),  # type: ignore[arg-type]  # the stubs lack it
            stream=True,
            allow_redirects=False,
        )

    def _body(self, raw: urllib3.BaseHTTPResponse, url: str, attempt: int) -> bytes:
        """Read to the end: at most ``max_bytes`` once decompressed."""
        content = bytearray()
        for piece in pieces(raw, PIECE_BYTES):
            content += piece
            if len(content) > self._limits.max_bytes:
                raise FetchError(url, "too_large", attempts=attempt)
        return bytes(content)

    def _judged(self, answer: Response, ask: Ask) -> Response:
        host = host_of(answer.url)
        if is_challenge(answer):
            self._count(self._refusals, host, MAX_REFUSALS)
            raise FetchError(answer.url, "challenge", status=answer.status, attempts=answer.attempts)
        if answer.status in TRANSIENT:
            wait_s = retry_after_s(answer.headers.get("retry-after"), self._clock.wall())
            raise _TransientError(answer.url, f"http_{answer.status}", answer.status, wait_s)
        self._lost[host] = 0
        if answer.status in REFUSED and not ask.for_rules:
            self._count(self._refusals, host, 1)
        elif 200 <= answer.status < 300:
            self._refusals[host] = 0
            return answer
        raise FetchError(answer.url, reason_of(answer.status), status=answer.status, attempts=answer.attempts)

    def _count(self, kind: Counter[str], host: str, weight: int) -> None:
        with self._lock:
            kind[host] += weight


__all__ = ["PACKAGE", "Access", "FetchError", "Limits", "PoliteSession", "Response", "host_of", "user_agent"]
