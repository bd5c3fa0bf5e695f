"""What stage ``train`` does with the authors' weights: they become the adapter, nothing is trained (ADR 0022)."""

from pathlib import Path

from pipeline import cli, samples
from pipeline.adapters import checkpoint, folder
from pipeline.adapters.settings import OfficialCheckpoint
from pipeline.diffusion import Diffusion
from pipeline.training_examples import different_prompts
from pipeline.training_log import live_log
from pipeline.training_samples import draw, write_sheet


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
    texts = different_prompts(pictures, "val")[:shown]
    write_sheet(target / "samples.png", texts, *draw(model, adapter, texts))
    weights = {"read": found.parameters, "left_out": found.dead}
    samples.write_report(target / "report.json", 0, 0, steps=0, parameters=weights, official_sha256=found.sha256)
    cli.say(f"train: nothing was trained, {source.path} was converted: {checkpoint.told(found)}")
