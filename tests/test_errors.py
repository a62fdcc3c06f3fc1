"""raynas/errors.py: a notice points to the user's line."""

import pickle
import warnings

import pytest
from torch import nn

import raynas


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


def test_a_notice_points_to_the_line_that_led_to_it() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raynas.trace(Branches)
    (one,) = caught
    assert issubclass(one.category, raynas.Notice)
    assert one.filename == __file__


def test_notices_can_be_silenced() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", raynas.Notice)
        raynas.trace(Branches)
    with warnings.catch_warnings(), pytest.raises(raynas.Notice):
        warnings.simplefilter("error", raynas.Notice)
        raynas.trace(Branches)


def test_a_message_is_one_line_whatever_is_named_in_it() -> None:
    error = raynas.ConfigError("there is no 'a\n\tb\x1b[31m': name another")
    assert str(error) == r"there is no 'a\n\tb\x1b[31m': name another"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(raynas.ConfigError("größer: ≤ 1")) == "größer: ≤ 1"
