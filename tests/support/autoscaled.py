"""A standing cluster whose nodes come when they are asked for, and go when idle: Ray's own, faked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from standing import Standing, standing

HEAD = "f" * 51 + "00000"
"""By this id Ray's fake provider of machines knows its head."""

NOTHING = ("docker", "auth", "file_mounts")
LISTS = (
    *("initialization_commands", "setup_commands", "head_setup_commands", "worker_setup_commands"),
    *("head_start_ray_commands", "worker_start_ray_commands", "cluster_synced_files", "rsync_exclude", "rsync_filter"),
)


@contextmanager
def autoscaled(folder: Path, cpus: int = 2, most: int = 2) -> Iterator[Standing]:
    """A head without a CPU, and up to `most` nodes with `cpus`, none of them to begin with.

    Not by Ray's `AutoscalingCluster`, which ends every Ray on the machine.
    """
    settings = {
        "cluster_name": "fake",
        "max_workers": most,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.05,
        "head_node_type": "ray.head.default",
        "provider": {
            "type": "fake_multinode",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "gcs_address": "ADDRESS",
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": cpus}, "node_config": {}, "min_workers": 0, "max_workers": most},
        },
        **{name: {} for name in NOTHING},
        **{name: [] for name in LISTS},
        "file_mounts_sync_continuously": False,
    }
    path = folder / "autoscaling.json"
    environment = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    environment |= {"RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD, "RAY_CLOUD_INSTANCE_ID": HEAD}

    def configured(port: int) -> str:
        import ray

        path.write_text(json.dumps(settings).replace("ADDRESS", f"{ray.util.get_node_ip_address()}:{port}"))
        return f"--autoscaling-config={path}"

    with standing(0, configured, **environment) as cluster:
        yield cluster
