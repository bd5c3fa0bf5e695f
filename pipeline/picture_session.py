"""The client for pictures of the enabled sources, from the sites or from the servers that stand in for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.downloading import DownloadParams
from pipeline.http import Limits, PoliteSession
from pipeline.serving import serving
from pipeline.sources import access
from pipeline.sources.settings import SourcesParams


@contextmanager
def opened(config: DownloadParams, sources: SourcesParams) -> Iterator[PoliteSession]:
    """Start the servers that stand in for sites and give a client that may ask the enabled sources' picture hosts.

    Raises:
        SettingError: a server module cannot be used.
    """
    limits = Limits(config.requests_per_s, config.attempts, config.timeout_s, round(config.max_mb * 1e6))
    modules = {f"sources.{name}.serve": sources.site(name).serve for name in sources.enabled}
    with (
        serving(modules) as host_map,
        PoliteSession(limits, access.to_pictures(sources.enabled, host_map), contact=sources.contact) as session,
    ):
        yield session
