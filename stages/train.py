"""Stage ``train``: train the adapter between the frozen text encoder and the U-Net, and parts of that where asked.

Runs under ``accelerate launch -m stages.train`` or as plain ``python -m stages.train``. A killed run goes on from its
newest checkpoint in the work store and ends at the same bits. With ``adapter.compat: official`` nothing is trained: the
authors' weights become the adapter (ADR 0022).

Reads     data/resize/parts                  prompts and splits
          data/latents/parts                 moments of the pictures
          data/embed/layers/layer_NN.parquet the LLM vectors of llm.layer, and no other layer
          data/embed/states                  token-level vectors, for the adapters that take them
Writes    data/train/adapter                 weights, config, card
          data/train/log                     DVCLive: losses raw and weighted, gradient norms, validation; with
                                             train.sample_every grids in images/ and their CLIP score
          data/train/report.json             last figures, parameter counts
          data/train/samples.png             prompts of split val, base beside adapted
Params    adapter, loss, train, diffusion, llm, clip
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline import (
    cli,
    diffusion,
    engine,
    samples,
    tables,
    training_inputs,
    training_samples,
    training_unet,
    work,
)
from pipeline.adapters import folder
from pipeline.adapters.kinds import Learned
from pipeline.adapters.settings import AdapterParams
from pipeline.clip_rule import ClipParams
from pipeline.converting import convert
from pipeline.diffusion import Diffusion
from pipeline.engine import ComputeParams
from pipeline.llm import LlmParams
from pipeline.losses import LossParams
from pipeline.params import load
from pipeline.training import Report, Trained, Trainer
from pipeline.training_examples import Examples, states_by_text
from pipeline.training_inputs import Vectors
from pipeline.training_log import live_log
from pipeline.training_recipe import DTYPES, Recipe, accelerator, fingerprint
from pipeline.training_samples import Grids, Similarity
from pipeline.training_settings import TrainParams
from pipeline.vae import DiffusionParams

PICTURES = Path("data/resize/parts")
LATENTS = Path("data/latents/parts")
LAYERS = Path("data/embed/layers")
STATES = Path("data/embed/states")
TARGET = Path("data/train")
AVERAGED_STEPS = 50
GRIDS = "samples"


def main() -> None:
    """Train, or convert, with the settings in force."""
    adapter, loss, training = load(AdapterParams, "adapter"), load(LossParams, "loss"), load(TrainParams, "train")
    base, vectors, compute = load(DiffusionParams, "diffusion"), load(LlmParams, "llm"), load(ComputeParams, "compute")
    named = folder.Named(model=base.model, revision=base.revision)
    clip = load(ClipParams, "clip")
    layer = LAYERS / f"layer_{vectors.layer}.parquet"
    processes = accelerator(training.precision, engine.device(compute))
    model = diffusion.load(base.model, base.revision, device=str(processes.device), dtype=DTYPES[training.precision])
    if adapter.official_checkpoint is not None:
        if processes.is_main_process:
            shown = training.sample_prompts
            convert(PICTURES, TARGET, adapter.official_checkpoint, adapter.eta, base=named, model=model, shown=shown)
        return
    train(
        PICTURES,
        LATENTS,
        Vectors(layer, STATES),
        TARGET,
        Recipe(adapter, loss, training),
        base=named,
        language=training_inputs.language(adapter, vectors),
        model=training_unet.prepared(model, compute),
        accelerator=processes,
        micro_batch=compute.micro_batch,
        clip=clip.scores(),
        similarity=training_samples.clip_similarity(clip, str(processes.device)),
    )


def train(
    pictures: Path,
    moments: Path,
    vectors: Vectors,
    target: Path,
    recipe: Recipe,
    *,
    base: folder.Named,
    language: folder.LlmNamed | None,
    model: Diffusion,
    accelerator: Any,
    micro_batch: int,
    clip: Mapping[str, str],
    similarity: Similarity,
) -> None:
    """Train, or go on with, the run that these inputs and settings name, and write what it leaves.

    Args:
        pictures: shards of the data set.
        moments: shards of latents.
        vectors: the LLM's.
        target: the stage's folder.
        recipe: sections adapter, loss and train.
        base: name of the base model.
        language: the LLM as it is used; None where it is not.
        model: the base model, loaded.
        accelerator: see :func:`pipeline.training_recipe.accelerator`.
        micro_batch: samples that one process runs at a time.
        clip: what decides the model that ``similarity`` measures with.
        similarity: how well the grids of ``train.sample_every`` fit their prompts.

    Raises:
        EmptyResultError: split train has no sample.
        SettingError: settings contradict each other, or the loss is no longer finite.
    """
    examples, validation = training_inputs.examples(pictures, moments, vectors, recipe, model)
    settings = _settings(recipe, base, language, (examples, validation), clip)
    run = work.root() / "train" / fingerprint(settings, _files(pictures, moments, vectors, recipe, examples))
    trainer = Trainer(recipe, model, examples, validation, accelerator=accelerator, folder=run, micro_batch=micro_batch)
    grids = _grids(trainer, run / GRIDS, target / "log/images", similarity)
    drawing = recipe.train.sample_every is not None
    cli.say(f"train: {_told(trainer.learned)}")
    with _log(target / "log", run, accelerator) as report:
        trained = trainer.run(report, grids if drawing else None)
    if accelerator.is_main_process:
        _save(target / "adapter", trained, recipe, base, language)
        if drawing:
            grids.show()
        training_samples.write_sheet(target / "samples.png", grids.texts, *grids.draw(trained.learned))
        _report(target / "report.json", trainer, trained)


def _settings(
    recipe: Recipe,
    base: folder.Named,
    language: folder.LlmNamed | None,
    parts: tuple[Examples, Examples],
    clip: Mapping[str, str],
) -> list[Any]:
    """What names a run, but for files; ``parts`` are splits train and val."""
    texts = [(part.sample_ids, part.simple, part.complex) for part in parts]
    settings = [recipe.as_json(), base.model_dump(), language and language.model_dump(), texts]
    if recipe.train.sample_every is not None:
        settings.append(dict(clip))
    if (states := parts[0].states) is not None:
        settings.append(states.facts)  # with the prompts they decide the states, which may take 300 GB
    return settings


def _files(pictures: Path, moments: Path, vectors: Vectors, recipe: Recipe, examples: Examples) -> list[Path]:
    """The files whose content names a run."""
    seen = tables.shards(moments if recipe.train.cache_latents else pictures)
    states = sorted(vectors.states.glob("*.arrow")) if examples.token_states is not None else []
    return [vectors.layer, *seen, *states]


def _grids(trainer: Trainer, kept: Path, shown: Path, similarity: Similarity) -> Grids:
    """What draws prompts of split val."""
    config, validation = trainer.recipe.train, trainer.validation
    return Grids(
        trainer.diffusion,
        list(dict.fromkeys(validation.simple))[: config.sample_prompts],
        similarity,
        kept=kept,
        shown=shown,
        adapt_negative=config.caption_dropout > 0,  # then the empty text has been learned too
        unet_base=trainer.unet_base,
        llm_states=states_by_text(validation),
        writes=trainer.accelerator.is_main_process,
    )


def _save(path: Path, trained: Trained, recipe: Recipe, base: folder.Named, language: folder.LlmNamed | None) -> None:
    """The adapter folder."""
    sur = recipe.adapter.kind == "sur"
    folder.save(
        path,
        trained.adapter,
        base=base,
        llm=language,
        w0_seed=recipe.loss.w0_seed if sur else None,
        llm_scale=recipe.loss.llm_scale if sur else None,
        steps=trained.step,
        moving_average=recipe.train.ema_decay is not None,
        parts=recipe.train.unet,
        unet=trained.learned.unet_values,
    )


def _told(learned: Learned) -> str:
    """How many numbers are trained, by part."""
    counts = learned.counts()
    return f"{sum(counts.values()):,} trained parameters: " + ", ".join(
        f"{name} {count:,}" for name, count in counts.items()
    )


@contextlib.contextmanager
def _log(folder_: Path, run: Path, accelerator: Any) -> Iterator[Report]:
    """The log of the main process, which also keeps a second start of the same run waiting; others note nothing."""
    if not accelerator.is_main_process:
        yield lambda step, figures: None
        return
    run.mkdir(parents=True, exist_ok=True)
    with FileLock(run / "lock"), live_log(folder_) as report:
        yield report


def _report(path: Path, trainer: Trainer, trained: Trained) -> None:
    """Last figures, validation and sizes."""
    recipe = trainer.recipe.train
    used, steps = len(trainer.examples), recipe.steps
    losses = trainer.validations()
    samples.write_report(
        path,
        used + len(trainer.validation),
        used,
        steps=steps,
        weights={"of_step": trained.step, "kind": "trained" if recipe.ema_decay is None else "moving_average"},
        validation_samples=len(trainer.validation),
        parameters=_parameters(trained.learned),
        last_steps=trained.last(AVERAGED_STEPS),
        validation=losses,
    )
    said = ", ".join(f"{name} {loss:.5f}" for name, loss in losses.items() if loss is not None)
    count = sum(trained.learned.counts().values())
    cli.say(
        f"train: {steps:,} steps of {count:,} parameters on {used:,} samples ({trainer.pace}), "
        f"validation: {said or 'none'}"
    )


def _parameters(learned: Learned) -> dict[str, Any]:
    """Numbers that are trained, in all and by part, and those that are saved but frozen (W0 and LLM statistics)."""
    by_part = learned.counts()
    frozen = sum(buffer.numel() for buffer in learned.buffers())
    return {"trained": sum(by_part.values()), "frozen": frozen, "by_part": by_part}


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
