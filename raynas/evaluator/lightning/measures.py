"""Measures: what classification and regression are judged by, as sums over a batch."""

from __future__ import annotations

from torch import Tensor


def accuracy(output: Tensor, target: Tensor) -> dict[str, tuple[Tensor, int]]:
    """How many predictions are right.

    Args:
        output: scores of shape (N, C, …), the largest of which is the prediction; or, for two classes, of shape (N,) or
            (N, 1), with the logit of the second class.
        target: classes of shape (N, …), or their probabilities in the shape of `output`.
    """
    if output.shape == target.shape and (output.ndim < 2 or output.shape[1] == 1):
        right = (output > 0) == (target > 0.5)
    elif output.shape == target.shape:
        right = output.argmax(1) == target.argmax(1)
    else:
        right = output.argmax(1) == target
    return {"accuracy": (right.sum(), right.numel())}


def errors(output: Tensor, target: Tensor) -> dict[str, tuple[Tensor, int]]:
    """Squared and absolute errors; output and target have one shape."""
    difference = (output - target).float()
    return {
        "mse": (difference.square().sum(), difference.numel()),
        "mae": (difference.abs().sum(), difference.numel()),
    }


def one_logit(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Output of shape (N, 1), one logit for two classes, in the shape (N,) of its target."""
    return (output.squeeze(1), target) if output.ndim == 2 and output.shape[1] == 1 == target.ndim else (output, target)


def alike(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one shape, where they differ by a last dimension of 1 only: broadcasting would pair all with all."""
    if output.ndim == target.ndim + 1 and output.shape[-1] == 1:
        return output.squeeze(-1), target
    if target.ndim == output.ndim + 1 and target.shape[-1] == 1:
        return output, target.squeeze(-1)
    return output, target
