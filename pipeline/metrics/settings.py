"""Section ``evaluate`` of params.yaml: which metrics are computed by which weights, and how arms are compared."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline import metric_names
from pipeline.clip_rule import ClipParams
from pipeline.params import Section, Share

Path_ = Annotated[str, Field(min_length=1)]


class ClipModel(Section):
    """A CLIP-like model: one space for pictures and texts."""

    library: Literal["open_clip", "transformers"]
    """What loads it. Published as transformers folders: PickScore, SigLIP; as files for open_clip: CLIP, HPSv2."""
    model: Path_
    """Folder, Hugging Face id, or (open_clip) an architecture; weights of OpenAI need the ``-quickgelu`` one."""
    revision: str = Field(min_length=1)
    """A folder's content digest, a hub model's commit, an architecture's pretrained tag, or ``weights``'s digest."""
    weights: str | None
    """open_clip: a file with the architecture's weights; empty where the model brings its own."""
    dtype: Literal["float32", "bfloat16", "float16"]

    @model_validator(mode="after")
    def _file_for_open_clip(self) -> "ClipModel":
        if self.weights is not None and self.library != "open_clip":
            raise ValueError("weights goes with library open_clip: name the folder as model")
        return self

    def open_clip(self) -> ClipParams:
        """The same in the words of section ``clip``, whose rule is not read."""
        named = {name: getattr(self, name) for name in ("model", "revision", "weights", "dtype")}
        return ClipParams(**named, long_prompts="truncate", margin=0.0, min_simple=None, min_complex=None)

    def decisive(self) -> dict[str, Any]:
        """What decides its vectors: the path of a file of weights does not, the digest of its content does."""
        return {name: getattr(self, name) for name in ("library", "model", "revision", "dtype")}


class ClipMetric(ClipModel):
    """Fit of picture and prompt: ``<name>_cosine``, and ``<name>_score`` or ``<name>_sigmoid``."""

    kind: Literal["clip", "siglip"]
    """``clip``: the cosine, and the pairwise softmax of both arms (the paper's CLIP Score, PickScore's probability).
    ``siglip``: the cosine, and sigmoid(scale x cosine + bias) with the model's own scale and bias."""
    name: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    """Begins the figures' names: clip, pickscore, hps, siglip."""
    logit_scale: float | None = Field(gt=0.0, le=1000.0)
    """What cosines are multiplied with before the softmax; empty: the model's own. CLIP's is 100."""

    @model_validator(mode="after")
    def _scale_of_clip(self) -> "ClipMetric":
        if self.kind == "siglip" and self.logit_scale is not None:
            raise ValueError("logit_scale must be empty for kind siglip, whose bias belongs to its own scale")
        return self

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what it gives."""
        second = metric_names.PAIRED if self.kind == "clip" else metric_names.SIGMOID
        return self.name + metric_names.COSINE, self.name + second


class BrisqueMetric(Section):
    """BRISQUE by LIVE's regression."""

    kind: Literal["brisque"]
    weights: Path_
    """Folder with LIVE's files ``allmodel`` and ``allrange`` (utlive/BRISQUE, folder MATLAB)."""
    revision: str = Field(min_length=1)
    """Digest of the two files; those of LIVE's release have e18c84066eed485a."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what it gives."""
        return (metric_names.BRISQUE,)

    def decisive(self) -> dict[str, Any]:
        """What decides its values."""
        return self.model_dump(exclude={"weights"})


class ClipIqaMetric(ClipModel):
    """CLIP-IQA: a CLIP with a ResNet, without positional embedding, pictures in their own size."""

    kind: Literal["clip_iqa"]
    pairs: tuple[tuple[str, str], ...] = Field(min_length=1, strict=False)
    """Texts of a good and of a bad picture; of several pairs the mean. Published: ``[[Good photo., Bad photo.]]``."""

    @field_validator("pairs", mode="before")
    @classmethod
    def _tuples(cls, value: Any) -> Any:
        return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)

    @field_validator("library")
    @classmethod
    def _only_open_clip(cls, value: str) -> str:
        if value != "open_clip":
            raise ValueError("must be open_clip: transformers has no CLIP with a ResNet")
        return value

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what it gives."""
        return (metric_names.CLIP_IQA,)

    def decisive(self) -> dict[str, Any]:
        """What decides its values."""
        return {**super().decisive(), "kind": self.kind, "pairs": self.pairs}


class MusiqMetric(Section):
    """MUSIQ through pyiqa, which the extra ``musiq`` brings."""

    kind: Literal["musiq"]
    weights: Path_
    """File of weights; on KonIQ-10k, whose scale the paper's values have: musiq_koniq_ckpt-e95806b9.pth."""
    revision: str = Field(pattern=r"^[0-9a-f]{8,64}$")
    """Beginning of the file's SHA-256, as published names end in it."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of what it gives."""
        return (metric_names.MUSIQ,)

    def decisive(self) -> dict[str, Any]:
        """What decides its values."""
        return self.model_dump(exclude={"weights"})


Metric = ClipMetric | BrisqueMetric | ClipIqaMetric | MusiqMetric
AnyMetric = Annotated[Metric, Field(discriminator="kind")]


class ModuleJudge(Section):
    """A judge in a Python module, such as the miniature's oracle."""

    kind: Literal["module"]
    module: str = Field(min_length=1)
    """With ``judge(image, atoms)`` and perhaps ``quality(image)``."""

    @property
    def name(self) -> str:
        """As it stands in the table of verdicts."""
        return self.module


class VqaJudge(Section):
    """BLIP answers each statement's question with yes or no; T2I-CompBench's prompts by their noun chunks."""

    kind: Literal["vqa"]
    model: Path_
    """Folder or Hugging Face id of a ``BlipForQuestionAnswering``: Salesforce/blip-vqa-base or -capfilt-large."""
    revision: str = Field(min_length=1)
    """A folder's content digest, or a hub model's commit."""
    dtype: Literal["float32", "bfloat16", "float16"]

    @property
    def name(self) -> str:
        """As it stands in the table of verdicts."""
        return f"vqa: {self.model}"


class DetectorRules(Section):
    """GenEval's thresholds; its values are .3, .9, .1 and 16. They were chosen for Mask2Former's scores."""

    threshold: Share
    """A thing counts above this score."""
    counting_threshold: Share
    """A thing counts above this score where things are counted."""
    position_threshold: Share
    """Share of both things' sizes by which they must be apart to lie beside each other."""
    max_objects: int = Field(ge=1)
    """Of a class, the surest."""


class DetectorJudge(DetectorRules):
    """OWLv2 or Grounding DINO with GenEval's rules for counts, colours and positions; it cannot judge actions."""

    kind: Literal["detector"]
    model: Path_
    """Folder or Hugging Face id: google/owlv2-base-patch16-ensemble, IDEA-Research/grounding-dino-base."""
    revision: str = Field(min_length=1)
    """A folder's content digest, or a hub model's commit."""
    dtype: Literal["float32", "bfloat16", "float16"]
    query: str = Field(pattern=r"\{\}")
    """What the detector is asked, ``{}`` is the class: ``a photo of a {}``."""
    colours: ClipModel | None
    """The CLIP-like model that tells the colour of what was found; empty: colours are not judged."""

    @property
    def name(self) -> str:
        """As it stands in the table of verdicts."""
        return f"detector: {self.model}"


AnyJudge = Annotated[ModuleJudge | VqaJudge | DetectorJudge, Field(discriminator="kind")]


class EvaluateParams(Section):
    """Section ``evaluate`` of params.yaml."""

    metrics: tuple[AnyMetric, ...] = Field(strict=False)
    """What is computed of every picture; each entry has its weights. What lacks them is told as not computed."""
    judges: tuple[AnyJudge, ...] = Field(strict=False)
    """Automatic judges; each statement is decided by the first that can answer it, and each judge alone stands beside
    (ADR 0031). ``[]`` leaves the verdicts to people (reviews/semantic), as in the paper."""
    confidence: float = Field(gt=0.5, lt=1.0)
    """Of all intervals."""
    bootstrap: int = Field(ge=100, le=1_000_000)
    """Resamples of prompts for an interval."""
    equivalence_margin_sd: float = Field(gt=0.0, le=5.0)
    """Differences below this many standard deviations of the base's prompt means count as equal quality (TOST)."""
    seed: int = Field(ge=0)
    """Of bootstrap and drawn permutations."""

    @field_validator("metrics")
    @classmethod
    def _each_once(cls, value: tuple[Metric, ...]) -> tuple[Metric, ...]:
        figures = [figure for metric in value for figure in metric.figures]
        twice = sorted({figure for figure in figures if figures.count(figure) > 1})
        if twice:
            raise ValueError(f"give {', '.join(twice)} twice: give one of the entries another name")
        return value

    @field_validator("judges")
    @classmethod
    def _each_judge_once(cls, value: tuple[AnyJudge, ...]) -> tuple[AnyJudge, ...]:
        names = [judge.name for judge in value]
        if len(set(names)) < len(names):
            raise ValueError(f"name one judge twice: {', '.join(names)}")
        kinds = [judge.kind for judge in value if judge.kind != "module"]
        if len(set(kinds)) < len(kinds):
            raise ValueError("take one judge of kind vqa and one of kind detector: their figures have these names")
        return value
