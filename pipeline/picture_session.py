"""What fetches pictures of the enabled sources: from the sites, their stand-ins, or the folders of imports."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.downloading import DownloadParams
from pipeline.http import Limits, PoliteSession
from pipeline.serving import serving
from pipeline.sources import access
from pipeline.sources.local_pictures import Get, LocalPictures, by_scheme
from pipeline.sources.settings import SourcesParams


@contextmanager
def opened(config: DownloadParams, sources: SourcesParams) -> Iterator[Get]:
    """Start the servers that stand in for sites and give what may fetch the enabled sources' pictures.

    Raises:
        SettingError: a server module cannot be used.
    """
    limits = Limits(config.requests_per_s, config.attempts, config.timeout_s, round(config.max_mb * 1e6))
    folders = {name: one.root for name, one in sources.enabled_imports.items()}
    local = LocalPictures(folders, max_bytes=limits.max_bytes)
    with (
        serving(sources.servers) as host_map,
        PoliteSession(limits, access.to_pictures(sources.image_hosts, host_map), contact=sources.contact) as session,
    ):
        yield by_scheme(local.get, session.get)
