"""The process in which LAVIS runs: prepared pictures come in on stdin, captions go out on stdout, as Arrow streams.

Here transformers is LAVIS's old one; of ours only what needs torch, numpy, pyarrow and Pillow may be imported. An empty
batch is said once when the weights are loaded, and again in place of captions that the GPU's memory did not do for.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pyarrow as pa
import torch

from pipeline.blip_pictures import levels_of, normalised
from pipeline.blip_sampling import Nucleus, draws
from pipeline.vision_shim import ensure_torchvision

WEIGHTS, VOCABULARY, TASK = "weights.safetensors", "vocab.txt", "task.json"
ANSWER = pa.schema([("text", pa.string()), ("truncated", pa.bool_())])
PACKAGES = ("lavis", "lavis.models", "lavis.models.blip_models")


def network_class() -> Any:
    """LAVIS's ``BlipCaption``.

    The packages' own ``__init__`` would import every model and data set of LAVIS, with video decoders, OpenCV and spaCy
    (330 MB more); they are entered here as folders of modules instead. Its registry looks for the base class there.
    """
    ensure_torchvision()
    lavis = next(place for place in map(Path, sys.path) if (place / "lavis" / "models").is_dir())
    for name in PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(lavis.joinpath(*name.split(".")))]
        sys.modules[name] = package
    setattr(sys.modules["lavis.models"], "BaseModel", import_module("lavis.models.base_model").BaseModel)  # noqa: B010
    return import_module("lavis.models.blip_models.blip_caption").BlipCaption


def build(folder: Path, task: dict[str, Any]) -> Any:
    """LAVIS's captioner of the sizes and with the weights and words that lie in the folder.

    Raises:
        ValueError: its tokenizer starts a caption with another token than the model.
    """
    blip_caption = network_class()
    from safetensors.torch import load_file
    from transformers import BertConfig, BertTokenizer

    tokenizer = BertTokenizer(str(folder / VOCABULARY), do_lower_case=task["lower_case"])
    tokenizer.add_special_tokens({"bos_token": "[DEC]"})
    # LAVIS's own words would be bert-base-uncased's, from the hub.
    blip_caption.init_tokenizer = classmethod(lambda _: tokenizer)
    vision = dict(task["shape"]["vision"])
    norm = partial(torch.nn.LayerNorm, eps=vision.pop("layer_norm_eps"))
    encoder = import_module("lavis.models.vit").VisionTransformerEncoder(norm_layer=norm, **vision)
    decoder = import_module("lavis.models.med").XBertLMHeadDecoder(BertConfig(**task["shape"]["text"]))
    network = blip_caption(encoder, decoder, prompt=task["prompt"])
    start = task["shape"]["text"]["bos_token_id"]
    if tokenizer.bos_token_id != start:
        raise ValueError(f"LAVIS starts with token {tokenizer.bos_token_id}, this model with {start}")
    missing, unexpected = network.load_state_dict(load_file(folder / WEIGHTS), strict=False)
    if unexpected or [name for name in missing if not name.endswith("position_ids")]:
        raise ValueError(f"weights do not fit LAVIS's network: {[*missing, *unexpected][:3]}")
    return network.to(task["device"], getattr(torch, task["dtype"])).eval()


class Worker:
    """Captions batches as LAVIS's ``BlipCaption.generate`` does, which does not tell whether a caption was cut.

    Args:
        network: LAVIS's captioner.
        task: the settings of section ``blip`` that decide a caption, and ``levels``.
    """

    def __init__(self, network: Any, task: dict[str, Any]) -> None:
        self._network, self._task = network, task
        self._levels = torch.tensor(task["levels"], dtype=torch.float32, device=task["device"])
        self._dtype = getattr(torch, task["dtype"])

    @torch.no_grad()
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row of ANSWER a picture."""
        rows = pa.Table.from_batches([batch])
        pixels = normalised(levels_of(rows), self._levels, self._dtype)
        network = self._network
        embedded = network.forward_encoder({"image": pixels})
        prompt = network.tokenizer([network.prompt] * len(pixels), return_tensors="pt").to(pixels.device)
        prompt.input_ids[:, 0] = network.tokenizer.bos_token_id
        prompt["input_ids"] = prompt.input_ids[:, :-1]  # without [SEP]
        tokens = self._decode(prompt, embedded, rows.column("key").to_pylist())
        # LAVIS cuts the prompt's number of letters off the text, but a hyphen is decoded with spaces around it.
        said = tokens[:, prompt.input_ids.shape[1] :]
        texts = network.tokenizer.batch_decode(said, skip_special_tokens=True)
        truncated = (said != network.tokenizer.sep_token_id).all(dim=1).tolist()
        return pa.record_batch([texts, truncated], schema=ANSWER)

    def _decode(self, prompt: Any, embedded: torch.Tensor, keys: Sequence[str]) -> torch.Tensor:
        task, tokenizer, decoder = self._task, self._network.tokenizer, self._network.text_decoder
        lengths = {name: task[name] for name in ("min_length", "max_length", "repetition_penalty")}
        ends = {"pad_token_id": tokenizer.pad_token_id}
        if task["decoding"] == "beam":
            found: torch.Tensor = decoder.generate_from_encoder(
                prompt, embedded, num_beams=task["beams"], sep_token_id=tokenizer.sep_token_id, **ends, **lengths
            )
            return found
        from transformers import LogitsProcessorList

        # LAVIS's own nucleus draws from one generator for the batch, and fixes the penalty at 1.1.
        numbers = draws(keys, task["seed"], task["max_length"]).to(embedded.device)
        sampled: torch.Tensor = decoder.generate(
            input_ids=prompt.input_ids,
            encoder_hidden_states=embedded,
            encoder_attention_mask=torch.ones(embedded.shape[:-1], dtype=torch.long, device=embedded.device),
            eos_token_id=tokenizer.sep_token_id,
            logits_processor=LogitsProcessorList([Nucleus(task["top_p"], numbers)]),
            **ends,
            **lengths,
        )
        return sampled


def serve(worker: Worker, asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer batches until the stream of questions ends, as it does with the process that asks."""
    with pa.ipc.new_stream(answers, ANSWER) as out:
        _say(out, answers, _nothing())
        for batch in pa.ipc.open_stream(asked):
            try:
                answer = worker(batch)
            except torch.OutOfMemoryError:
                answer = _nothing()
            _say(out, answers, answer)


def _say(out: Any, answers: IO[bytes], batch: pa.RecordBatch) -> None:
    out.write_batch(batch)
    answers.flush()


def _nothing() -> pa.RecordBatch:
    return pa.record_batch([[], []], schema=ANSWER)


def main() -> None:
    """Serve the folder that the command line names; whatever prints, prints on stderr."""
    folder = Path(sys.argv[1])
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        task = json.loads((folder / TASK).read_text(encoding="utf-8"))
        torch.set_num_threads(task["threads"])
        serve(Worker(build(folder, task), task), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
