from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_jobs
import pytest
import torch
from hosted_engine import Shadow

from raynas.engine import Job, Resources, Workplace
from raynas.engine.gpu import device_of, enter, leave
from raynas.engine.local_engine import LocalEngine
from raynas.errors import ResourceError
from raynas.testing.engine_contract import PATIENCE, collect, job
from raynas.trial import Cause, Event, Failed, Finished

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")

QUARTER = Resources(num_cpus=0.25, num_gpus=0.25)
WHOLE = Resources(num_cpus=1, num_gpus=1)


@pytest.mark.parametrize(
    ("ids", "visible", "device"),
    [
        ([], None, "cpu"),
        ([], "0,1", "cpu"),
        ([2], None, "cuda:2"),
        (["3"], "2,3", "cuda:1"),
        (["GPU-b"], "GPU-a, GPU-b", "cuda:1"),
        (["0"], "1,0", "cuda:1"),
        ([1, 0], None, "cuda:0"),
    ],
)
def test_a_gpu_has_its_number_among_those_that_the_process_sees(
    ids: list[int | str], visible: str | None, device: str
) -> None:
    assert device_of(ids, visible) == device


def test_a_gpu_that_torch_does_not_see_is_refused() -> None:
    with pytest.raises(ResourceError, match=r"given 'cuda:99', and torch .* sees .* GPUs there: install"):
        enter("cuda:99")


def test_the_cpu_needs_nothing() -> None:
    enter("cpu", 0.1)
    assert leave("cpu")


TWO = """
import os, tempfile, time, uuid, ray
from ray.cluster_utils import Cluster
from raynas.engine.ray_engine.engine import SEVERAL_GPUS
from raynas.engine.ray_engine.task import own_gpu
def own(folder, number):
    open(os.path.join(folder, uuid.uuid4().hex), "w").close()
    while len(os.listdir(folder)) < number:  # all at the same time, however long their processes take to start
        time.sleep(0.05)
    return own_gpu()
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2})
ray.init(address=cluster.address, log_to_driver=False)
function = ray.remote(own)
def told(share, number):
    options = {"num_cpus": 0.1, "num_gpus": share, "runtime_env": SEVERAL_GPUS}
    folder = tempfile.mkdtemp(dir=os.getcwd())
    return sorted(ray.get([function.options(**options).remote(folder, number) for _ in range(number)]))
print(told(1, 2))
print(told(0.5, 4))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize("visible", [None, "5,7"])
def test_two_trials_on_a_node_with_two_gpus_have_one_each(visible: str | None, tmp_path: Path) -> None:
    # Two that the node declares; where Ray is told which ones are visible, they go by their numbers among those.
    environment = {**os.environ, "RAY_ADDRESS": ""}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    done = subprocess.run(
        [sys.executable, "-c", TWO], cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=200
    )
    assert done.stdout.splitlines() == [
        str([("cuda:0", 1.0), ("cuda:1", 1.0)]),
        str([("cuda:0", 0.5), ("cuda:0", 0.5), ("cuda:1", 0.5), ("cuda:1", 0.5)]),
    ], done.stderr


@needs_gpu
@pytest.mark.ray
class TestInRay:
    @pytest.fixture(scope="class")
    def host(self, ray_session: None) -> Iterator[Any]:
        from raynas.engine.ray_engine import RaySession

        with RaySession() as session:
            made = session.host("hosted_engine:HostedEngine", {})
            yield made
            made.end()

    @pytest.fixture(autouse=True)
    def _keep(self, host: Any, tmp_path: Path) -> None:
        self.host = host
        self.place = Workplace(str(tmp_path), trust=("gpu_jobs",))

    @contextmanager
    def opened(self, resources: Resources) -> Iterator[Shadow]:
        self.host.call("open", self.place, resources, 1000)
        engine = Shadow(self.host)
        yield engine
        engine.close()

    def ends(self, jobs: Sequence[Job], resources: Resources = WHOLE) -> list[Event]:
        with self.opened(resources) as engine:
            events = collect(engine, jobs)
        return [events[made.trial][-1] for made in jobs]

    def finished(self, jobs: Sequence[Job], resources: Resources = WHOLE) -> list[dict[str, float]]:
        ends = self.ends(jobs, resources)
        assert all(isinstance(end, Finished) for end in ends), ends
        return [dict(end.metrics) for end in ends if isinstance(end, Finished)]

    def test_trials_share_a_gpu_and_reuse_their_processes(self) -> None:
        found = self.finished([job(gpu_jobs.look, trial) for trial in range(12)], QUARTER)
        assert all(metrics["right"] for metrics in found)
        assert 1 <= len({metrics["pid"] for metrics in found}) <= 4

    def test_what_a_trial_has_used_the_next_one_has(self) -> None:
        jobs = [
            job(gpu_jobs.look, 0),
            job(gpu_jobs.take, 1, part=0.8),
            job(gpu_jobs.keep_in_a_cycle, 2),
            *[job(gpu_jobs.take, trial, part=0.8) for trial in (3, 4)],
            job(gpu_jobs.look, 5),
        ]
        found = self.finished(jobs)
        assert len({metrics["pid"] for metrics in found}) == 1
        assert all(metrics["reserved"] < 2**28 for metrics in found)
        assert found[-1]["free"] > found[0]["free"] - 2**29

    def test_out_of_memory_is_of_its_own_trial(self) -> None:
        *_, failed, after = self.ends([job(gpu_jobs.take, 0, part=1.2), job(gpu_jobs.take, 1, part=0.8)])
        assert isinstance(failed, Failed) and failed.cause is Cause.OUT_OF_MEMORY
        assert isinstance(after, Finished)

    def test_a_trial_that_takes_more_than_its_share_harms_no_other(self) -> None:
        jobs = [job(gpu_jobs.take, trial, part=0.5 if trial == 2 else 0.2) for trial in range(8)]
        ends = self.ends(jobs, QUARTER)
        assert [type(end) for end in ends] == [Failed if trial == 2 else Finished for trial in range(8)]
        assert isinstance(ends[2], Failed) and ends[2].cause is Cause.OUT_OF_MEMORY

    def test_what_a_trial_never_gives_back_goes_with_its_process(self) -> None:
        # The first one may load what all need; from then on each tenth of the memory is too much.
        found = self.finished([job(gpu_jobs.take, trial, part=0.3, keep=True) for trial in range(5)])
        assert all(metrics["reserved"] < 0.7 * torch.cuda.get_device_properties(0).total_memory for metrics in found)
        assert len({metrics["pid"] for metrics in found}) > 1

    @pytest.mark.parametrize("sync", [True, False])
    def test_a_process_that_has_lost_its_gpu_is_replaced(self, sync: bool) -> None:
        first, bad, *rest = self.ends(
            [job(gpu_jobs.look, 0), job(gpu_jobs.mislabel, 1, sync=sync), *[job(gpu_jobs.look, n) for n in (2, 3)]]
        )
        assert isinstance(bad, Failed) and bad.cause is Cause.EXCEPTION and "assert" in bad.message
        ends = [end for end in (first, *rest) if isinstance(end, Finished)]
        assert len(ends) == 3 and ends[1].metrics["pid"] != ends[0].metrics["pid"]

    def test_a_kernel_that_never_ends_costs_its_own_trial(self) -> None:
        with self.opened(WHOLE) as engine:
            heard: list[Event] = []
            endless = job(gpu_jobs.never_end, 0)
            engine.submit(endless)
            while not heard or not any(event.trial == 0 and hasattr(event, "step") for event in heard):
                engine.wait(heard.extend, PATIENCE)
            engine.answer(0, 1, False)
            engine.cancel(0)
            events = collect(engine, [job(gpu_jobs.take, 1, part=0.8)])
        assert isinstance(events[1][-1], Finished)

    def test_a_seed_says_what_is_drawn_on_both(self) -> None:
        jobs = [replace(job(gpu_jobs.draw, trial), seed=trial // 2) for trial in range(4)]
        found = self.finished(jobs, QUARTER)
        assert found[0] == found[1] and found[2] == found[3] and found[0] != found[2]


@needs_gpu
def test_in_this_process(tmp_path: Path) -> None:
    engine = LocalEngine(Workplace(str(tmp_path), trust=("gpu_jobs",)), WHOLE)
    jobs = [job(gpu_jobs.look, 0), job(gpu_jobs.take, 1, part=0.8), job(gpu_jobs.take, 2, part=0.8)]
    events = collect(engine, jobs)
    ends = [events[trial][-1] for trial in range(3)]
    assert all(isinstance(end, Finished) and end.metrics["right"] for end in ends)
