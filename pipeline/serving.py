"""Loopback servers that stand in for sites: started on a free port for one stage, stopped at its end.

A server module has ``serve() -> AbstractContextManager[dict[str, str]]``, giving ``{host: "127.0.0.1:port"}``.
Addresses in tables stay the public ones; only the HTTP client knows the map.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from pipeline.errors import SettingError

Serve = Callable[[], AbstractContextManager[dict[str, str]]]


@contextmanager
def serving(modules: Mapping[str, str | None]) -> Iterator[dict[str, str]]:
    """Start every named server module once and give the joined host map.

    Args:
        modules: setting (``sources.lexica.serve``) to module name; None is a real site, which needs no server.

    Raises:
        SettingError: a name is no such module.
    """
    host_map: dict[str, str] = {}
    with ExitStack() as stack:
        for name, key in {name: key for key, name in modules.items() if name is not None}.items():
            host_map.update(stack.enter_context(_server(key, name)()))
        yield host_map


def _server(key: str, name: str) -> Serve:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise SettingError(f"{key} names no module that can be imported: {name!r}") from error
    serve: Serve | None = getattr(module, "serve", None)
    if serve is None:
        raise SettingError(f"{key} names a module without serve(): {name!r}")
    return serve
