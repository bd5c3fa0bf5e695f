"""Stage ``train``: train the adapter between the frozen text encoder and the frozen U-Net.

Runs under ``accelerate launch -m stages.train`` or as plain ``python -m stages.train``. A killed run goes on from its
newest checkpoint in the work store and ends at the same bits. With ``adapter.compat: official`` nothing is trained: the
authors' weights become the adapter (ADR 0022).

Reads     data/resize/parts                  prompts and splits
          data/latents/parts                 moments of the pictures
          data/embed/layers/layer_NN.parquet the LLM vectors of llm.layer, and no other layer
          data/embed/states                  token-level vectors, for the adapters that take them
Writes    data/train/adapter                 weights, config, card
          data/train/log                     DVCLive: losses raw and weighted, gradient norm, validation
          data/train/report.json             last figures, parameter counts
          data/train/samples.png             prompts of split val, base beside adapted
Params    adapter, loss, train, diffusion, llm.layer
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline import cli, diffusion, engine, files, images, llm, samples, tables, work
from pipeline.adapters import checkpoint, folder
from pipeline.adapters.official import Adapter
from pipeline.adapters.sur import AdapterParams, OfficialCheckpoint
from pipeline.diffusion import Diffusion
from pipeline.engine import ComputeParams
from pipeline.llm import LlmParams
from pipeline.losses import LossParams
from pipeline.params import load
from pipeline.sampling import Denoising, Sampler
from pipeline.seeds import seed_of
from pipeline.training import Report, Trained, Trainer
from pipeline.training_examples import Examples, different_prompts, read_examples, require_examples
from pipeline.training_log import live_log
from pipeline.training_recipe import DTYPES, Recipe, TrainParams, accelerator, fingerprint
from pipeline.vae import DiffusionParams

PICTURES = Path("data/resize/parts")
LATENTS = Path("data/latents/parts")
LAYERS = Path("data/embed/layers")
TARGET = Path("data/train")
AVERAGED_STEPS = 50
DRAWN = Denoising(steps=20, guidance_scale=5.0, scheduler="ddim")


def main() -> None:
    """Train, or convert, with the settings in force."""
    adapter, loss, training = load(AdapterParams, "adapter"), load(LossParams, "loss"), load(TrainParams, "train")
    base, vectors, compute = load(DiffusionParams, "diffusion"), load(LlmParams, "llm"), load(ComputeParams, "compute")
    named = folder.Named(model=base.model, revision=base.revision)
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
        layer,
        TARGET,
        Recipe(adapter, loss, training),
        base=named,
        language=folder.LlmNamed(model=vectors.model, revision=vectors.revision, layer=vectors.layer),
        model=model,
        accelerator=processes,
        micro_batch=compute.micro_batch,
    )


def train(
    pictures: Path,
    moments: Path,
    layer: Path,
    target: Path,
    recipe: Recipe,
    *,
    base: folder.Named,
    language: folder.LlmNamed,
    model: Diffusion,
    accelerator: Any,
    micro_batch: int,
) -> None:
    """Train, or go on with, the run that these inputs and settings name, and write what it leaves.

    Args:
        pictures: shards of the data set.
        moments: shards of latents.
        layer: the LLM vectors.
        target: the stage's folder.
        recipe: sections adapter, loss and train.
        base: name of the base model.
        language: name of the LLM and layer.
        model: the base model, loaded.
        accelerator: see :func:`pipeline.training_recipe.accelerator`.
        micro_batch: samples that one process runs at a time.

    Raises:
        EmptyResultError: split train has no sample.
        SettingError: settings contradict each other, or the loss is no longer finite.
    """
    examples, validation = _examples(pictures, moments, layer, recipe.train)
    texts = [(part.sample_ids, part.simple, part.complex) for part in (examples, validation)]
    settings = [recipe.as_json(), base.model_dump(), language.model_dump(), texts]
    run = work.root() / "train" / fingerprint(settings, [layer, *tables.shards(moments)])
    trainer = Trainer(recipe, model, examples, validation, accelerator=accelerator, folder=run, micro_batch=micro_batch)
    with _log(target / "log", run, accelerator) as report:
        trained = trainer.run(report)
    if accelerator.is_main_process:
        folder.save(
            target / "adapter",
            trained.adapter,
            base=base,
            llm=language,
            w0_seed=recipe.loss.w0_seed,
            llm_scale=recipe.loss.llm_scale,
            steps=recipe.train.steps,
        )
        different = list(dict.fromkeys(validation.simple))[: recipe.train.sample_prompts]
        _draw(model, trained.adapter, different, target / "samples.png")
        _report(target / "report.json", trainer, trained)


def convert(
    pictures: Path,
    target: Path,
    source: OfficialCheckpoint,
    eta: float,
    *,
    base: folder.Named,
    model: Diffusion,
    shown: int,
) -> None:
    """Write what a training leaves, with the weights of the authors' file and an empty log.

    Args:
        pictures: shards of the data set, for the prompts that are drawn.
        target: the stage's folder.
        source: the authors' file.
        eta: the share of c_LLM.
        base: name of the base model.
        model: the base model, loaded.
        shown: prompts of split val that are drawn.

    Raises:
        InputError: the file is missing, another one, or not the authors' state dict.
        ModelError: it is for text states of another width than the model's.
    """
    found = checkpoint.read(Path(source.path).expanduser(), sha256=source.sha256)
    folder.save_official(target / "adapter", found, base=base, eta=eta)
    adapter = folder.load(target / "adapter", base=base, width=model.text_width, device=model.device)
    with live_log(target / "log"):
        pass  # no step was made; the stages after this one read the log all the same
    _draw(model, adapter, different_prompts(pictures, "val")[:shown], target / "samples.png")
    weights = {"read": found.parameters, "left_out": found.dead}
    samples.write_report(target / "report.json", 0, 0, steps=0, parameters=weights, official_sha256=found.sha256)
    cli.say(f"train: nothing was trained, {source.path} was converted: {checkpoint.told(found)}")


def _examples(pictures: Path, moments: Path, layer: Path, config: TrainParams) -> tuple[Examples, Examples]:
    """Splits train and val."""

    def vectors(sample_ids: Sequence[str]) -> llm.Floats:
        return llm.load_layer(layer, sample_ids)

    examples = read_examples(pictures, moments, vectors, "train", mirrored=config.horizontal_flip)
    validation = read_examples(pictures, moments, vectors, "val", mirrored=False, limit=config.validation_samples)
    return require_examples(examples), validation


@contextlib.contextmanager
def _log(folder_: Path, run: Path, accelerator: Any) -> Iterator[Report]:
    """The log of the main process, which also keeps a second start of the same run waiting; others note nothing."""
    if not accelerator.is_main_process:
        yield lambda step, figures: None
        return
    run.mkdir(parents=True, exist_ok=True)
    with FileLock(run / "lock"), live_log(folder_) as report:
        yield report


def _draw(model: Diffusion, adapter: Adapter, texts: Sequence[str], path: Path) -> None:
    """Prompts of split val, base beside adapted, same noise; an empty sheet where there are none."""
    sampler = Sampler(model, adapter, DRAWN)
    shown = [(text, through) for text in texts for through in (False, True)]
    pictures = [sampler.pictures([text], [seed_of("train", text)], [through])[0] for text, through in shown]
    labels = [f"{'adapted' if through else 'base'}: {text}" for text, through in shown]
    with files.atomic_file(path) as temporary:
        images.contact_sheet(pictures, labels, columns=4).save(temporary, "PNG")


def _report(path: Path, trainer: Trainer, trained: Trained) -> None:
    """Last figures, validation and sizes."""
    used, steps = len(trainer.examples), trainer.recipe.train.steps
    losses = trainer.validations()
    samples.write_report(
        path,
        used + len(trainer.validation),
        used,
        steps=steps,
        validation_samples=len(trainer.validation),
        parameters=folder.parameter_counts(trained.adapter),
        last_steps=trained.last(AVERAGED_STEPS),
        validation=losses,
    )
    said = ", ".join(f"{name} {loss:.5f}" for name, loss in losses.items() if loss is not None)
    cli.say(f"train: {steps:,} steps on {used:,} samples, validation: {said or 'none'}")


if __name__ == "__main__":
    cli.run(main, doc=__doc__)
