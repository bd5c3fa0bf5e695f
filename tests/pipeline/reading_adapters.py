"""Adapters of the kinds that read each prompt with an LLM, and of one that does not, saved as folders; tiny models."""

from pipeline.adapters import folder
from pipeline.adapters.config import LlmNamed, LlmRead, Named, StatesNamed
from pipeline.adapters.llm4gen import CrossAdapter
from pipeline.adapters.llmdiff import LlmDiffAdapter
from pipeline.adapters.settings import AdapterParams
from tests.pipeline import tiny_adapter, tiny_models
from tests.pipeline.adapters.test_llmdiff import spoken
from tests.pipeline.adapters.test_sur import BASE

READ = {"dtype": "float32", "quantisation": "none", "store_dtype": "float16"}


def base():
    return Named(model=str(tiny_models.folder()), revision=tiny_models.revision())


def write(path, kind, llama, *, layer=3, width=16):
    """A folder of this kind; ``llama`` is the LLM's folder and revision."""
    named = {"model": llama[0], "revision": llama[1], "layer": layer}
    about = {"base": base(), "w0_seed": None, "llm_scale": None, "steps": 1}
    unet = tiny_models.load().unet
    params = AdapterParams(**{**BASE, "kind": kind, "eta": 1.0})
    match kind:
        case "sur":
            about |= {"llm": LlmNamed(**named), "w0_seed": 0, "llm_scale": "raw"}
            made = tiny_adapter.strong()
        case "llm4gen":
            about |= {"llm": StatesNamed(**named, **READ, pool_bos=False)}
            made = CrossAdapter(params, width=tiny_models.WIDTH, llm_width=width)
        case "llmdiff":
            about |= {"llm": LlmRead(**named, **READ)}
            made = spoken(LlmDiffAdapter(params, unet, llm_width=width, blocks=layer))
    folder.save(path, made, **about)
    return path


def load(path, model):
    return folder.load(path, base=base(), width=tiny_models.WIDTH, unet=model.unet)
