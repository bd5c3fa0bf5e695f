"""On what footing the sites are asked: documented addresses, and tokens, which come from the environment alone."""

import os
from collections.abc import Iterable, Mapping

from pipeline.errors import SettingError
from pipeline.http import Access
from pipeline.sources.settings import SITE_HOSTS, SourceName

# robots.txt of civitai.com forbids /api/, while its terms (11.4) send programs there; lexica.art/docs has the other.
DOCUMENTED: dict[SourceName, tuple[str, ...]] = {
    "lexica": ("https://lexica.art/api/v1/",),
    "civitai": ("https://civitai.com/api/v1/",),
    "stable_diffusion_online": (),
}
TOKEN_VARIABLES = {"civitai.com": "CIVITAI_TOKEN"}


def to_site(name: SourceName, host_map: Mapping[str, str]) -> Access:
    """The right to ask a source for records.

    Args:
        name: the source.
        host_map: hosts that are served on this machine; they get no token.

    Raises:
        SettingError: a token's variable does not hold a token.
    """
    hosts = SITE_HOSTS[name]
    tokens = {host: _token(TOKEN_VARIABLES[host]) for host in hosts if host in TOKEN_VARIABLES and host not in host_map}
    return Access(
        hosts=hosts,
        documented=DOCUMENTED[name],
        tokens={host: token for host, token in tokens.items() if token},
        host_map=host_map,
    )


def to_pictures(hosts: Iterable[str], host_map: Mapping[str, str]) -> Access:
    """The right to ask hosts of pictures (``SourcesParams.image_hosts``); none of them takes a token."""
    return Access(hosts=frozenset(hosts), host_map=host_map)


def _token(variable: str) -> str:
    """A token from the environment, empty where there is none; its value is told to nobody but its site."""
    value = os.environ.get(variable, "").strip()
    if not all("!" <= sign <= "~" for sign in value):
        raise SettingError(f"{variable} holds characters that no token has (its value is not shown): set it anew")
    return value
