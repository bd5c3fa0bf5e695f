import pytest


@pytest.fixture
def axes(monkeypatch):
    """What was drawn: panels in order, kept when the figure is saved."""
    from matplotlib.figure import Figure

    kept, save = [], Figure.savefig

    def savefig(self, *arguments, **options):
        kept[:] = self.axes
        return save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return kept
