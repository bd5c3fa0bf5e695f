"""Engine ``ray``: a stage's units run in a pool of Ray actors, on this machine or on a cluster (docs/adr/0021-ray.md).

The only module that knows Ray. Units go out as thin rows; an actor reads what they need, computes and writes a chunk of
the work store, and its name comes back. So a lost actor or node costs the units that it had begun, and no row.
"""

import importlib.util
import logging
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, Field

from pipeline import cli
from pipeline.errors import SettingError, StorageError
from pipeline.operating import Runner, Store, Work, plan
from pipeline.params import Section
from pipeline.pool_worker import Worker, unpacked
from pipeline.work import ROW_KEY

SPARE_CPUS = 2  # logical CPUs of a local cluster beyond the machine's cores, so that a pool may use every core
MUST_STAY_FREE = 1  # a pool that leaves no more than this waits for ever and says nothing
CALLS_AT_A_TIME = 2  # of an actor: one reads and prepares while the other has the model
SILENCE_S = 2 * 60 * 60  # without any result: longer than loading 33B weights over a slow network takes
ANSWER_S = 5.0


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


def runner(config: RayParams) -> Runner:
    """What runs a stage's work in a pool of actors.

    Raises:
        SettingError: Ray is not installed, or the pool takes too much of this machine.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingError("compute.engine is ray, but Ray is not installed: pip install .[ray]")
    if config.address is None:
        refuse_cpus(config, _local_cpus())

    def run(work: Work, rows: pa.Table, store: Store) -> None:
        with store.locked():
            units = plan(rows.column(ROW_KEY).to_pylist(), store.missing, work.unit)
            if units:
                with connected(config) as ray:
                    _run(ray, config, work, [rows.take(unit) for unit in units], store)

    return run


@contextmanager
def connected(config: RayParams) -> Iterator[Any]:
    """The module ``ray``, connected to a cluster that has room for the pool; a cluster that began here ends here.

    Raises:
        SettingError: no cluster answers, or the pool does not fit it.
    """
    ray = _quiet_ray()
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if config.address is None:
            # Loopback alone: whoever reaches Ray's ports may run code here.
            ray.init("local", num_cpus=_local_cpus(), include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        else:
            _reach(config.address)
            _connect(ray, config.address, quiet)
        refuse_pool(config, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        yield ray
    finally:
        ray.shutdown()


def _quiet_ray() -> Any:
    """Ray without usage statistics, bars and messages; by the environment, since its processes read that too."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its coming default, else it warns
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _local_cpus() -> int:
    return (os.cpu_count() or 1) + SPARE_CPUS


def _reach(address: str) -> None:
    """Whether anything listens there: Ray itself tries for minutes before it gives up."""
    if address == "auto":
        return
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise _unreached(address, error) from error


def _connect(ray: Any, address: str, quiet: Mapping[str, Any]) -> None:
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # tries, of a minute each where no Ray answers
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreached(address, error) from error


def _unreached(address: str, error: Exception) -> SettingError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return SettingError(f"compute.ray.address is {address}, but no Ray cluster answers there: {reason}")


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


def _run(ray: Any, config: RayParams, work: Work, units: list[pa.Table], store: Store) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = SILENCE_S
    pool = ray.data.ActorPoolStrategy(
        size=min(config.actors, len(units)),
        max_concurrent_calls_per_actor=CALLS_AT_A_TIME,
        max_tasks_in_flight_per_actor=CALLS_AT_A_TIME,
        enable_true_multi_threading=True,
    )
    # A builder that remembers what it built cannot be sent; a worker calls it once anyway.
    work = replace(work, build=unwrap(work.build))
    finished = ray.data.from_arrow(units).map_batches(
        Worker,
        fn_constructor_args=(work, store.writer, Path.cwd()),
        batch_size=None,  # a block is a unit
        batch_format="pyarrow",
        compute=pool,
        num_cpus=config.cpus_per_actor,
        num_gpus=config.gpus_per_actor or None,
    )
    answers = finished.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    with cli.counting(sum(unit.num_rows for unit in units), work.label) as bar, closing(iter(answers)) as stream:
        for rows in _taken_in(stream, store):
            bar.update(rows)


def _taken_in(answers: Iterable[pa.Table], store: Store) -> Iterator[int]:
    """Note each chunk that a worker wrote and give its rows; raise what a worker raised."""
    for answer in answers:
        for row in answer.to_pylist():
            if row["failure"] is not None:
                raise unpacked(row["failure"])
            try:
                store.note(row["written"])
            except FileNotFoundError as error:
                raise StorageError(
                    f"a worker wrote {error.filename}, which is not on this machine: all nodes of a Ray cluster must"
                    " share the work store, set SUR_WORK to a shared folder"
                ) from error
            yield row["rows"]
