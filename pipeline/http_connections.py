"""Connections that end at a deadline and lead to public addresses alone.

A timeout of ``requests`` is one for each read: a server that sends a byte now and then, in a header, in the body or in
the head of a gzip stream, holds a thread for ever. Here every read gets only what is left of the whole request's time.
"""

import io
import socket
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any, BinaryIO

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

CONNECTIONS = 64
NAT64 = IPv6Network("64:ff9b::/96")
SHORTEST_S = 1e-3  # a timeout of 0 would mean "do not wait", one below it is refused


class PrivateAddressError(Exception):
    """A name that leads to this machine or to a network of its own instead of the internet."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet: not private, loopback, link-local, reserved or multicast.

    An IPv4 address inside an IPv6 one (mapped, 6to4, NAT64) counts as what it leads to.
    """
    place = ip_address(address)
    if isinstance(place, IPv6Address):
        inner = place.ipv4_mapped or place.sixtofour
        if place in NAT64:
            inner = ip_address(int(place) & 0xFFFFFFFF)  # type: ignore[assignment]  # 32 bits are always IPv4
        if inner is not None:
            return is_public(str(inner))
    return place.is_global and not place.is_multicast


def public_addresses(host: str, port: int) -> list[str]:
    """The IP addresses of a name.

    Raises:
        PrivateAddressError: one of them is not public.
        OSError: the name has none.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not is_public(address):
            raise PrivateAddressError(host)
    return list(dict.fromkeys(found))


class _ReadUntil(io.RawIOBase):
    """A socket's bytes until a moment of the monotonic clock."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open as long as it is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._until))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Socket:
    """The one method of a socket that :class:`http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def makefile(self, _: str) -> BinaryIO:
        return io.BufferedReader(_ReadUntil(self._sock, self._until))


def _left(until: float) -> float:
    """Seconds until a moment.

    Raises:
        TimeoutError: it has passed.
    """
    left = until - time.monotonic()
    if left <= 0.0:
        raise TimeoutError("the request's time is over")
    return max(left, SHORTEST_S)


class _Timed(HTTPConnection):
    """Reads an answer's head and body within what is left of the request's time."""

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3 does
        assert isinstance(self.timeout, int | float)  # urllib3 sets what is left of Timeout(total=...)
        until = time.monotonic() + self.timeout

        def response(sock: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
            return HTTPResponse(_Socket(sock, until), *args, **options)  # type: ignore[arg-type]

        self.response_class = response  # type: ignore[assignment]
        return super().getresponse()


class _Public(_Timed):
    """Connects to the address that was checked, so that a name cannot lead elsewhere a moment later."""

    def _new_conn(self) -> socket.socket:
        assert isinstance(self.timeout, int | float)
        until = time.monotonic() + self.timeout
        try:
            addresses = public_addresses(self.host, self.port)
        except (OSError, UnicodeError) as error:  # the second for names that DNS cannot hold
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        return self._first(addresses, until)

    def _first(self, addresses: list[str], until: float) -> socket.socket:
        """A connection to the first address that answers; its timeout is what is left for a TLS handshake."""
        fault: OSError = OSError("no address")
        for address in addresses:
            try:
                sock = create_connection((address, self.port), _left(until), socket_options=self.socket_options)
                sock.settimeout(_left(until))
                return sock
            except TimeoutError as error:
                raise ConnectTimeoutError(self, f"{self.host} did not answer in time") from error
            except OSError as error:
                fault = error
        raise NewConnectionError(self, f"{self.host} could not be reached: {fault}") from fault


class _TimedTls(_Timed, HTTPSConnection):
    pass


class _PublicTls(_Public, HTTPSConnection):
    pass


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TimedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _Public


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicTls


TIMED: Mapping[str, type[HTTPConnectionPool]] = {"http": _TimedPool, "https": _TimedTlsPool}
PUBLIC: Mapping[str, type[HTTPConnectionPool]] = {"http": _PublicPool, "https": _PublicTlsPool}


class _Adapter(HTTPAdapter):
    """Connections of the given kind. Behind a proxy it is the proxy that resolves names, so only time is watched."""

    def __init__(self, pools: Mapping[str, type[HTTPConnectionPool]]) -> None:
        self._pools = pools
        super().__init__(pool_maxsize=CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dict(self._pools)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = dict(TIMED)
        return manager


class _Session(requests.Session):
    """Leaves redirects to the caller: requests would read their whole body, however long, to prepare the next step."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def session(user_agent: str, *, loopback: bool) -> requests.Session:
    """A session without cookies, logins of this machine and retries of its own.

    Args:
        user_agent: who asks.
        loopback: the session of hosts that are mapped to this machine: any address, and no proxy of the environment,
            which cannot see this machine's loopback.
    """
    made = _Session()
    made.headers.update({"User-Agent": user_agent, "Accept": "*/*"})
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    made.auth = _without_login
    made.trust_env = not loopback
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(TIMED if loopback else PUBLIC))
    return made


def pieces(raw: urllib3.BaseHTTPResponse, size: int) -> Iterator[bytes]:
    """An answer's unpacked bytes as they come, at most ``size`` at a time."""
    while piece := raw.read1(size, decode_content=True):
        yield piece


def _without_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from sending what a .netrc of this machine holds."""
    return request
