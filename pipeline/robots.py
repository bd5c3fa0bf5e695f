"""What a host's robots.txt and ``X-Robots-Tag`` say to a program that gathers pictures for training.

robots.txt is read as RFC 9309 has it: none there (status 400 to 499) allows everything, one that cannot be had forbids
everything. The rules themselves are read by Protego, the parser of Scrapy.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from protego import Protego

from pipeline.http_answers import FetchError, Response, is_final

MAX_CHARACTERS = 512_000  # RFC 9309: a parser must read at least 500 KiB; what comes after may be left out
DELAY_CAP_S = 60.0  # a larger Crawl-delay would stall a run as a hostile Retry-After would
NO_TRAINING = frozenset({"noai", "noimageai"})


@dataclass(frozen=True)
class Rules:
    """One host's rules for us; without a parser all is allowed."""

    agent: str
    parser: Protego | None = None

    def allows(self, url: str) -> bool:
        """Whether an address of this host may be asked."""
        return self.parser is None or self.parser.can_fetch(url, self.agent)

    @property
    def delay_s(self) -> float:
        """Least seconds between two requests (``Crawl-delay``), 0 where none is asked for, at most 60."""
        return min(DELAY_CAP_S, (self.parser and self.parser.crawl_delay(self.agent)) or 0.0)


class RobotRules:
    """Rules of every host, each asked for once; safe to share between threads.

    Args:
        agent: the name that rules are looked up by.
        ask: fetches a robots.txt; raises FetchError.
    """

    def __init__(self, agent: str, ask: Callable[[str], Response]) -> None:
        self._agent, self._ask = agent, ask
        self._rules: dict[str, Rules | FetchError] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def of(self, host: str) -> Rules:
        """The rules of one host; whoever comes while they are asked for waits.

        Raises:
            FetchError: they cannot be had, so that nothing there may be asked.
        """
        with self._guard:
            lock = self._locks[host]
        with lock:
            found = self._rules.get(host) or self._read(host)
            self._rules[host] = found
        if isinstance(found, FetchError):
            raise FetchError(found.url, found.reason, status=found.status, attempts=found.attempts)
        return found

    def _read(self, host: str) -> Rules | FetchError:
        url = f"https://{host}/robots.txt"
        try:
            answer = self._ask(url)
        except FetchError as error:
            if says_there_is_none(error):
                return Rules(self._agent)
            return FetchError(url, _told(error), status=error.status, attempts=error.attempts)
        return Rules(self._agent, Protego.parse(answer.text[:MAX_CHARACTERS]))


def _told(error: FetchError) -> str:
    """The host's own trouble where asking later may help; what is final is so for robots.txt, not for every address."""
    return "robots_unreadable" if is_final(error.reason, error.status) else error.reason


def says_there_is_none(error: FetchError) -> bool:
    """A status of 400 to 499, save those that ask us to come later or to be a person."""
    if error.status is None or error.reason == "challenge":
        return False
    return 400 <= error.status < 500 and error.status not in (408, 425, 429)


def forbids_training(tag: str | None, agent: str) -> bool:
    """Whether an ``X-Robots-Tag`` header holds noai or noimageai for us.

    Args:
        tag: the header, several of them joined by commas: ``noai, otherbot: noimageai``.
        agent: our name; a word that another bot's name stands before is not for us.
    """
    for word in (tag or "").lower().split(","):
        named, colon, rule = word.rpartition(":")
        if rule.strip() in NO_TRAINING and (not colon or named.strip() in (agent.lower(), "*")):
            return True
    return False
