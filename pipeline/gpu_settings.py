"""Settings that only a GPU or an extra can do: told before the stages in front of them have run for nothing."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pipeline.engine import ComputeParams
from pipeline.errors import SettingError
from pipeline.llm import LlmParams
from pipeline.params import PARAMS, wrong
from pipeline.training_settings import TrainParams

Fault = tuple[str, str]
"""A key of params.yaml, and what is wrong with it."""


def refuse(llm: LlmParams, train: TrainParams | None, compute: ComputeParams, path: Path = PARAMS) -> None:
    """Refuse what can only fail here, whatever the models are.

    Args:
        llm: how ``embed`` is to load the LLM.
        train: how is to be trained; None where nothing is.
        compute: where.
        path: the settings file.

    Raises:
        SettingError: one line for every such setting.
    """
    found = [*_llm_faults(llm, compute), *(_train_faults(train, compute) if train is not None else ())]
    if found:
        raise SettingError("\n".join(str(wrong(key, message, path)) for key, message in found))


def _llm_faults(config: LlmParams, compute: ComputeParams) -> Iterator[Fault]:
    if config.quantisation != "none":
        yield from _eight_bits("llm.quantisation", config.quantisation, "none", compute)


def _train_faults(config: TrainParams, compute: ComputeParams) -> Iterator[Fault]:
    if config.optimiser == "adamw8bit":
        yield from _eight_bits("train.optimiser", config.optimiser, "adamw", compute)
    if config.precision == "fp16" and compute.device == "cpu":
        yield "train.precision", "fp16 needs a GPU, but compute.device is cpu: take fp32 or bf16"


def _eight_bits(key: str, value: str, instead: str, compute: ComputeParams) -> Iterator[Fault]:
    if importlib.util.find_spec("bitsandbytes") is None:
        yield key, f"{value} needs bitsandbytes: pip install '.[quantised]' -c constraints.txt, or take {instead}"
    if not compute.device.startswith(("auto", "cuda")):
        yield key, f"{value} needs a CUDA GPU, but compute.device is {compute.device}: take {instead}"
