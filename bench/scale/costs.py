"""What each stage costs at a size: FLOP, processor time, bytes, requests, people's time. Settings are the paper's."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from bench.scale.architectures import LLAMA
from bench.scale.assumptions import (
    ITEM_B,
    PNG_B,
    REVIEW_S_A_PAIR,
    USD_A_CORE_HOUR,
    USD_A_GB_MONTH,
    USD_A_PERSON_HOUR,
    Card,
)
from bench.scale.rates import Rates
from bench.scale.sizes import KEPT, Size
from pipeline import prompts
from pipeline.downloading import DownloadParams
from pipeline.params import Section, load
from pipeline.sample_settings import SampleParams
from pipeline.sources.settings import SourcesParams
from pipeline.training_recipe import TrainParams

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "profiles" / "paper.yaml"
MOMENTS_B = 2 * 8 * 64 * 64 * 2
"""Plain and mirrored moments of a picture of 512 px: 8 x 64 x 64 float16 each."""
VECTOR_B = LLAMA["13B"].width * 2
FEATURE_B = 512 * 4  # what CLIP ViT-B/32 says of a picture, float32
"""A vector of LLaMA-13B in float16."""
HOUR, GB = 3600.0, 1e9
SectionT = TypeVar("SectionT", bound=Section)


@cache
def paper(section: type[SectionT], name: str) -> SectionT:
    """A section of the paper's profile, read once."""
    return load(section, name, PAPER)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one stage."""

    stage: str
    flop: float = 0.0
    model: str = ""
    """The model whose share of a card's peak bench.real_shapes measures."""
    core_s: float = 0.0
    output_b: float = 0.0
    """In data/<stage>; DVC's cache holds the same bytes as links where the disk can."""
    store_b: float = 0.0
    """In the work store, beside the output."""
    requests: float = 0.0
    polite_s: float = 0.0
    """What the rate limits of the settings make of the requests."""
    person_s: float = 0.0

    @property
    def disk_b(self) -> float:
        """Output and work store."""
        return self.output_b + self.store_b

    def gpu_h(self, card: Card, rates: Rates) -> float:
        """Hours of one card."""
        return self.flop / (card.peak_flop_s * rates.share(self.model, card)) / HOUR


@dataclass(frozen=True)
class Costing:
    """All stages at one size."""

    size: Size
    rates: Rates

    @cached_property
    def stages(self) -> list[Cost]:
        """The stages that cost something, in order."""
        return [
            self._scrape(),
            self._download(),
            self._clean(),
            self._caption(),
            self._clip_filter(),
            self._review(),
            self._resize(),
            self._embed(),
            self._latents(),
            self._train(),
            self._sample(),
        ]

    def total(self, name: str) -> float:
        """Sum of a field over the stages."""
        return float(sum(getattr(cost, name) for cost in self.stages))

    def gpu_h(self, card: Card) -> float:
        """Hours of one card in all."""
        return sum(cost.gpu_h(card, self.rates) for cost in self.stages)

    def usd(self, card: Card) -> dict[str, float]:
        """Money, by what it is for; the disk is rented for one month."""
        return {
            "gpu": self.gpu_h(card) * card.usd_an_hour,
            "cores": self.total("core_s") / HOUR * USD_A_CORE_HOUR,
            "disk": self.total("disk_b") / GB * USD_A_GB_MONTH,
            "people": self.total("person_s") / HOUR * USD_A_PERSON_HOUR,
        }

    def polite_s(self) -> tuple[float, float]:
        """Seconds of listing and of downloading, were everything asked of Civitai at the profile's rates."""
        site = paper(SourcesParams, "sources").civitai
        pictures = paper(DownloadParams, "download").requests_per_s
        pages = self.size.records / site.page_size
        return pages / site.requests_per_s, self.size.records / pictures

    def _row_b(self, table: str) -> float:
        return self.rates("row_memory", f"{table}_file_b_a_row")

    def _core_s(self, *figures: str) -> float:
        return sum(self.rates("pictures", f"{figure}_ms") for figure in figures) / 1000

    def _scrape(self) -> Cost:
        size, asked = self.size, 0 if self.size.imported else 1
        page_size = paper(SourcesParams, "sources").civitai.page_size
        return Cost(
            stage="scrape",
            core_s=size.records * self.rates("cleaning", "scrape_cpu_ms_a_record") / 1000,
            output_b=size.records * self._row_b("records"),
            store_b=asked * size.records * ITEM_B,
            requests=asked * size.records / page_size,
            polite_s=asked * self.polite_s()[0],
        )

    def _download(self) -> Cost:
        size, asked = self.size, 0 if self.size.imported else 1
        return Cost(
            stage="download",
            output_b=size.records * (size.picture_b + self._row_b("records")),
            store_b=size.records * size.picture_b,
            requests=asked * size.records,
            polite_s=asked * self.polite_s()[1],
        )

    def _clean(self) -> Cost:
        ms = self.rates("cleaning", "clean_cpu_ms_a_record") + self.rates("pictures", "facts_ms")
        return Cost(
            stage="clean", core_s=self.size.records * ms / 1000, output_b=self.size.records * self._row_b("samples")
        )

    def _caption(self) -> Cost:
        flop = self.rates("flops", "blip_vision") + self.rates("flops", "blip_search")
        return Cost(
            stage="caption",
            flop=self.size.records * flop,
            model="blip",
            core_s=self.size.records * self._core_s("decode", "blip"),
            output_b=self.size.records * self._row_b("captions"),
        )

    def _clip_filter(self) -> Cost:
        flop = self.rates("flops", "clip_image") + 2 * self.rates("flops", "clip_text")
        features = self.size.records * FEATURE_B
        return Cost(
            stage="clip_filter",
            flop=self.size.records * flop,
            model="clip",
            core_s=self.size.records * self._core_s("decode", "clip"),
            output_b=self.size.records * self._row_b("scores") + features,
            store_b=features,
        )

    def _review(self) -> Cost:
        return Cost(
            stage="review",
            output_b=self.size.scored * (self._row_b("tasks_json") + self._row_b("verdicts")),
            person_s=self.size.scored * REVIEW_S_A_PAIR,
        )

    def _resize(self) -> Cost:
        return Cost(
            stage="resize",
            core_s=self.size.kept * self._core_s("decode", "square", "encode"),
            output_b=self.size.kept * PNG_B,
        )

    def _embed(self) -> Cost:
        vectors = self.size.kept * VECTOR_B * LLAMA["13B"].layers
        flop = self.size.kept * self.rates("flops", "llama_13B")
        return Cost(stage="embed", flop=flop, model="llama_13B", output_b=vectors, store_b=vectors)

    def _latents(self) -> Cost:
        moments = self.size.kept * MOMENTS_B
        return Cost(
            stage="latents",
            flop=2 * self.size.kept * self.rates("flops", "vae_encode"),
            core_s=self.size.kept * self._core_s("decode_square"),
            output_b=moments,
            store_b=moments,
        )

    def _train(self) -> Cost:
        return Cost(stage="train", flop=self.steps() * self.step_flop())

    def steps(self) -> float:
        """Steps in which every pair is seen as often as in the paper: 80,000 draws from 57,603 pairs."""
        return paper(TrainParams, "train").steps * self.size.kept / KEPT

    def step_flop(self) -> float:
        """One optimiser step: both prompts encoded, adapter and U-Net forward and backward; moments are cached."""
        sample = 2 * self.rates("flops", "text") + self.rates("flops", "adapter") + self.rates("flops", "unet_to_text")
        return sample * paper(TrainParams, "train").batch_size

    def _sample(self) -> Cost:
        return Cost(stage="sample", flop=pictures() * self.picture_flop(), output_b=pictures() * PNG_B)

    def picture_flop(self) -> float:
        """One generated picture: the U-Net twice a step (guidance), then the VAE's decoder."""
        config = paper(SampleParams, "sample")
        calls = config.steps + (config.scheduler == "pndm")  # which calls the U-Net once more
        return 2 * calls * self.rates("flops", "unet") + self.rates("flops", "vae_decode")


def pictures() -> int:
    """Generated pictures: prompts x seeds x the two arms."""
    config = paper(SampleParams, "sample")
    chosen = prompts.first_of_each_type(
        prompts.read(ROOT / name for name in config.prompts if isinstance(name, str)), config.limit_per_type
    )
    return 2 * len(chosen) * config.images_per_prompt
