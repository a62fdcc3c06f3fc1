import threading
from typing import Any

import pytest

from raynas.errors import ConfigError
from raynas.evaluator.lightning.arguments import complete, devices_of, given
from raynas.serializer import serialize


@pytest.mark.parametrize(
    ("user", "device", "accelerator", "devices", "strategy"),
    [
        ({}, "cpu", "cpu", 1, "auto"),
        ({}, "cuda:3", "gpu", [3], "auto"),
        ({}, "cuda", "gpu", [0], "auto"),
        ({}, "mps", "mps", 1, "auto"),
        ({"accelerator": "cpu"}, "cuda:1", "cpu", 1, "auto"),
        ({"accelerator": "gpu", "devices": "auto"}, "cuda:1", "gpu", [1], "auto"),
        ({"devices": "1"}, "cpu", "cpu", 1, "auto"),
        ({"devices": [2]}, "cuda:1", "gpu", [1], "auto"),
        ({"devices": 2}, "cpu", "cpu", 2, "ddp_spawn"),
        ({"devices": 2, "strategy": "ddp_spawn"}, "cpu", "cpu", 2, "ddp_spawn"),
    ],
)
def test_the_trial_says_where_to_train(
    user: dict[str, Any], device: str, accelerator: str, devices: Any, strategy: str
) -> None:
    assert devices_of(user, device) == {"accelerator": accelerator, "devices": devices, "strategy": strategy}


@pytest.mark.parametrize(
    ("user", "device", "message"),
    [
        ({"accelerator": "gpu"}, "cpu", "wants a GPU and the trial has 'cpu'"),
        ({"devices": 2, "strategy": "ddp"}, "cpu", "several devices need 'ddp_spawn'"),
        ({"devices": 2, "strategy": "fsdp"}, "cpu", "start the program again"),
        ({"strategy": "ddp"}, "cpu", "for one device: leave it out"),
        ({"num_nodes": 2}, "cpu", "several nodes"),
        ({"devices": -1}, "cpu", "devices=-1"),
        ({"devices": "all"}, "cpu", "devices='all'"),
        ({"devices": 2}, "cuda:0", "wants 2 GPUs and the trial was given one"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(user: dict[str, Any], device: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        devices_of(user, device)


def test_what_nobody_asked_for_is_off() -> None:
    arguments = complete({"max_epochs": 9, "gradient_clip_val": 1.0}, "cpu", 3, "pytorch_lightning")
    del arguments["plugins"]
    assert arguments == {
        "accelerator": "cpu",
        "devices": 1,
        "strategy": "auto",
        "max_epochs": 3,
        "gradient_clip_val": 1.0,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "enable_checkpointing": True,
        "callbacks": [],
    }
    assert complete({}, "cuda:0", 3, "pytorch_lightning")["deterministic"] == "warn"


def test_what_somebody_asked_for_is_on() -> None:
    from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar

    arguments = complete({"callbacks": TQDMProgressBar(), "enable_checkpointing": True}, "cpu", 3, "pytorch_lightning")
    assert isinstance(arguments["callbacks"][0], TQDMProgressBar)
    assert isinstance(arguments["callbacks"][1], ModelCheckpoint)
    assert arguments["enable_progress_bar"]


def test_a_callback_that_cannot_be_copied_needs_a_recipe() -> None:
    from pytorch_lightning.callbacks import Callback

    class Locked(Callback):
        def __init__(self) -> None:
            self.lock = threading.Lock()

    with pytest.raises(ConfigError, match=r"callbacks holds a .*Locked, .* make it with raynas.serialize"):
        complete({"callbacks": [Locked()]}, "cpu", 3, "pytorch_lightning")
    recorded = serialize(Locked)
    (made,) = complete({"callbacks": recorded}, "cpu", 3, "pytorch_lightning")["callbacks"]
    assert isinstance(made, Locked)
    assert made is not recorded


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(ConfigError, match="takes no 'max_epoch': did you mean 'max_epochs'"):
        given({"max_epoch": 1})
    with pytest.raises(ConfigError, match="takes no 'gpus_wanted'"):
        given({"gpus_wanted": 1})
    assert given(None) == {}
    assert given({"precision": 16}) == {"precision": 16}


def test_what_is_lightnings_default_counts_as_not_given() -> None:
    assert given({"enable_progress_bar": None, "max_epochs": 3, "devices": "auto"}) == {"max_epochs": 3}
    assert given({"enable_progress_bar": True, "logger": False}) == {"enable_progress_bar": True, "logger": False}
