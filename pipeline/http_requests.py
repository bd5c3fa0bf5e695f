"""What a session may do, whom it may ask, and one request of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Self

PACKAGE = "sur-workflow"
KEEPS_BODY = frozenset({307, 308})


@dataclass(frozen=True)
class Limits:
    """What one session may do.

    Args:
        requests_per_s: to one host.
        attempts: at one address.
        timeout_s: for one attempt in all: connection, headers and body, redirects too, however slowly they come.
        max_bytes: of one body after decompression.
    """

    requests_per_s: float
    attempts: int
    timeout_s: float
    max_bytes: int


@dataclass(frozen=True)
class Access:
    """Which hosts a session may ask, and on what footing.

    Args:
        hosts: that may be asked, also by redirects.
        documented: beginnings of addresses that a site documents for programs. robots.txt, which is written for
            crawlers of pages, does not hold there: Civitai's forbids the very API that its terms point programs to.
        tokens: host to token, sent as ``Authorization: Bearer`` to that host alone.
        host_map: public host to ``127.0.0.1:port``: the only way to this machine. A redirect is looked up here like
            any address, so it cannot name a loopback address itself.
    """

    hosts: Collection[str]
    documented: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    host_map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ask:
    """One request; ``for_rules`` marks the one for robots.txt itself."""

    url: str
    body: bytes | None = None
    for_rules: bool = False

    @property
    def method(self) -> str:
        """GET, or POST where there is a body."""
        return "GET" if self.body is None else "POST"

    @property
    def headers(self) -> dict[str, str]:
        """What the body is."""
        return {} if self.body is None else {"Content-Type": "application/json"}

    def at(self, url: str, status: int) -> Self:
        """The request that a redirect asks for: the same, or without its body as browsers do."""
        return replace(self, url=url, body=self.body if status in KEEPS_BODY else None)


def user_agent(contact: str | None) -> str:
    """Who asks: package, version and, if set, how to reach the person behind it."""
    try:
        name = f"{PACKAGE}/{version(PACKAGE)}"
    except PackageNotFoundError:
        name = PACKAGE
    return f"{name} (+{contact})" if contact else name
