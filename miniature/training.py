"""One resumable training loop for all the miniature's models.

Every step draws its batch from a generator seeded by (seed, step), so a killed training goes on from its last
checkpoint exactly as if nothing had happened. Checkpoints are safetensors files, written whole or not at all.
"""

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.files import atomic_file

Loss = Callable[[random.Random, torch.Generator], Tensor]
"""The loss of one batch, drawn with the two generators of its step."""


class OutOfTimeError(Exception):
    """The minutes given are over; the checkpoint is written and the same command goes on from it."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    steps: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    ema: float = 0.0
    """Decay of the averaged weights that are kept, freed of the share of the first ones; 0 keeps the last ones."""
    checkpoint_every: int = 200
    seed: int = 0
    bf16: bool = True
    """Multiply in bfloat16 where the processor does it faster than in float32 (`multiplies_bf16`)."""


@dataclass(frozen=True)
class Session:
    """Where checkpoints lie and when to stop."""

    folder: Path
    until: float = math.inf
    """`time.monotonic()` at which training stops with OutOfTimeError."""


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def multiplies_bf16() -> bool:
    """Whether products in bfloat16 are worth it: on GPUs that know them and on processors with AVX512_BF16 or AMX."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def train(name: str, model: nn.Module, loss: Loss, plan: Plan, session: Session, *, inputs: str = "") -> None:
    """Train in place; at the end the model holds its (averaged) weights and stands in evaluation mode.

    Args:
        name: of the checkpoint file.
        model: its parameters that require gradients are trained.
        loss: called once a step.
        plan: steps, rates, seed.
        session: where to keep checkpoints, when to stop.
        inputs: digest of what the losses are computed from and the plan does not hold, such as frozen models.

    Raises:
        OutOfTimeError: the session's time is over; a checkpoint holds what was reached.
    """
    run = _Run(name, model, plan, session, inputs)
    mixed = torch.autocast(device().type, torch.bfloat16, enabled=plan.bf16 and multiplies_bf16())
    model.train()
    for step in run.steps():
        for group in run.optimiser.param_groups:
            group["lr"] = plan.learning_rate * rate_factor(step, plan)
        noise = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        with mixed:
            value = loss(random.Random(f"{plan.seed}.{step}"), noise)
        value.backward()
        nn.utils.clip_grad_norm_(run.trained, 1.0)
        run.optimiser.step()
        run.optimiser.zero_grad(set_to_none=True)
        run.average()
        run.report(step, value)
    run.finish()


def rate_factor(step: int, plan: Plan) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Of weights that another training starts from: 8 hexadecimal digits."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].detach().float().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:8]


def _digest(plan: Plan, shapes: Mapping[str, Tensor], inputs: str) -> str:
    """Another plan, another architecture or another input is another training: their checkpoints do not meet."""
    told = [repr(plan), *(f"{name} {tuple(value.shape)}" for name, value in shapes.items()), inputs]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]


class _Run:
    """State of one training: optimiser, averaged weights, progress, checkpoints."""

    def __init__(self, name: str, model: nn.Module, plan: Plan, session: Session, inputs: str) -> None:
        from tqdm import tqdm

        self.plan, self.session = plan, session
        self.named = {key: value for key, value in model.named_parameters() if value.requires_grad}
        self.path = session.folder / f"{name}-{_digest(plan, self.named, inputs)}.safetensors"
        self.trained: list[Tensor] = list(self.named.values())
        self.model = model
        self.optimiser = torch.optim.AdamW(self.trained, lr=plan.learning_rate, weight_decay=plan.weight_decay)
        self.first = [value.detach().clone() for value in self.trained] if plan.ema else []
        self.averaged = [value.clone() for value in self.first]
        self.start = self._restore()
        self.bar = tqdm(total=plan.steps, initial=self.start, desc=name, mininterval=10)

    def steps(self) -> range:
        return range(self.start, self.plan.steps)

    @torch.no_grad()
    def average(self) -> None:
        if self.averaged:
            torch._foreach_lerp_(self.averaged, self.trained, 1 - self.plan.ema)

    def report(self, step: int, value: Tensor) -> None:
        self.bar.update()
        if step % 50 == 0:
            self.bar.set_postfix(loss=f"{value.item():.4f}")
        done = step + 1
        over = time.monotonic() > self.session.until
        if done % self.plan.checkpoint_every == 0 or over or done == self.plan.steps:
            self._save(done)
        if over and done < self.plan.steps:
            self.bar.close()
            raise OutOfTimeError(f"{self.bar.desc}: {done} of {self.plan.steps} steps; the same command goes on")

    @torch.no_grad()
    def finish(self) -> None:
        self.bar.close()
        left = self.plan.ema**self.plan.steps
        if self.averaged and left < 1:
            for target, first, mean in zip(self.trained, self.first, self.averaged, strict=True):
                target.copy_((mean - left * first) / (1 - left))
        self.model.eval()

    def _save(self, done: int) -> None:
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {f"model.{key}": value.detach() for key, value in self.named.items()}
        for index, parameter in enumerate(self.trained):
            for key, value in self.optimiser.state[parameter].items():
                tensors[f"optimiser.{index}.{key}"] = value
        tensors |= {f"averaged.{index}": value for index, value in enumerate(self.averaged)}
        whole = {key: value.clone().contiguous() for key, value in tensors.items()}
        with atomic_file(self.path) as target:
            save_file(whole, target, {"done": str(done)})

    def _restore(self) -> int:
        """Load the checkpoint where there is one; the number of steps it has done."""
        from safetensors import safe_open

        if not self.path.is_file():
            return 0
        with safe_open(self.path, "pt") as saved:
            done = int(saved.metadata()["done"])
            tensors: dict[str, Any] = {key: saved.get_tensor(key) for key in saved.keys()}  # noqa: SIM118
        with torch.no_grad():
            for key, weight in self.named.items():
                weight.copy_(tensors[f"model.{key}"])
            for index, mean in enumerate(self.averaged):
                mean.copy_(tensors[f"averaged.{index}"])
        for index, parameter in enumerate(self.trained):
            state = {key: tensors[f"optimiser.{index}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            self.optimiser.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in state.items()
            }
        return done
