"""What people posted on the miniature's three sites: every record with its truth, made again from a seed.

The faults are those that scraped records have, in about the measured shares: re-uploads, recompressed copies, broken
and tiny files, missing prompts and pictures, unsafe ratings, prompts that belong to another picture.
"""

import random
import uuid
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Literal

from miniature import language
from miniature.world import Scene, sample_scene

Site = Literal["lexica", "civitai", "stable_diffusion_online"]
Shape = Literal["square", "large", "wide", "tall", "tiny"]
EDITION = "2"
"""Part of every picture's address. Raise it when pictures change: a work store keeps what an address gave."""
SIZES: dict[Site, int] = {"lexica": 900, "civitai": 2400, "stable_diffusion_online": 700}
FAULT_SHARES = {
    "exact_duplicate": 0.03,
    "near_duplicate": 0.03,
    "truncated": 0.01,
    "html_page": 0.01,
    "missing": 0.006,
    "tiny": 0.02,
    "no_prompt": 0.03,
    "unsafe": 0.04,
    "wrong_prompt": 0.05,
    "grid": 0.01,
}
FAULTS_OF_ONE_SITE = {"grid": "lexica", "video": "civitai"}
UNRATED_SITE = "stable_diffusion_online"
SIBLING_SHARE = 0.15
"""Posts that show another picture of the prompt before them, as generators give several at once."""
SHAPES: dict[Shape, int] = {"square": 16, "large": 2, "wide": 1, "tall": 1}
"""Sizes of pictures and how often each comes."""
AUTHORS = tuple(f"painter_{number:02d}" for number in range(40))
DAYS = 600


@dataclass(frozen=True)
class Post:
    """One record of a site and the truth about it."""

    site: Site
    number: int
    scene: Scene
    """What the picture shows."""
    draw_seed: int
    shape: Shape
    prompt: str
    """Raw, as the site shows it; empty where it has none."""
    fault: str | None
    """What is wrong with it, one word; None for a good record."""
    of: "Post | None"
    """The post whose picture this copies."""
    seed: int
    """Of the generation, as the site tells it."""
    author: str
    day: int
    """Days after 2024-01-01."""

    @property
    def digest(self) -> str:
        """Stable hex digits of this post's place."""
        return sha256(f"{EDITION}:{self.site}:{self.number}".encode()).hexdigest()

    @property
    def source_id(self) -> str:
        """The site's own id: a UUID on Lexica, numbers elsewhere."""
        match self.site:
            case "lexica":
                return str(uuid.UUID(self.digest[:32]))
            case "civitai":
                return str(9_000_000 + 7 * self.number)
            case "stable_diffusion_online":
                return str(20_700_000 + 11 * self.number)

    @property
    def sample_id(self) -> str:
        """The key of this record in every table."""
        return f"{self.site}:{self.source_id}"

    @property
    def image_name(self) -> str:
        """The picture's UUID in its address."""
        return str(uuid.UUID(self.digest[-32:]))

    @property
    def level(self) -> int:
        """The rating as a bit mask: R, X or XXX where unsafe."""
        return (4, 8, 16)[self.number % 3] if self.fault == "unsafe" else 1


@cache
def posts() -> tuple[Post, ...]:
    """All posts of all sites, always the same."""
    first = [post for site in SIZES for post in _posts_of(site)]
    good = [post for post in first if post.fault is None]
    rng = random.Random(f"{EDITION}:copies")
    return tuple(
        _copied(post, rng.choice(good)) if (post.fault or "").endswith("duplicate") else post for post in first
    )


@cache
def posts_of(site: Site) -> tuple[Post, ...]:
    """The posts of one site, in the order of their numbers."""
    return tuple(post for post in posts() if post.site == site)


def _posts_of(site: Site) -> list[Post]:
    rng = random.Random(f"{EDITION}:{site}")
    faults = _faults(site, rng)
    made: list[Post] = []
    for number, fault in enumerate(faults):
        sibling = made[-1] if made and made[-1].fault is None and rng.random() < SIBLING_SHARE else None
        scene = sibling.scene if sibling else sample_scene(rng)
        prompt = sibling.prompt if sibling else raw_prompt(scene, rng, site)
        post = Post(
            site=site,
            number=number,
            scene=scene,
            draw_seed=rng.randrange(2**31),
            shape="tiny" if fault == "tiny" else rng.choices(list(SHAPES), list(SHAPES.values()))[0],
            prompt=prompt,
            fault=fault,
            of=None,
            seed=rng.randrange(2**32, 2**35) if number % 9 == 0 else rng.randrange(2**32),
            author=rng.choice(AUTHORS),
            day=rng.randrange(DAYS),
        )
        made.append(_with_fault(post, rng))
    return made


def _faults(site: Site, rng: random.Random) -> list[str | None]:
    """One fault or None for each post of a site, the shares met exactly."""
    size = SIZES[site]
    faults: list[str | None] = []
    for fault, share in FAULT_SHARES.items():
        fits = FAULTS_OF_ONE_SITE.get(fault, site) == site and not (fault == "unsafe" and site == UNRATED_SITE)
        faults += [fault] * (round(share * size) if fits else 0)
    faults += [None] * (size - len(faults))
    rng.shuffle(faults)
    return [*faults, "video"] if site == FAULTS_OF_ONE_SITE["video"] else faults


def _with_fault(post: Post, rng: random.Random) -> Post:
    match post.fault:
        case "no_prompt":
            return replace(post, prompt="")
        case "wrong_prompt":
            return replace(post, prompt=raw_prompt(_other_scene(post.scene, rng), rng, post.site))
    return post


def _other_scene(scene: Scene, rng: random.Random) -> Scene:
    while (other := sample_scene(rng)) == scene:
        pass
    return other


def _copied(post: Post, original: Post) -> Post:
    return replace(
        post,
        scene=original.scene,
        draw_seed=original.draw_seed,
        shape=original.shape,
        prompt=original.prompt,
        of=original,
    )


def raw_prompt(scene: Scene, rng: random.Random, site: Site) -> str:
    """A complex prompt as people type it; on Civitai with the web UI's further syntax."""
    keywords = language.complex_prompt(scene, rng)
    if site != "civitai":
        return keywords
    match rng.randrange(10):
        case 0:
            return f"<lora:flat_world:0.{rng.randint(4, 9)}>, {keywords}"
        case 1:
            return keywords.replace(", ", "\n", 1)
        case 2:
            return f"{keywords} BREAK ((vector art))"
        case 3:
            return f"{keywords}, [blurry:sharp focus:0.{rng.randint(2, 8)}]"
    return keywords
