"""Right or opaque, never wrong: every model of the zoo comes back as it went in."""

from __future__ import annotations

import pytest

from tests.pytorch.check import check
from tests.pytorch.zoo import attributes, calls, constructors, control, strangers, structure
from tests.pytorch.zoo.case import Case

ROOMS = (structure, calls, attributes, control, constructors, strangers)
CASES = [case for room in ROOMS for case in room.zoo.cases]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_comes_back_as_it_went_in(case: Case) -> None:
    check(case.factory, *case.inputs, opaque=case.opaque, **case.options, **case.kwargs)
