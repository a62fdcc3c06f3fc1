import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import EvaluationError
from raynas.evaluator.lightning.progress import Mode, Progress

values = st.lists(st.floats(-5, 5), min_size=1, max_size=8)


@given(values, st.sampled_from(["min", "max"]), st.integers(0, 8))
def test_best_and_last_are_kept_also_across_a_break(losses: list[float], mode: Mode, cut: int) -> None:
    progress = Progress("loss", mode)
    for epoch, loss in enumerate(losses[:cut]):
        progress.add(epoch, {"loss": loss, "twice": 2 * loss})
    progress = Progress("loss", mode, progress.state())
    for epoch, loss in enumerate(losses[cut:], start=min(cut, len(losses))):
        result = progress.add(epoch, {"loss": loss, "twice": 2 * loss})
        assert result == progress.result()
    result = progress.result()
    best = min(losses) if mode == "min" else max(losses)
    assert result == {
        "loss": losses[-1],
        "twice": 2 * losses[-1],
        "best_loss": best,
        "best_twice": 2 * best,
        "best_epoch": losses.index(best),
    }


def test_nothing_monitored_nothing_best() -> None:
    progress = Progress(None, "min")
    assert progress.result() == {}
    assert progress.add(0, {"loss": 1.0}) == {"loss": 1.0}
    with pytest.raises(EvaluationError, match="'f1' to monitor was not logged in epoch 2: there is 'loss'"):
        Progress("f1", "max").add(2, {"loss": 1.0})
