"""Engine ``ray``: a stage's units run in a pool of Ray actors, on this machine or on a cluster (docs/adr/0021-ray.md).

The only module that knows Ray. Units go out as thin rows; an actor reads what they need, computes and writes a chunk of
the work store, and its name comes back. So a lost actor or node costs the units that it had begun, and no row.
"""

import importlib.util
import logging
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from inspect import unwrap
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import cli
from pipeline.errors import InputError, SettingError, StorageError
from pipeline.operating import Runner, Store, Work, plan
from pipeline.pool_worker import Worker, unpacked
from pipeline.ray_pool import RayParams, local_cpus, refuse_cpus, refuse_pool
from pipeline.work import ROW_KEY

CALLS_AT_A_TIME = 2  # of an actor: one reads and prepares while the other has the model
SILENCE_S = 2 * 60 * 60  # without any result: longer than loading 33B weights over a slow network takes
ANSWER_S = 5.0


def runner(config: RayParams) -> Runner:
    """What runs a stage's work in a pool of actors.

    Raises:
        SettingError: Ray is not installed, or the pool takes too much of this machine.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingError("compute.engine is ray, but Ray is not installed: pip install .[ray]")
    if config.address is None:
        refuse_cpus(config, local_cpus())

    def run(work: Work, rows: pa.Table, store: Store) -> None:
        with store.locked():
            units = plan(rows.column(ROW_KEY).to_pylist(), store.missing, work.unit)
            if units:
                with connected(config) as ray, _told_in_one_line():
                    _run(ray, config, work, [rows.take(unit) for unit in units], store)

    return run


@contextmanager
def connected(config: RayParams) -> Iterator[Any]:
    """The module ``ray``, connected to a cluster that has room for the pool; a cluster that began here ends here.

    Raises:
        SettingError: no cluster answers, or the pool does not fit it.
    """
    ray = _quiet_ray()
    shared = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": {"env_vars": _code()}}
    try:
        if config.address is None:
            ray.init("local", num_cpus=local_cpus(), include_dashboard=False, **shared)
        else:
            _reach(config.address)
            _connect(ray, config.address, shared)
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

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it logs as an error, it raises too
    return ray


def _code() -> dict[str, str]:
    """Where workers find the code that runs here, whatever else is installed (a queued experiment has its own copy)."""
    here = Path(__file__).resolve().parent.parent
    more = [Path(path).absolute() for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {"PYTHONPATH": os.pathsep.join(map(str, [here, *more]))}


def _reach(address: str) -> None:
    """Whether anything listens there: Ray itself tries for minutes before it gives up."""
    if address == "auto":
        return
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise _unreached(address, error) from error


def _connect(ray: Any, address: str, settings: Mapping[str, Any]) -> None:
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # tries, of a minute each where no Ray answers
    try:
        ray.init(address, **settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreached(address, error) from error


def _unreached(address: str, error: Exception) -> SettingError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return SettingError(
        f"compute.ray.address is {address}, but no Ray cluster answers there (or it wants RAY_AUTH_MODE=token):"
        f" {reason}"
    )


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    """Turn what Ray itself fails with into a user's mistake where it is one."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("ray."):
            raise
        if missing := re.search(r"No module named '[\w.]+'", str(error)):
            raise InputError(
                f"a node of the Ray cluster cannot load the code ({missing[0]}): the project's folder and what is"
                " installed must be the same on every node, see docs/cluster.md"
            ) from error
        if type(error).__name__ == "ExecutionTimeoutError":
            raise InputError(
                f"no worker of the Ray cluster has answered for {SILENCE_S // 60} minutes: see whether others hold its"
                " CPUs and GPUs (ray status), or take a smaller batch"
            ) from error
        raise


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
                    f"a worker wrote {row['written']}, which is not on this machine: all nodes of a Ray cluster must"
                    " share the work store, set SUR_WORK to a shared folder"
                ) from error
            yield row["rows"]
