"""An adapter for the tiny model that changes every prompt: its g does not start at zero."""

from pipeline.adapters.settings import AdapterParams
from pipeline.adapters.sur import SurAdapter
from tests.pipeline import tiny_models
from tests.pipeline.adapters.test_sur import BASE


def strong(width=tiny_models.WIDTH, **changes):
    params = AdapterParams(**{**BASE, "g_init": "normal", **changes})
    return SurAdapter(params, width=width, llm_width=4, w0_seed=0).eval().requires_grad_(False)
