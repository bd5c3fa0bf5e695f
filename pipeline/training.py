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

from pipeline import cli, unet_parts
from pipeline.adapters.kinds import UNET, Adapter, Learned
from pipeline.diffusion import Diffusion
from pipeline.errors import SettingError
from pipeline.seeds import seed_of
from pipeline.training_checkpoints import Checkpoints, Figures, History
from pipeline.training_examples import Batch, Examples, batch_rows, training_batch
from pipeline.training_objective import Choose, Terms, adapted, batch_losses, complex_, simple, validate
from pipeline.training_optimiser import Pace, groups, optimiser, part_norms, set_rate
from pipeline.training_recipe import Recipe, learning_rate
from pipeline.training_start import learned
from pipeline.training_weights import Weights


@dataclass(frozen=True)
class Trained:
    """What a training leaves."""

    learned: Learned
    history: History
    step: int
    """Counted from 1: whose weights are left, see ``train.keep``."""

    @property
    def adapter(self) -> Adapter:
        """The network of the kind."""
        return self.learned.adapter

    def last(self, steps: int) -> Figures:
        """Means of the training's figures over its last steps, without their prefix ``train/``."""
        figures = [each for _, each in self.history[-steps:]]
        names = [name for name in figures[-1] if name.startswith("train/")]
        return {name.removeprefix("train/"): fmean(each[name] for each in figures) for name in names}


class Report(Protocol):
    """Takes a step, counted from 1, and its figures."""

    def __call__(self, step: int, figures: Figures, /) -> None:
        """Note the figures."""


class Observe(Protocol):
    """Looks at what is trained after a step, counted from 1, and gives figures of its own."""

    def __call__(self, step: int, learned: Learned, /) -> Figures:
        """Look, for instance at what it draws."""


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
        SettingError: the batch does not divide among the processes, or the heads not the width; the best step is asked
            for without validation rows; the optimiser does not run here.
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
        if config.keep == "best" and not len(validation):
            raise SettingError("train.keep: best chooses on split val, which has no sample: see clean.val_share")
        if config.sample_every is not None and not len(validation):
            raise SettingError(
                "train.sample_every draws prompts of split val, which has no sample: see clean.val_share"
            )
        self.recipe, self.diffusion, self.examples, self.validation = recipe, diffusion, examples, validation
        self.accelerator, self.micro_batch = accelerator, micro_batch
        self.unet_base = unet_parts.copied(diffusion.unet, unet_parts.names(diffusion.unet, config.unet))
        self.learned = learned(recipe, diffusion, examples)
        self.parts = self.learned.parts()
        trained = groups(self.adapter.parameters(), self.learned.unet.parameters(), config)
        optimizer = optimiser(trained, config, diffusion.device)
        self.forward, self.optimizer = accelerator.prepare(self.learned, optimizer)
        self.weights = Weights([*self.learned.parameters()], config, accelerator)
        self.pace = Pace()
        self.checkpoints = Checkpoints(folder, accelerator)

    @property
    def adapter(self) -> Adapter:
        """The network of the kind."""
        return self.learned.adapter

    def run(self, report: Report, observe: Observe | None = None) -> Trained:
        """Train to the last step, going on from the newest checkpoint.

        Args:
            report: called with each step (from 1) and its figures, those of an interrupted run included.
            observe: called every ``train.sample_every`` steps and after the last one, where that is set.

        Raises:
            SettingError: the loss is no longer finite.
        """
        config = self.recipe.train
        done, history = self.checkpoints.restore()
        for step, figures in history:
            report(step, figures)
        with cli.progress(range(done, config.steps), "train", unit="step") as steps:
            for step in steps:
                with self.pace.step(config.batch_size):
                    figures = self._step(step)
                steps.set_postfix_str(str(self.pace), refresh=False)
                figures |= self._measure(step + 1, observe)
                history.append((step + 1, figures))
                report(step + 1, figures)
                if self._due(step + 1, config.checkpoint_every):
                    self.checkpoints.save(step + 1, history)
        return Trained(self.learned.eval(), history, self.weights.settle())

    def _due(self, step: int, every: int | None) -> bool:
        return every is not None and (step == self.recipe.train.steps or step % every == 0)

    def _measure(self, step: int, observe: Observe | None) -> Figures:
        """Validation and observation of the weights that would be left if this were the last step."""
        config = self.recipe.train
        validates = self._due(step, config.validate_every)
        observes = observe is not None and self._due(step, config.sample_every)
        if not validates and not observes:
            return {}
        with self.weights.used():
            figures = self._validate() if validates else {}
            if observe is not None and observes:
                figures |= observe(step, self.learned.eval())
            self.weights.measured(step, figures)
        return figures

    def _step(self, step: int) -> Figures:
        config = self.recipe.train
        self.learned.train()
        torch.manual_seed(seed_of(config.seed, "dropout", step, self.accelerator.process_index))
        rate = learning_rate(config, step)
        set_rate(self.optimizer, rate)
        sums = self._accumulate(step)
        self.accelerator.unscale_gradients()
        parts = part_norms(self.parts)
        norm = float(torch.nn.utils.clip_grad_norm_(self.learned.parameters(), config.clip_norm))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.weights.step()
        return self._figures(step, sums, rate, {"": norm, **{f"_{name}": value for name, value in parts.items()}})

    def _accumulate(self, step: int) -> Terms:
        """Gradients of this process's share of the global batch; gives its part of each mean loss."""
        config = self.recipe.train
        rows = batch_rows(config.seed, step, config.batch_size, len(self.examples))
        first = self.accelerator.process_index * self.share
        places = range(first, first + self.share)
        sums: Terms = {}
        for start in range(0, self.share, self.micro_batch):
            micro = places[start : start + self.micro_batch]
            seeds = [seed_of(config.seed, "draws", step, place) for place in micro]
            with self.pace.loading():
                batch = training_batch(
                    self.examples,
                    [rows[place] for place in micro],
                    seeds,
                    self.diffusion.timesteps,
                    noise_offset=config.noise_offset,
                    caption_dropout=config.caption_dropout,
                )
            last = micro[-1] == places[-1]
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.forward):
                losses = self._losses(batch)
                # Processes are averaged by DDP: a process's share counts as a whole here.
                self.accelerator.backward(losses["total"] * (len(micro) / self.share))
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.detach() * (len(micro) / config.batch_size)
        return sums

    def _losses(self, batch: Batch) -> Terms:
        gamma = self.recipe.train.snr_gamma
        return batch_losses(self.forward, self.adapter, self.diffusion, batch, self.recipe.loss, snr_gamma=gamma)

    def _figures(self, step: int, sums: Terms, rate: float, norms: dict[str, float]) -> Figures:
        joined = self.accelerator.reduce(torch.stack([*sums.values()]), "sum")
        raw = dict(zip(sums, joined.tolist(), strict=True))
        if not math.isfinite(raw["total"]):
            raise SettingError(
                f"the loss is not finite at step {step + 1}: lower train.learning_rate or take a wider train.precision"
            )
        if not math.isfinite(norms[""]) and self.recipe.train.precision != "fp16":  # fp16 skips such a step
            raise SettingError(f"the gradient is not finite at step {step + 1}: lower train.learning_rate")
        weights = self.recipe.loss.weights
        weighted = {f"{name}_weighted": raw[name] * weight for name, weight in weights.items() if name in raw}
        weighted["learning_rate"] = rate
        if UNET in self.parts and self.recipe.train.unet_learning_rate is not None:
            weighted["unet_learning_rate"] = self.optimizer.param_groups[-1]["lr"]
        # An overflow of fp16 skips the step.
        finite = {f"gradient_norm{name}": norm if math.isfinite(norm) else 0.0 for name, norm in norms.items()}
        return {f"train/{name}": value for name, value in {**raw, **weighted, **finite}.items()}

    def _validate(self) -> Figures:
        """Every process validates all of it, so that the figure does not depend on their number."""
        loss = self._validation(adapted(self.learned.eval().adapter))
        return {} if loss is None else {"val/denoising": loss}

    def validations(self) -> dict[str, float | None]:
        """Validation loss of the adapter, framed by the base model on the simple and on the complex prompts.

        ``base`` is what the adapter starts from, ``complex`` what it may hope for; None without validation rows.
        """
        losses = {"adapted": self._validation(adapted(self.learned.eval().adapter))}
        with unet_parts.swapped(self.diffusion.unet, self.unet_base):
            return losses | {"base": self._validation(simple), "complex": self._validation(complex_)}

    def _validation(self, choose: Choose) -> float | None:
        return validate(self.diffusion, choose, self.validation, seed=self.recipe.train.seed, batch=self.micro_batch)
