"""The tables of generated pictures: what the sampler writes and what the evaluation reads.

A controlled method follows the arm in ``sample_id``: ``<prompt id>/<index>/<arm>/<method>``.
"""

import pyarrow as pa

from pipeline import tables
from pipeline.tables import IMAGE, KEY, column

GENERATED = tables.schema(
    column(KEY, pa.string(), "<prompt id>/<index, two digits or more>/<arm>"),
    column("arm", pa.string(), "base, adapted or complex (the base model on the prompt's complex wording)"),
    column("prompt_id", pa.string(), "id in the prompt file"),
    column("index", pa.int32(), "number of the picture of this prompt, from 0"),
    column("seed", pa.int64(), "of the first noise: the same in all arms of a prompt and index"),
    column("image", IMAGE, "the generated RGB picture, PNG"),
)

MANIFEST = tables.schema(
    *[field for field in GENERATED if field.name != "image"],
    column("model", pa.string(), "the base model, as diffusion.model names it"),
    column("method", pa.string(), "none, canny, seg, weighting, panorama, sag or pag"),
    column("type", pa.string(), "counting, colour or action, or what a benchmark calls its task"),
    column("text", pa.string(), "what the model was given: the prompt's text, or its complex wording in that arm"),
    column("part", pa.string(), "file in data/sample/parts that holds the picture"),
    column("sha256", pa.string(), "of the picture's bytes"),
)
