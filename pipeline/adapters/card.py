"""The model card of an adapter folder."""

from pipeline.adapters.config import AdapterConfig, LlmRead, OfficialConfig, StatesNamed, name_of
from pipeline.model_folders import is_folder

PACKAGE = "sur-workflow"
SPEAKING = """adapter.attach(pipe.unet)  # before the processors of its cross-attention
config = folder.read_config(Path("."))
load = lambda llm: block_states.load(llm, llm.layer, device="cpu", batch=64)  # for texts that are not in .work yet
read = prompt_states.read(config, [], build=load)
prompt, negative = (adapter(read(text), eta={eta}) for text in ("seven vintage glass bottles", ""))
picture = pipe(prompt_embeds=prompt, negative_prompt_embeds=negative).images[0]  # of the base model's pipeline"""
SAVED = """
The frozen projection of the language model's vector (W0) and its statistics are saved with the weights."""


def trained(config: AdapterConfig) -> str:
    """The card of an adapter that was trained here."""
    return f"""{_head(config)}
# {_title(config)} for {config.base.model}

{_purpose(config)} It works with its own base model only and refuses every other.

| | |
|---|---|
| kind | {config.adapter.kind} |
| base model | `{name_of(config.base)}` |
| U-Net | {_unet(config)} |
| language model | {_language(config)} |
| eta | {config.adapter.eta} (a dial at run time: 0 is the untouched base model, bit for bit) |
{_mixing(config)}| trained steps | {config.steps:,} |
| weights | {"moving average" if config.moving_average else "as trained"} |
| made with | {PACKAGE} {config.package_version} |

## Use

{_use(config)}
What it was trained on and how well it does: see the data set's card and the report of the workflow that made it.
"""


def _title(config: AdapterConfig) -> str:
    match config.adapter.kind:
        case "sur":
            return "SUR-adapter"
        case "llm4gen":
            return "Cross-Adapter Module"
        case "none":
            return "U-Net weights, the control without a language model,"
        case "llmdiff":
            return "LLMDiff-Adapter"


def _purpose(config: AdapterConfig) -> str:
    match config.adapter.kind:
        case "sur":
            frozen = "frozen " if config.unet is None else ""
            return (
                f"Gives a {frozen}text-to-image model some of a language model's understanding of plain sentences "
                "(SUR-adapter,\narXiv 2305.05189)."
            )
        case "llm4gen":
            return (
                "Gives a text-to-image model a language model's states of each prompt beside its own (LLM4GEN,\n"
                "arXiv 2407.00737): the language model is needed for each picture."
            )
        case "none":
            return "Parts of the U-Net, trained on the adapters' data without any language model: what data alone do."
        case "llmdiff":
            return (
                "A text-to-image model that hears a language model in place of its text encoder, in a second branch\n"
                "of each cross-attention and through one that it had (LLMDiff-Adapter, arXiv 2502.04412)."
            )


def _unet(config: AdapterConfig) -> str:
    if config.unet is None:
        return "frozen"
    what = "cross-attention" if config.unet.parts == "cross_attention" else "all of it"
    return f"trained too: {what}, in `unet.safetensors`"


def _language(config: AdapterConfig) -> str:
    if config.llm is None:
        return "none"
    match config.llm:
        case StatesNamed(dtype=dtype, layer=layer):
            return f"`{name_of(config.llm)}` ({dtype}), layer {layer} counted from 1, needed for every picture"
        case LlmRead(dtype=dtype, store_dtype=kept, layer=layer):
            how = f"({dtype}, states in {kept}), its first {layer} blocks"
            return f"`{name_of(config.llm)}` {how}, needed for every picture"
    return f"`{name_of(config.llm)}`, layer {config.llm.layer} counted from 1, needed for training only"


def _mixing(config: AdapterConfig) -> str:
    return f"| mixing | {config.adapter.mixing} |\n" if config.adapter.kind == "sur" else ""


def _use(config: AdapterConfig) -> str:
    lines = [_loading(config)]
    if config.unet is not None:
        lines.append('pipe.unet.load_state_dict(folder.load_unet(Path("."), pipe.unet), strict=False)')
    match config.adapter.kind:
        case "sur":
            lines.append(
                f"condition = adapter(text_states).condition  # (batch, 77, {config.width}): give it as prompt_embeds"
            )
        case "llm4gen":
            tokens = config.adapter.llm4gen.tokens
            lines += [
                f"# llm_states: (batch, {tokens}, {config.llm_width}), zeros behind each prompt's own; negatives too",
                f"condition = adapter(text_states, llm_states)  # (batch, {77 + tokens}, {config.width})",
            ]
        case "llmdiff":
            lines.append(SPEAKING.format(eta=config.adapter.eta))
    text = "```python\n" + "\n".join(lines) + "\n```\n"
    return text + SAVED if config.adapter.kind == "sur" else text


def official(config: OfficialConfig) -> str:
    """The card of a converted official adapter: what is known of it, and what is not."""
    return f"""{_head(config)}
# SUR-adapter of the authors, for {config.base.model}

Weights that the authors of the SUR-adapter (arXiv 2305.05189) published, converted from their file and used as their
released code uses them, with its dropout off. For inference only.

| | | known from |
|---|---|---|
| base model | `{name_of(config.base)}` | whoever converted it: the file does not tell |
| eta | {config.adapter.eta} (a dial at run time: 0 is the base model) | whoever converted it: the file does not tell |
| language model and layer | unknown | |
| trained steps, data, W0 | unknown | |
| text states | {config.width} features | the weights' shapes |
| their file | SHA-256 `{config.official_sha256}` | |
| converted with | {PACKAGE} {config.package_version} | |

With another base model than theirs it loads and draws, and the pictures mean nothing.

## Use

```python
import torch
{_loading(config)}
both = adapter(torch.cat([negative_states, text_states])).condition  # (2, 77, {config.width}), one prompt a call
negative_embeds, prompt_embeds = both.chunk(2)
```

**A prompt's condition depends on what else is in the batch.** The authors' Transformer attends across the batch, and
their pipeline gives it the negative prompt and the prompt together; so does this workflow, for one prompt at a time.
"""


def _head(config: AdapterConfig | OfficialConfig) -> str:
    hub = f"base_model: {config.base.model}\n" if not is_folder(config.base.model) else ""
    return f"""---
library_name: diffusers
tags: [text-to-image, sur-adapter]
{hub}---
"""


def _loading(config: AdapterConfig | OfficialConfig) -> str:
    speaks = config.adapter.kind == "llmdiff"
    also, unet = ("from pipeline import block_states, prompt_states\n", ", unet=pipe.unet") if speaks else ("", "")
    return f"""from pathlib import Path
{also}from pipeline.adapters import folder

base = folder.Named(model="{config.base.model}", revision="{config.base.revision}")
adapter = folder.load(Path("."), base=base, width={config.width}{unet})"""
