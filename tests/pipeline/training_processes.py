"""One small training on as many processes as torchrun started; the main one keeps weights and figures.

torchrun --nproc_per_node 2 -m tests.pipeline.training_processes FOLDER KIND
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipeline.files import write_json
from pipeline.training import Trainer
from pipeline.training_recipe import accelerator
from tests.pipeline import tiny_models
from tests.pipeline.training_setup import examples, recipe, silent

CHOSEN = {"learning_rate": 1e-3, "steps": 4, "caption_dropout": 0.25, "ema_decay": 0.5, "keep": "best"}


def run(folder, made, kind="sur"):
    """Train; the global batch is the same for any number of processes."""
    model, few = tiny_models.load(), examples(3, seed=1, sides=1)
    running = Trainer(
        recipe({"kind": kind}, **CHOSEN),
        model,
        examples(10),
        few,
        accelerator=made,
        folder=folder / "run",
        micro_batch=4,
    )
    if made.is_main_process:
        save_file(running.adapter.state_dict(), folder / "start.safetensors")
    trained = running.run(silent)
    if made.is_main_process:
        save_file(trained.adapter.state_dict(), folder / "end.safetensors")
        write_json(folder / "history.json", {"processes": made.num_processes, "history": trained.history})


if __name__ == "__main__":
    torch.set_num_threads(1)
    tiny_models.folder()  # before the processes know each other: later, transformers saves in the first one alone
    run(Path(sys.argv[1]), accelerator("fp32", "cpu"), sys.argv[2])
