"""The trainer (Algorithm 1 of arXiv 2305.05189) under Hugging Face Accelerate: global batches, resume to the same bits.

The frozen models run in the number format of ``train.precision``; the adapter's weights and the losses stay float32.
"""

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import torch

from pipeline import cli
from pipeline.adapters.sur import SurAdapter
from pipeline.diffusion import Diffusion
from pipeline.errors import SettingError
from pipeline.seeds import seed_of
from pipeline.training_checkpoints import Checkpoints, Figures, History
from pipeline.training_examples import Examples, batch_rows, training_batch
from pipeline.training_objective import Choose, Losses, adapted, batch_losses, complex_, simple, validate
from pipeline.training_recipe import Recipe, learning_rate


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    adapter: SurAdapter
    history: History

    def last(self, steps: int) -> Figures:
        """Means of the training's figures over its last steps, without their prefix ``train/``."""
        figures = [each for _, each in self.history[-steps:]]
        names = [name for name in figures[-1] if name.startswith("train/")]
        return {name.removeprefix("train/"): fmean(each[name] for each in figures) for name in names}


class Report(Protocol):
    """Takes a step, counted from 1, and its figures."""

    def __call__(self, step: int, figures: Figures, /) -> None:
        """Note the figures."""


class Trainer:
    """One training run.

    Args:
        recipe: the sections that decide it.
        diffusion: the frozen base model, in the precision's number format.
        examples: split train, at least one row.
        validation: rows of split val, may be empty.
        accelerator: see :func:`pipeline.training_recipe.accelerator`.
        folder: for checkpoints of this run alone.
        micro_batch: samples that one process runs at a time; changes results by rounding only.

    Raises:
        SettingError: the batch does not divide among the processes, or the heads not the width.
    """

    def __init__(
        self,
        recipe: Recipe,
        diffusion: Diffusion,
        examples: Examples,
        validation: Examples,
        *,
        accelerator: Any,
        folder: Path,
        micro_batch: int,
    ) -> None:
        config = recipe.train
        self.share, left = divmod(config.batch_size, accelerator.num_processes)
        if left:
            raise SettingError(
                f"train.batch_size {config.batch_size} does not divide among {accelerator.num_processes} processes"
            )
        self.recipe, self.diffusion, self.examples, self.validation = recipe, diffusion, examples, validation
        self.accelerator, self.micro_batch = accelerator, micro_batch
        self.adapter = _untrained(recipe, diffusion, examples)
        optimizer = torch.optim.AdamW(self.adapter.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        self.forward, self.optimizer = accelerator.prepare(self.adapter, optimizer)
        self.checkpoints = Checkpoints(folder, accelerator)

    def run(self, report: Report) -> Trained:
        """Train to the last step, going on from the newest checkpoint.

        Args:
            report: called with each step (from 1) and its figures, those of an interrupted run included.

        Raises:
            SettingError: the loss is no longer finite.
        """
        config = self.recipe.train
        done, history = self.checkpoints.restore()
        for step, figures in history:
            report(step, figures)
        with cli.progress(range(done, config.steps), "train", unit="step") as steps:
            for step in steps:
                figures = self._step(step)
                last = step + 1 == config.steps
                if last or (step + 1) % config.validate_every == 0:
                    figures |= self._validate()
                history.append((step + 1, figures))
                report(step + 1, figures)
                if last or (step + 1) % config.checkpoint_every == 0:
                    self.checkpoints.save(step + 1, history)
        return Trained(self.adapter.eval(), history)

    def _step(self, step: int) -> Figures:
        config = self.recipe.train
        self.adapter.train()
        torch.manual_seed(seed_of(config.seed, "dropout", step, self.accelerator.process_index))
        rate = learning_rate(config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = self._accumulate(step)
        norm = self.accelerator.clip_grad_norm_(self.adapter.parameters(), config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return self._figures(step, sums, float(norm), rate)

    def _accumulate(self, step: int) -> torch.Tensor:
        """Gradients of this process's share of the global batch; gives its part of each mean loss, (4,)."""
        config = self.recipe.train
        rows = batch_rows(config.seed, step, config.batch_size, len(self.examples))
        first = self.accelerator.process_index * self.share
        places = range(first, first + self.share)
        sums = torch.zeros(len(Losses._fields), device=self.diffusion.device)
        for start in range(0, self.share, self.micro_batch):
            micro = places[start : start + self.micro_batch]
            seeds = [seed_of(config.seed, "draws", step, place) for place in micro]
            batch = training_batch(self.examples, [rows[place] for place in micro], seeds, self.diffusion.timesteps)
            last = micro[-1] == places[-1]
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.forward):
                losses = batch_losses(self.forward, self.adapter, self.diffusion, batch, self.recipe.loss)
                # Processes are averaged by DDP: a process's share counts as a whole here.
                self.accelerator.backward(losses.total * (len(micro) / self.share))
            sums += torch.stack([loss.detach() for loss in losses]) * (len(micro) / config.batch_size)
        return sums

    def _figures(self, step: int, sums: torch.Tensor, norm: float, rate: float) -> Figures:
        total, denoising, llm, alignment = self.accelerator.reduce(sums, "sum").tolist()
        if not math.isfinite(total):
            raise SettingError(
                f"the loss is not finite at step {step + 1}: lower train.learning_rate or take a wider train.precision"
            )
        if not math.isfinite(norm) and self.recipe.train.precision != "fp16":  # fp16 skips such a step
            raise SettingError(f"the gradient is not finite at step {step + 1}: lower train.learning_rate")
        return {
            "train/total": total,
            "train/denoising": denoising,
            "train/llm": llm,
            "train/llm_weighted": llm * self.recipe.loss.llm_weight,
            "train/alignment": alignment,
            "train/alignment_weighted": alignment * self.recipe.loss.alignment_weight,
            "train/gradient_norm": norm if math.isfinite(norm) else 0.0,  # fp16: an overflow skips the step
            "train/learning_rate": rate,
        }

    def _validate(self) -> Figures:
        """Every process validates all of it, so that the figure does not depend on their number."""
        loss = self._validation(adapted(self.adapter.eval()))
        return {} if loss is None else {"val/denoising": loss}

    def validations(self) -> dict[str, float | None]:
        """Validation loss of the adapter, framed by the base model on the simple and on the complex prompts.

        ``base`` is what the adapter starts from, ``complex`` what it may hope for; None without validation rows.
        """
        conditions = {"adapted": adapted(self.adapter.eval()), "base": simple, "complex": complex_}
        return {name: self._validation(choose) for name, choose in conditions.items()}

    def _validation(self, choose: Choose) -> float | None:
        return validate(self.diffusion, choose, self.validation, seed=self.recipe.train.seed, batch=self.micro_batch)


def _untrained(recipe: Recipe, diffusion: Diffusion, examples: Examples) -> SurAdapter:
    try:
        adapter = SurAdapter(
            recipe.adapter,
            width=diffusion.text_width,
            llm_width=examples.llm.shape[1],
            w0_seed=recipe.loss.w0_seed,
        )
    except ValueError as error:
        raise SettingError(f"adapter.heads: {error}") from error
    if recipe.loss.llm_scale == "standardise":
        adapter.standardise(examples.llm)
    return adapter
