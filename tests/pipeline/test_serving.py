import sys
from contextlib import contextmanager
from types import ModuleType

import pytest

from pipeline.errors import SettingError
from pipeline.serving import serving


@pytest.fixture
def server(monkeypatch):
    module = ModuleType("little_site")
    module.events = []

    @contextmanager
    def serve():
        module.events.append("start")
        yield {"a.example": "127.0.0.1:1"}
        module.events.append("stop")

    module.serve = serve
    monkeypatch.setitem(sys.modules, "little_site", module)
    return module


def test_a_server_named_twice_is_started_once_and_stopped(server):
    with serving(
        {"sources.a.serve": "little_site", "sources.b.serve": "little_site", "sources.c.serve": None}
    ) as hosts:
        assert (hosts, server.events) == ({"a.example": "127.0.0.1:1"}, ["start"])
    assert server.events == ["start", "stop"]


def test_real_sites_need_no_server():
    with serving({"sources.a.serve": None}) as hosts:
        assert hosts == {}


@pytest.mark.parametrize(
    ("name", "told"), [("no_such_module", "no module"), ("json.no_such", "no module"), ("json", "without serve")]
)
def test_a_name_that_is_no_server_is_told_with_its_setting(name, told):
    with pytest.raises(SettingError, match=rf"sources\.a\.serve.*{told}"), serving({"sources.a.serve": name}):
        pass


def test_a_fault_inside_a_server_module_keeps_its_traceback(tmp_path, monkeypatch):
    (tmp_path / "broken_site.py").write_text("import not_installed_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"), serving({"sources.a.serve": "broken_site"}):
        pass
