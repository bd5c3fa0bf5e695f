"""What an answer of a web site means: the complete answer, the one error, and which status is which."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import SourceError

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})
REFUSED = frozenset({401, 403, 451})
GONE = frozenset({404, 410})
REDIRECTS = frozenset({301, 302, 303, 307, 308})

# Asking again would give the same: the address is gone, too much, or not for us. A private address is not among them:
# the log-in page of a hotel's network answers for every name until somebody has logged in.
FINAL = frozenset(
    {
        "not_found",
        "refused",
        "too_large",
        "not_https",
        "host_not_allowed",
        "robots_disallowed",
        "noai",
    }
)

_SENTENCES = {
    "connection_failed": "could not be reached",
    "timed_out": "did not answer in time",
    "broken_off": "broke off in the middle of an answer",
    "too_large": "sent more bytes than are allowed",
    "not_found": "has no such page",
    "refused": "refuses access; this is not bypassed",
    "challenge": "answers with a challenge for people; this is not bypassed",
    "host_stopped": "refused before and is not asked again",
    "host_down": "did not give many addresses in a row and is not asked again in this run",
    "host_not_allowed": "is not a host of this source",
    "not_https": "was named without https",
    "private_address": "leads to a private address; only the internet is asked",
    "robots_disallowed": "does not allow this address in its robots.txt",
    "noai": "keeps this from training by its X-Robots-Tag",
    "robots_unreadable": "did not give its robots.txt, so that nothing there may be asked",
    "bad_redirect": "redirects to an address that is not followed",
    "too_many_redirects": "redirects without end",
}


class FetchError(SourceError):
    """One address that could not be had; ``reason`` is one word, counted in reports."""

    def __init__(self, url: str, reason: str, *, status: int | None = None, attempts: int = 0) -> None:
        sentence = _SENTENCES.get(reason, f"answered with status {status}")
        told = f", status {status}" if status is not None and reason in _SENTENCES else ""
        tried = f" after {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"{host_of(url)} {sentence}{tried} ({url}{told})")
        self.url, self.reason, self.status, self.attempts = url, reason, status, attempts


@dataclass(frozen=True)
class Response:
    """A complete answer with a status of 200 to 299; ``url`` is the address that gave it in the end."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    attempts: int

    @property
    def text(self) -> str:
        """The body as UTF-8, bad bytes replaced."""
        return self.content.decode("utf-8", errors="replace")


def host_of(url: str) -> str:
    """The host of an address, with its port if it names one; empty where it is no address (``https://[``)."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def reason_of(status: int) -> str:
    """One word for a status that is final."""
    if status in REFUSED:
        return "refused"
    return "not_found" if status in GONE else f"http_{status}"


def is_final(reason: str, status: int | None) -> bool:
    """Whether a failure stays as it is when the address is asked again."""
    if reason in FINAL:
        return True
    return reason == f"http_{status}" and status is not None and 400 <= status < 500 and status not in TRANSIENT


def is_challenge(answer: Response) -> bool:
    """A wall for people in front of a page, as Cloudflare marks it."""
    if answer.headers.get("cf-mitigated") == "challenge":
        return True
    is_page = "html" in answer.headers.get("content-type", "")
    return is_page and b"<title>just a moment" in answer.content[:4096].lower()
