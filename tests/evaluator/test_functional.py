import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from raynas.errors import ConfigError, EvaluationError, NonFiniteError, TrialStopped
from raynas.evaluator import Context, FunctionalEvaluator
from raynas.search_space import Leaf
from raynas.serializer import choices, dumps, loads, name_choices, resolve

model = nn.Linear(3, 2)


def weights(model: nn.Module, scale: float = 1.0) -> float:
    return scale * sum(p.numel() for p in model.parameters())


def seeded(model: nn.Module, context: Context, *, offset: int) -> dict[str, float]:
    for step in range(3):
        context.report({"value": step}, step)
    return {"seed": context.seed + offset}


def test_a_bare_number_is_called_value() -> None:
    assert FunctionalEvaluator(weights).evaluate(model, Context()) == {"value": 8.0}
    assert FunctionalEvaluator(lambda m: torch.tensor(2)).evaluate(model, Context()) == {"value": 2.0}


def test_arguments_and_context_reach_the_function() -> None:
    heard = []

    def send(metrics: object, step: int) -> bool:
        heard.append((metrics, step))
        return False

    assert FunctionalEvaluator(weights, scale=2).evaluate(model, Context()) == {"value": 16.0}
    assert FunctionalEvaluator(seeded, offset=1).evaluate(model, Context(seed=4, send=send)) == {"seed": 5.0}
    assert heard == [({"value": step}, step) for step in range(3)]


def test_a_stop_passes_through() -> None:
    with pytest.raises(TrialStopped, match="step 1"):
        FunctionalEvaluator(seeded, offset=1).evaluate(model, Context(send=lambda metrics, step: step == 1))


def test_a_callable_object_and_a_builtin_will_do() -> None:
    class Judge:
        def __call__(self, model: nn.Module) -> dict[str, float]:
            return {"value": 1}

    assert FunctionalEvaluator(Judge()).evaluate(model, Context()) == {"value": 1.0}
    assert FunctionalEvaluator(lambda *models: len(models)).evaluate(model, Context()) == {"value": 1.0}


@pytest.mark.parametrize("bad", ["good", None, [1.0], object()])
def test_a_bad_return_names_the_function(bad: object) -> None:
    with pytest.raises(EvaluationError, match="<lambda>"):
        FunctionalEvaluator(lambda m: bad).evaluate(model, Context())


def test_nan_and_exceptions_come_out() -> None:
    with pytest.raises(NonFiniteError):
        FunctionalEvaluator(lambda m: math.nan).evaluate(model, Context())
    with pytest.raises(ZeroDivisionError):
        FunctionalEvaluator(lambda m: 1 / 0).evaluate(model, Context())


def test_a_function_that_cannot_be_called_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'seeded'.*offset"):
        FunctionalEvaluator(seeded)
    with pytest.raises(ConfigError, match=r"'weights'.*'depth'"):
        FunctionalEvaluator(weights, depth=3)
    with pytest.raises(ConfigError, match="no arguments"):
        FunctionalEvaluator(lambda: 1)
    with pytest.raises(ConfigError, match="3: give it a function"):
        FunctionalEvaluator(3)  # type: ignore[arg-type]  # the point of the test


def test_example_inputs() -> None:
    x = torch.zeros(4, 3)
    assert FunctionalEvaluator(weights).example_inputs() is None
    assert FunctionalEvaluator(weights, x).example_inputs() == (x,)
    assert FunctionalEvaluator(weights, example_inputs=(x, x)).example_inputs() == (x, x)


def test_choices_among_the_arguments_are_made_in_the_document() -> None:
    evaluator = FunctionalEvaluator(weights, scale=Leaf([1.0, 3.0]))
    name_choices(evaluator)
    assert evaluator.evaluate(model, Context()) == {"value": 8.0}
    assert [leaf.label for leaf in choices(evaluator)] == ["scale"]
    attachments: dict[str, bytes] = {}
    text = resolve(dumps(evaluator, attachments), {"scale": 3.0})
    made = loads(text, attachments, trust=[__name__])
    assert made.evaluate(model, Context()) == {"value": 24.0}


def test_a_lambda_travels() -> None:
    attachments: dict[str, bytes] = {}
    text = dumps(FunctionalEvaluator(lambda m, k: k * 7, k=2), attachments)
    assert loads(text, attachments).evaluate(model, Context()) == {"value": 14.0}


def test_lightning_is_not_imported() -> None:
    program = (
        "import sys, raynas.evaluator\n"
        "assert not {'pytorch_lightning', 'lightning', 'lightning_fabric', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
