"""The captioner with LAVIS's code: an operator like the one with transformers', its model in another process."""

import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

import pyarrow as pa
import torch

from pipeline.blip_pictures import PIXELS, Pictures
from pipeline.captioning import Blip, BlipParams, open_blip, prompt_tokens, result
from pipeline.errors import ModelError
from pipeline.files import write_json, write_text
from pipeline.lavis import installation, weights, worker
from pipeline.work import ROW_KEY


class LavisCaptioner:
    """An operator: the same pictures and settings as for transformers' BLIP, captioned by LAVIS's.

    LAVIS needs a transformers from before 4.27, so it runs in a process of its own, which is started here with the
    same weights under LAVIS's names, and which ends with this object or with this process.

    Args:
        config: which BLIP, and how it searches.
        device: a torch device.

    Raises:
        ModelError: the model cannot be loaded, LAVIS is not installed or does not start.
        SettingError: ``blip.max_length`` is beyond what this BLIP can say, or no longer than ``blip.prompt``.
    """

    def __init__(self, config: BlipParams, device: str) -> None:
        installation.require()  # before the model is loaded for nothing
        blip = open_blip(config)
        prompt_tokens(config, blip.tokenizer)  # LAVIS's tokenizer has the same words
        self._pictures = Pictures(blip.processor)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        with tempfile.TemporaryDirectory(prefix="sur-lavis-") as folder:
            _write(Path(folder), blip, self._task(config, device, blip))
            self._process = installation.start(worker.__name__, [folder], self._errors)
            self._end = weakref.finalize(self, _stop, self._process, self._errors)
            self._questions: Any = None
            self._answers = self._hear_the_first()

    def _task(self, config: BlipParams, device: str, blip: Blip) -> dict[str, Any]:
        return {
            **config.model_dump(),
            "device": device,
            "threads": torch.get_num_threads(),
            "levels": self._pictures.levels.tolist(),
            "shape": weights.shape(blip.model.config),
            "lower_case": bool(getattr(blip.tokenizer, "do_lower_case", True)),
        }

    def _hear_the_first(self) -> pa.RecordBatchReader:
        """The stream of answers, after the empty one that tells that the weights are loaded."""
        assert self._process.stdout is not None
        try:
            answers = pa.ipc.open_stream(self._process.stdout)
            answers.read_next_batch()
        except (pa.ArrowInvalid, OSError, StopIteration) as error:
            raise self._failure() from error
        return answers

    def prepare(self, rows: pa.Table) -> pa.Table:
        """As :meth:`pipeline.blip_pictures.Pictures.prepare`."""
        return self._pictures.prepare(rows)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """Caption a batch of prepared pictures.

        Raises:
            ModelError: LAVIS stopped.
            torch.OutOfMemoryError: the GPU's memory did not do.
        """
        asked = rows.select([ROW_KEY, PIXELS]).combine_chunks()
        try:
            self._ask(asked)
            answer = self._answers.read_next_batch()
        except (pa.ArrowInvalid, OSError, StopIteration) as error:
            raise self._failure() from error
        if not answer.num_rows:
            raise torch.OutOfMemoryError("LAVIS's process")
        truncated = torch.tensor(answer.column("truncated").to_pylist())
        return result(rows.column(ROW_KEY), answer.column("text").to_pylist(), truncated)

    def _ask(self, rows: pa.Table) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        if self._questions is None:
            self._questions = pa.ipc.new_stream(pipe, rows.schema)
        self._questions.write_table(rows)
        pipe.flush()

    def _failure(self) -> ModelError:
        """What the process said last."""
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self._end()
        return ModelError(f"blip.backend lavis: LAVIS stopped: {lines[-1] if lines else 'it said nothing'}")


def _write(folder: Path, blip: Blip, task: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    save_file(weights.renamed(blip.model.state_dict()), folder / worker.WEIGHTS)
    write_text(folder / worker.VOCABULARY, "\n".join(weights.vocabulary(blip.tokenizer)) + "\n")
    write_json(folder / worker.TASK, task)


def _stop(process: Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdout, errors):
        assert pipe is not None
        pipe.close()
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # what was still to be sent
        process.stdin.close()
