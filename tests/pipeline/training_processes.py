"""One small training of each kind on as many processes as torchrun started; the main one keeps weights and figures.

torchrun --nproc_per_node 2 -m tests.pipeline.training_processes FOLDER
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipeline.files import write_json
from pipeline.training import Trainer
from pipeline.training_recipe import accelerator
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import KINDS, examples, recipe, silent

TRAINED = ("sur frozen", "sur cross_attention", "llm4gen frozen", "none cross_attention", "llmdiff frozen")
CHOSEN = {"learning_rate": 1e-3, "steps": 4, "caption_dropout": 0.25, "ema_decay": 0.5, "keep": "best"}


def run(root, made):
    """Train each kind in a folder of its name; the global batch is the same for any number of processes."""
    for kind in TRAINED:
        _run(root / kind, made, kind)
        made.free_memory()
        made.wait_for_everyone()


def _run(folder, made, kind):
    if made.is_main_process:
        folder.mkdir()
    made.wait_for_everyone()
    sections = KINDS[kind]
    name = sections.get("adapter", {}).get("kind", "sur")
    chosen = recipe(sections.get("adapter"), **{**CHOSEN, **sections.get("train", {})})
    parts = examples(10, kind=name), examples(3, seed=1, sides=1, kind=name)
    running = Trainer(chosen, tiny_models.load(), *parts, accelerator=made, folder=folder / "run", micro_batch=4)
    if made.is_main_process:
        save_file(_weights(running), folder / "start.safetensors")
    trained = running.run(silent)
    if made.is_main_process:
        save_file(_weights(trained), folder / "end.safetensors")
        write_json(folder / "history.json", {"processes": made.num_processes, "history": trained.history})


def _weights(of):
    return {name: value.detach().clone() for name, value in of.learned.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    tiny_models.folder()  # before the processes know each other: later, transformers saves in the first one alone
    run(Path(sys.argv[1]), accelerator("fp32", "cpu"))
