"""A training step against the authors' way, a bare U-Net loop and counted FLOPs; time to the first step.

The authors' way encodes the pictures and each prompt anew in every step; only their cut gradient is repaired, since as
written they skip the U-Net's backward pass. Models, batch and number format are the same, all ways run in turn.

    python -m bench.training                          the miniature on one CPU thread
    python -m bench.training --data DIR               and from start to first step of stages.train on DIR's data
    python -m bench.training --real-shape --device cuda    SD 1.5's shape, 512 px, batch 16, bf16, on a GPU
    python -m bench.training --real-shape sdxl --device cuda --batch 4
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from bench import random_diffusion, results, training_figures
from bench.training_figures import measure
from pipeline import diffusion, losses, training_unet
from pipeline.adapters.settings import AdapterParams
from pipeline.diffusion import Diffusion
from pipeline.engine import ComputeParams
from pipeline.losses import LossParams
from pipeline.params import load
from pipeline.training import Trainer
from pipeline.training_examples import Examples
from pipeline.training_moments import CachedMoments
from pipeline.training_recipe import DTYPES, Recipe, accelerator
from pipeline.training_settings import TrainParams
from pipeline.vae import DiffusionParams

LLM_WIDTH = 5120
FIRST_STEP_LIMIT_S = 300.0


class Contest:
    """One trainer whose models, batch and optimiser all ways use.

    Args:
        model: the frozen base model.
        recipe: batch, precision and the rest.
        side: of the pictures in pixels.
        device: a torch device.
        folder: for checkpoints; none is written.
    """

    def __init__(self, model: Diffusion, recipe: Recipe, *, side: int, device: str, folder: Path) -> None:
        self.model, self.count, self.steps = model, recipe.train.batch_size, 0
        latent, channels = side // model.codec.side_factor, int(model.unet.config.in_channels)
        draw = torch.Generator().manual_seed(0)
        moments = torch.randn((self.count, 2, 2 * channels, latent, latent), generator=draw)
        texts = [f"a red square and {row} circles" for row in range(self.count)]
        examples = Examples(
            sample_ids=texts,
            simple=texts,
            complex=[f"{text}, best quality, highly detailed" for text in texts],
            llm=torch.randn((self.count, LLM_WIDTH), generator=draw),
            moments=CachedMoments(moments.half()),
        )
        self.told = model.text_states(texts).to(torch.float32)
        self.pixels = torch.rand((self.count, 3, side, side), generator=draw) * 2 - 1
        self.latents = torch.randn((self.count, channels, latent, latent), generator=draw).to(device)
        made = accelerator(recipe.train.precision, device)
        self.trainer = Trainer(
            recipe, model, examples, examples, accelerator=made, folder=folder, micro_batch=self.count
        )

    def ours(self) -> None:
        """A whole step of the trainer."""
        with self.trainer.pace.step(self.count):
            self.trainer._step(self.steps)
        self.steps += 1

    def authors(self) -> None:
        """The step of the authors' script with the gradient repaired: VAE and both text encodings live."""
        run, model, examples = self.trainer, self.model, self.trainer.examples
        run.adapter.train()
        z = model.codec.sample_latents(model.codec.moments(self.pixels), torch.randn_like(self.latents))
        noise = torch.randn_like(z)
        timesteps = torch.randint(model.timesteps, (len(z),), device=z.device)
        x, x_c = (model.text_states(texts).to(torch.float32) for texts in (examples.simple, examples.complex))
        made = run.forward(x.states)
        alpha, sigma = model.levels(timesteps)
        said = model.predict(alpha * z + sigma * noise, timesteps, x.replaced(made.condition))
        config = run.recipe.loss
        teacher = run.adapter.teacher(examples.llm.to(z.device))
        distilled = losses.llm_distillation(
            made.query.float(), teacher, torch.ones(x.states.shape[:2], device=z.device), config
        )
        aligned = losses.alignment(made.condition.float(), x_c.states, config)
        target = losses.prediction_target(z, noise, alpha, sigma, model.prediction)
        run.accelerator.backward(losses.total(distilled, aligned, losses.denoising(said, target), config))
        run.accelerator.clip_grad_norm_(run.adapter.parameters(), run.recipe.train.clip_norm)
        run.optimizer.step()
        run.optimizer.zero_grad()

    def bare(self) -> None:
        """The limit: the frozen U-Net forward and backward to its text input, and nothing else."""
        text = self.told.replaced(self.told.states.detach().requires_grad_())
        timesteps = torch.full((self.count,), 500, device=self.latents.device)
        self.model.predict(self.latents, timesteps, text).square().mean().backward()


def to_first_step(data: Path) -> dict[str, float]:
    """Wall and processor seconds from ``python -m stages.train`` until the first step's figures are on the disk.

    Reads a finished run's ``data`` folder and leaves it as it is. Raises SystemExit where no step came.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "data").mkdir()
        for name in ("resize", "latents", "embed"):
            (folder / "data" / name).symlink_to((data / name).resolve())
        for name in ("params.yaml", "miniature", "prompts"):
            (folder / name).symlink_to(Path(name).resolve())
        first = folder / "data/train/log/plots/metrics/train/total.tsv"
        environment = {**os.environ, "SUR_WORK": str(folder / "work"), "PYTHONPATH": str(Path.cwd())}
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "stages.train"], cwd=folder, env=environment)
        try:
            while not first.is_file():
                if process.poll() is not None or time.perf_counter() - started > FIRST_STEP_LIMIT_S:
                    raise SystemExit("stages.train came to no step")
                time.sleep(0.05)
            used = psutil.Process(process.pid).cpu_times()
            return {"first_step_s": time.perf_counter() - started, "first_step_processor_s": used.user + used.system}
        finally:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all comparisons, print and keep them, and say which goals were reached."""
    asked = _arguments(arguments)
    torch.set_num_threads(1 if asked.device == "cpu" else torch.get_num_threads())
    with tempfile.TemporaryDirectory() as folder:
        contest = _contest(asked, Path(folder))
        told = compare(contest, asked.rounds, asked.device, peak_flop_s=_peak_flop_s(asked))
    if asked.data is not None:
        told |= to_first_step(asked.data)
    for name, value in told.items():
        print(f"{name:34}{value:12.4f}")
    name, goals = _kept_as(asked.real_shape)
    for line in training_figures.verdicts(told, goals):
        print(line)
    print(results.save(name, told))


def _kept_as(shape: str | None) -> tuple[str, training_figures.Goals]:
    """Name of the file of results, and the goals, which are for the miniature and for Stable Diffusion 1.5."""
    match shape:
        case None:
            return "training", training_figures.ON_CPU
        case "sd15":
            return "training_real_shape", training_figures.ON_GPU
    return f"training_real_shape_{shape}", {}


def compare(contest: Contest, rounds: int, device: str, *, peak_flop_s: float | None) -> dict[str, float]:
    """All figures: the three ways in turn, then ours with gradient checkpointing."""
    ways = {"ours": contest.ours, "authors": contest.authors, "bare": contest.bare}
    found = measure(ways, rounds, device)
    told = training_figures.figures(found, contest.count, peak_flop_s)
    told["loading_share_of_step"] = contest.trainer.pace.loading_seconds / contest.trainer.pace.seconds
    compute = load(ComputeParams, "compute").model_copy(update={"gradient_checkpointing": True})
    training_unet.prepared(contest.model, compute)
    again = measure({"ours": contest.ours}, rounds, device)["ours"]
    return told | training_figures.with_checkpointing(found, again, contest.count)


def _contest(asked: argparse.Namespace, folder: Path) -> Contest:
    dtype = DTYPES[asked.dtype]
    shape = random_diffusion.SHAPES.get(asked.real_shape)
    if shape is not None:
        model, side = random_diffusion.stable_diffusion(shape, device=asked.device, dtype=dtype), shape.side_px
    else:
        base = load(DiffusionParams, "diffusion")
        model, side = diffusion.load(base.model, base.revision, device=asked.device, dtype=dtype), 64
    changes = {"batch_size": asked.batch, "precision": asked.dtype, "steps": 10_000}
    train = load(TrainParams, "train").model_copy(update=changes)
    recipe = Recipe(load(AdapterParams, "adapter"), load(LossParams, "loss"), train)
    return Contest(model, recipe, side=side, device=asked.device, folder=folder)


def _peak_flop_s(asked: argparse.Namespace) -> float | None:
    if asked.peak_tflops is not None:
        return float(asked.peak_tflops) * 1e12
    known = training_figures.card_peak(asked.device, asked.dtype)
    if known is None and asked.device.startswith("cuda"):
        print("this card's peak is not in bench/scale/assumptions.py: --peak-tflops tells it")
    return known


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--real-shape",
        nargs="?",
        const="sd15",
        choices=sorted(random_diffusion.SHAPES),
        help="a published shape with random weights, at its own size; sd15 where none is named",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=sorted(DTYPES), help="default: bf16 with --real-shape, else fp32")
    parser.add_argument("--batch", type=int, help="default: 16 with --real-shape, else 32")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak-tflops", type=float, help="of the card in this number format (default: known cards')")
    parser.add_argument("--data", type=Path, help="a finished run's data folder: measures the time to the first step")
    asked = parser.parse_args(arguments)
    asked.dtype = asked.dtype or ("bf16" if asked.real_shape else "fp32")
    asked.batch = asked.batch or (16 if asked.real_shape else 32)
    return asked


if __name__ == "__main__":
    main()
