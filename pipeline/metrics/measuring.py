"""One pass over the generated images: each is decoded once, for all metrics and judges that have not seen it yet."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from pipeline import cli, tables
from pipeline.errors import InputError, ModelError
from pipeline.generated import GENERATED
from pipeline.images import decode
from pipeline.metrics.gauges import AT_ONCE, Gauge
from pipeline.metrics.judging import Judge
from pipeline.metrics.pictures import Picture
from pipeline.metrics.readers import GaugeReader, JudgeReader, Measured, Reader
from pipeline.prompts import Prompt
from pipeline.tables import KEY

_NEEDED = tables.schema(*(GENERATED.field(name) for name in (KEY, "image")))


def measure(
    parts: Path,
    pictures: Sequence[Picture],
    prompts: Mapping[str, Prompt],
    gauges: Sequence[Gauge],
    judges: Sequence[Judge],
) -> Measured:
    """Score and judge every image against its prompt's simple text, whatever text its arm was given.

    What lacks its weights, or is not defined for a picture, leaves its reason and no value.

    Args:
        parts: ``data/sample/parts``.
        pictures: all images.
        prompts: by id; every image's prompt must be among them.
        gauges: metrics that read pictures.
        judges: their verdicts, and their word on quality if they have one.

    Raises:
        ValueError: a judge broke its contract; names judge and image.
    """
    readers: list[Reader] = [GaugeReader(gauge, pictures, prompts) for gauge in gauges]
    readers += [JudgeReader(judge, pictures, prompts) for judge in judges]
    found = Measured()
    with ExitStack() as stack:
        for store in {each.store.folder: each.store for each in readers if each.store is not None}.values():
            stack.enter_context(store.locked())
        lacking = _begin(readers, found)
        _look(parts, lacking, found)
    for reader in lacking:
        try:
            reader.finish(found)
        except ModelError as error:  # all pictures were known, but not all texts
            _give_up(reader, error, found)
    return found


def _begin(readers: Sequence[Reader], found: Measured) -> dict[Reader, set[str]]:
    """Which pictures each must see; whoever cannot is left out."""
    lacking = {}
    for reader in readers:
        try:
            lacking[reader] = reader.begin()
        except ModelError as error:
            _give_up(reader, error, found)
    return lacking


def _look(parts: Path, lacking: dict[Reader, set[str]], found: Measured) -> None:
    """Decode what anybody lacks, once; whoever cannot read a picture is taken out."""
    wanted = set().union(*lacking.values())
    with cli.counting(len(wanted), "evaluate", unit="picture") as bar:
        for rows in _batches(parts, wanted):
            for reader, missing in list(lacking.items()):
                try:
                    if new := {name: picture for name, picture in rows.items() if name in missing}:
                        reader.read(new)
                except InputError as error:
                    _give_up(reader, error, found)
                    del lacking[reader]
            bar.update(len(rows))


def _give_up(reader: Reader, error: Exception, found: Measured) -> None:
    found.missing |= dict.fromkeys(reader.names, str(error))


def _batches(parts: Path, wanted: set[str]) -> Iterator[dict[str, Image.Image]]:
    """Sample id -> picture, some at a time, of those that are wanted."""
    for shard in tables.shards(parts) if wanted else ():
        rows = tables.read(shard, _NEEDED)
        places = [at for at, name in enumerate(rows.column(KEY).to_pylist()) if name in wanted]
        for start in range(0, len(places), AT_ONCE):
            chosen = rows.take(places[start : start + AT_ONCE]).to_pylist()
            yield {row[KEY]: decode(row["image"]["bytes"]) for row in chosen}
