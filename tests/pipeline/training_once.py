"""One small training in a process of its own, which may kill itself with SIGKILL at a chosen moment."""

import os
import signal

import torch
from safetensors.torch import save_file

from tests.pipeline import tiny_models
from tests.pipeline.training_setup import KINDS, recipe, silent, trainer

tiny_models.folder()  # made, with all that it imports, before a process is forked from here
CHOSEN = {"ema_decay": 0.5, "keep": "best", "validate_every": 1, "steps": 5}


def die(*_):
    """As the kernel does it when memory runs out: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(folder, kind, kill_at=None, while_saving=False):
    """Train in ``folder``; leave the weights in ``done.safetensors`` unless killed after a step (counted from 1)."""
    torch.set_num_threads(1)
    every = {"checkpoint_every": 1 if while_saving else 2}
    sections = KINDS[kind]
    adapter = {"dropout": 0.25, **sections.get("adapter", {})}
    running = trainer(folder / "run", recipe(adapter, **CHOSEN, **every, **sections.get("train", {})))
    if while_saving:
        running.accelerator.save_state = _broken_off(running.accelerator.save_state, kill_at)
    trained = running.run(silent if kill_at is None or while_saving else _killing(kill_at))
    weights = {name: value.detach().clone() for name, value in trained.learned.state_dict().items()}
    save_file(weights, folder / "done.safetensors", metadata={"step": str(trained.step)})


def _killing(step):
    return lambda now, figures: die() if now == step else None


def _broken_off(save, step):
    """Saves all of a checkpoint but for its end."""

    def save_and_die(path):
        save(path)
        if path.endswith(f"step-{step:06d}.tmp"):
            die()

    return save_and_die
