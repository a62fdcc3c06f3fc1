"""The files in configs/cluster, as far as they can be checked without a cluster."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from raynas.cli.main import parsed

FILES = Path(__file__).parents[2] / "configs" / "cluster"


def loaded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FILES / name).read_text())
    return found


def test_rays_launcher_takes_its_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(loaded("launcher.yaml"))
    validate_config(config)
    assert config["head_node_type"] in config["available_node_types"]


def test_the_job_for_kubernetes_has_what_its_kind_asks_for() -> None:
    job = loaded("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert "working_dir" in yaml.safe_load(spec["runtimeEnvYAML"])
    assert searches(spec["entrypoint"]) == ["/runs"]


def test_the_batch_file_is_a_script() -> None:
    file = FILES / "slurm.sbatch"
    subprocess.run(["bash", "-n", str(file)], check=True)
    text = file.read_text().replace("\\\n", " ")
    assert text.startswith("#!/bin/bash\n") and "#SBATCH --nodes=" in text
    assert searches(text) == ["$PWD/runs"]


def searches(text: str) -> list[Any]:
    """The storage path of each search that stands there, which must be absolute in a job."""
    lines = re.findall(r"raynas (search [^&\n]*)", text)
    return [parsed(shlex.split(line))[1].given.storage_path for line in lines]


def test_what_the_pages_say_can_be_parsed() -> None:
    launcher = re.sub(r"\\\n#", " ", (FILES / "launcher.yaml").read_text())
    assert searches(launcher) == ["/home/ubuntu/runs"]
