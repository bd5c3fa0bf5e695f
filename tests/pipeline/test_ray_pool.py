import pytest
from pydantic import ValidationError

from pipeline.errors import SettingError
from pipeline.ray_pool import refuse_pool
from tests.pipeline.ray_work import pool


@pytest.mark.parametrize(
    ("changes", "nodes", "says"),
    [
        ({"actors": 3}, [{"CPU": 4}], "cpus_per_actor is 3 CPUs, but the cluster has 4 and more than 1 must stay free"),
        ({"actors": 2, "cpus_per_actor": 4}, [{"CPU": 8}], "is 8 CPUs, but the cluster has 8"),
        ({"gpus_per_actor": 1}, [{"CPU": 9}], "gpus_per_actor is 2 GPUs, but the cluster has 0"),
        ({"gpus_per_actor": 1}, [{"CPU": 9, "GPU": 1}], "is 2 GPUs, but the cluster has 1"),
        ({"cpus_per_actor": 2}, [{"CPU": 3}, {"CPU": 1}, {"CPU": 2, "GPU": 1}], None),
        ({"actors": 1, "cpus_per_actor": 3}, [{"CPU": 2}] * 3, "the cluster's 3 nodes have room for 0"),
        (
            {"gpus_per_actor": 1},
            [{"CPU": 9}, {"CPU": 1, "GPU": 2}],
            "each the cluster's 2 nodes have room for 1",
        ),
        ({"actors": 4, "gpus_per_actor": 0.5}, [{"CPU": 9, "GPU": 2}], None),
    ],
)
def test_a_pool_must_fit_the_cluster(changes, nodes, says):
    if says is None:
        refuse_pool(pool(**changes), nodes)
    else:
        with pytest.raises(SettingError, match=says):
            refuse_pool(pool(**changes), nodes)


@pytest.mark.parametrize("changes", [{"address": "ray://host:1"}, {"address": "host"}, {"cpus_per_actor": 1.5}])
def test_settings_that_ray_does_not_take_are_refused(changes):
    with pytest.raises(ValidationError):
        pool(**changes)
