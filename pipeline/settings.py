"""All of params.yaml as one model."""

from pipeline.adapters.settings import AdapterParams
from pipeline.captioning import BlipParams
from pipeline.cleaning import CleanParams
from pipeline.clip_rule import ClipParams
from pipeline.downloading import DownloadParams
from pipeline.engine import ComputeParams
from pipeline.images import ImageParams
from pipeline.llm import LlmParams
from pipeline.losses import LossParams
from pipeline.metrics.settings import EvaluateParams
from pipeline.params import Section
from pipeline.review.verdicts import ReviewParams
from pipeline.sample_settings import SampleParams
from pipeline.sources.settings import SourcesParams
from pipeline.training_settings import TrainParams
from pipeline.vae import DiffusionParams


class Settings(Section):
    """The whole file, section by section; each is explained in the module that it configures."""

    sources: SourcesParams
    download: DownloadParams
    clean: CleanParams
    blip: BlipParams
    clip: ClipParams
    review: ReviewParams
    image: ImageParams
    llm: LlmParams
    adapter: AdapterParams
    loss: LossParams
    train: TrainParams
    diffusion: DiffusionParams
    sample: SampleParams
    evaluate: EvaluateParams
    compute: ComputeParams
