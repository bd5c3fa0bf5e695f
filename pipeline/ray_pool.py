"""Section ``compute.ray``: a pool of actors, and whether a cluster can hold it (Ray itself waits and says nothing)."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.errors import SettingError
from pipeline.params import Section

SPARE_CPUS = 2  # logical CPUs of a local cluster beyond the machine's cores, so that a pool may use every core
MUST_STAY_FREE = 1  # a pool that leaves no more than this waits for ever


def _whole_above_one(value: float) -> float:
    if value > 1 and value != int(value):
        raise ValueError("must be a whole number above 1 (a rule of Ray)")
    return value


Amount = Annotated[float, AfterValidator(_whole_above_one)]


class RayParams(Section):
    """Section ``compute.ray`` of params.yaml, read when ``compute.engine`` is ``ray``."""

    address: str | None = Field(pattern=r"^(auto|[^\s:/]+:\d+)$")
    """Empty: a cluster of this machine alone, which goes when the stage ends; ``auto``: the one that was started here
    (``ray start``, ``$RAY_ADDRESS``); else its head as host:port."""

    actors: int = Field(ge=1)
    """Workers, each with its own weights."""

    cpus_per_actor: Amount = Field(gt=0)
    """CPUs that Ray counts for an actor; ``compute.threads`` is what torch takes there."""

    gpus_per_actor: Amount = Field(ge=0)
    """GPUs that Ray gives an actor for itself, or a share such as 0.5. At 0 Ray gives out none: an actor sees all of
    its node, and ``compute.device: auto`` takes the first."""


def local_cpus() -> int:
    """What a cluster of this machine alone declares."""
    return (os.cpu_count() or 1) + SPARE_CPUS


def refuse_cpus(config: RayParams, cpus: float) -> None:
    """Refuse a pool that takes as many of the cluster's CPUs as would make Ray wait for ever.

    Raises:
        SettingError: with both numbers.
    """
    pool = config.actors * config.cpus_per_actor
    if pool >= cpus - MUST_STAY_FREE:
        raise SettingError(
            f"compute.ray.actors x compute.ray.cpus_per_actor is {pool:g} CPUs, but the cluster has {cpus:g} and more"
            f" than {MUST_STAY_FREE} must stay free for Ray: take fewer or smaller actors"
        )


def refuse_pool(config: RayParams, nodes: Sequence[Mapping[str, float]]) -> None:
    """Refuse a pool that the cluster's nodes cannot hold.

    Args:
        config: the pool.
        nodes: what each node has, under ``CPU`` and ``GPU``.

    Raises:
        SettingError: with the numbers.
    """
    gpus = sum(node.get("GPU", 0) for node in nodes)
    if config.actors * config.gpus_per_actor > gpus:
        raise SettingError(
            f"compute.ray.actors x compute.ray.gpus_per_actor is {config.actors * config.gpus_per_actor:g} GPUs, but"
            f" the cluster has {gpus:g}: take fewer, or 0 to compute without"
        )
    refuse_cpus(config, sum(node.get("CPU", 0) for node in nodes))
    room = sum(_room(config, node) for node in nodes)
    if config.actors > room:
        raise SettingError(
            f"compute.ray.actors is {config.actors}, but with {config.cpus_per_actor:g} CPUs and"
            f" {config.gpus_per_actor:g} GPUs each the cluster's {len(nodes)} nodes have room for {room}"
        )


def _room(config: RayParams, node: Mapping[str, float]) -> int:
    """Actors that fit one node: an actor cannot be spread over two."""
    room = node.get("CPU", 0) // config.cpus_per_actor
    if config.gpus_per_actor:
        room = min(room, node.get("GPU", 0) // config.gpus_per_actor)
    return int(room)
