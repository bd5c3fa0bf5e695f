"""The one HTTP client: polite to sites and careful with what they send.

One loop of ours retries, outside the rate limit of each host, because retries inside ``urllib3`` pass the limiter by
and do not see a body that breaks off. A site that refuses is not asked again and never tricked.
"""

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

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
from pipeline.pacing import Clock, Pace, retry_after_s

PACKAGE = "sur-workflow"
MAX_HOPS = 5
MAX_REFUSALS = 3  # in a row from one host: single pictures may be private, a wall is for all
CONNECTIONS = 64
PIECE_BYTES = 65536


class _TransientError(Exception):
    """A failure that another attempt may mend."""

    def __init__(self, url: str, reason: str, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.url, self.reason, self.status, self.wait_s = url, reason, status, wait_s


@dataclass(frozen=True)
class Limits:
    """What one session may do.

    Args:
        requests_per_s: to one host.
        attempts: at one address.
        timeout_s: for one attempt in all, so that a dripping body ends too.
        max_bytes: of one body after decompression.
    """

    requests_per_s: float
    attempts: int
    timeout_s: float
    max_bytes: int


def user_agent(contact: str | None) -> str:
    """Who asks: package, version and, if set, how to reach the person behind it."""
    try:
        name = f"{PACKAGE}/{version(PACKAGE)}"
    except PackageNotFoundError:
        name = PACKAGE
    return f"{name} (+{contact})" if contact else name


class PoliteSession:
    """A client for a stated set of hosts; safe to share between threads.

    Args:
        limits: rate, attempts, time and size.
        allowed_hosts: hosts that may be asked, also by redirects.
        host_map: public host to ``127.0.0.1:port``: the only way to this machine. A redirect is looked up here like
            any address, so it cannot name a loopback address itself.
        contact: an address or page for the user agent.
        pace: rate limit and back-off; a test brings one with its own clock.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        allowed_hosts: Collection[str],
        host_map: Mapping[str, str] | None = None,
        contact: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._limits, self._allowed, self._map = limits, frozenset(allowed_hosts), dict(host_map or {})
        self._pace = pace or Pace(limits.requests_per_s)
        self._clock: Clock = self._pace.clock
        self._refusals: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._public, self._mapped = _requests_session(contact), _requests_session(contact)
        self._mapped.trust_env = False  # a proxy of the environment cannot see this machine's loopback

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
        last = self._limits.attempts
        for attempt in range(1, last):
            try:
                return self._follow(url, attempt)
            except _TransientError as fault:
                self._pause(fault, attempt)
        try:
            return self._follow(url, last)
        except _TransientError as fault:
            raise FetchError(fault.url, fault.reason, status=fault.status, attempts=last) from fault

    def _pause(self, fault: _TransientError, attempt: int) -> None:
        """Wait before the next attempt: as long as the site asks all of us to, else a random while."""
        if fault.wait_s is None:
            self._pace.back_off(attempt)
        else:
            self._pace.hold(host_of(fault.url), fault.wait_s)

    def _follow(self, url: str, attempt: int) -> Response:
        for _ in range(MAX_HOPS + 1):
            self._admit(url, attempt)
            self._pace.wait(host_of(url))
            answer = self._exchange(url, attempt)
            target = answer.headers.get("location")
            if answer.status not in REDIRECTS or not target:
                return self._judged(answer)
            try:
                url = urljoin(url, target)
            except ValueError as error:  # such as https://[
                raise FetchError(url, "bad_redirect", attempts=attempt) from error
        raise FetchError(url, "too_many_redirects", attempts=attempt)

    def _admit(self, url: str, attempt: int) -> None:
        host = host_of(url)
        if urlsplit(url).scheme != "https":
            raise FetchError(url, "not_https", attempts=attempt)
        if host not in self._allowed:
            raise FetchError(url, "host_not_allowed", attempts=attempt)
        if self._refusals[host] >= MAX_REFUSALS:
            raise FetchError(url, "host_stopped", attempts=attempt - 1)

    def _exchange(self, url: str, attempt: int) -> Response:
        deadline = self._clock.now() + self._limits.timeout_s
        try:
            with self._open(url) as reply:
                content = self._body(reply.raw, url, deadline)
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return Response(url, reply.status_code, headers, content, attempt)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise _TransientError(url, "timed_out") from error
        except requests.ConnectionError as error:
            raise _TransientError(url, "connection_failed") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _TransientError(url, "broken_off") from error

    def _open(self, url: str) -> requests.Response:
        """Send the request; a mapped host is asked over plain HTTP on loopback, under its public name."""
        parts = urlsplit(url)
        place = self._map.get(parts.netloc)
        session, headers = self._public, {}
        if place is not None:
            session, headers = self._mapped, {"Host": parts.netloc}
            url = parts._replace(scheme="http", netloc=place).geturl()
        return session.get(url, headers=headers, timeout=self._limits.timeout_s, stream=True, allow_redirects=False)

    def _body(self, raw: urllib3.BaseHTTPResponse, url: str, deadline: float) -> bytes:
        """Read to the end: at most ``max_bytes`` once decompressed, and not beyond the deadline."""
        content = bytearray()
        while piece := raw.read1(PIECE_BYTES, decode_content=True):
            content += piece
            if len(content) > self._limits.max_bytes:
                raise FetchError(url, "too_large", attempts=1)
            if self._clock.now() > deadline:
                raise _TransientError(url, "timed_out")
        return bytes(content)

    def _judged(self, answer: Response) -> Response:
        host = host_of(answer.url)
        if is_challenge(answer):
            self._refuse(host, MAX_REFUSALS)
            raise FetchError(answer.url, "challenge", status=answer.status, attempts=answer.attempts)
        if answer.status in TRANSIENT:
            wait_s = retry_after_s(answer.headers.get("retry-after"), self._clock.wall())
            raise _TransientError(answer.url, f"http_{answer.status}", answer.status, wait_s)
        if answer.status in REFUSED:
            self._refuse(host, 1)
        elif 200 <= answer.status < 300:
            self._refusals[host] = 0
            return answer
        raise FetchError(answer.url, reason_of(answer.status), status=answer.status, attempts=answer.attempts)

    def _refuse(self, host: str, weight: int) -> None:
        with self._lock:
            self._refusals[host] += weight


def _requests_session(contact: str | None) -> requests.Session:
    session = requests.Session()
    session.headers.update({"User-Agent": user_agent(contact), "Accept": "*/*"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = _without_login
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
    return session


def _without_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from sending what a .netrc of this machine holds."""
    return request


__all__ = ["FetchError", "Limits", "PoliteSession", "Response", "host_of", "user_agent"]
