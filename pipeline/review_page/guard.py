"""Who may ask the page's server: its own page in a browser that was let in, under an address of this machine.

Three things keep others out. The Host must be this machine's (a name that somebody else's DNS points here is refused);
the browser must hold the cookie that the printed address sets (other users of the machine have no token); and what is
posted must come from the page's own origin, with a token that other sites cannot read.
"""

import hashlib
import hmac
import ipaddress
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
TOKEN_HEADER = "X-Review-Token"
SAME = frozenset({"same-origin", "none"})
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer: nothing from elsewhere, no inline script, no frame, no other site reads a picture."""


def token(path: Path) -> str:
    """The secret in the printed address, made once and kept for the owner's eyes: pages outlive a restarted server."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if known := path.read_text(encoding="ascii").strip():
            return known
        descriptor = os.open(path, os.O_WRONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        made = secrets.token_urlsafe(24)
        file.write(made)
    return made


def page_token(secret: str) -> str:
    """What posts of the page carry: known to pages that were let in alone."""
    return hashlib.sha256(f"page {secret}".encode()).hexdigest()


def is_local(host: str) -> bool:
    """Whether an address to listen on is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name or address in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def host_allowed(host: str, listening: str) -> bool:
    """Whether a Host header names this machine; a port may differ (ssh -L).

    Beyond loopback any bare address is allowed too: rebinding needs a name.
    """
    name = host_name(host).lower()
    if name in LOCAL_NAMES or name == listening.lower():
        return True
    if is_local(listening):
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def same(given: str | None, wanted: str) -> bool:
    """Whether a secret is right, in a time that does not tell how much of it is."""
    return hmac.compare_digest((given or "").encode(), wanted.encode())


def may_post(headers: Mapping[str, str], secret: str) -> bool:
    """Whether a post comes from the page itself: its Origin is the Host that was asked, and it knows the token."""
    own = headers.get("Origin") == f"http://{headers.get('Host')}"
    return own and same(headers.get(TOKEN_HEADER), page_token(secret))


def from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site asks."""
    return headers.get("Sec-Fetch-Site", "none") not in SAME
