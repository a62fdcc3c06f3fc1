"""Trainer: Lightning's own, with its arguments remembered; and the arguments with which a trial makes its Trainer."""

from __future__ import annotations

import pytorch_lightning

from raynas.serializer import serialize_cls


@serialize_cls
class Trainer(pytorch_lightning.Trainer):
    """`pytorch_lightning.Trainer`, which remembers its arguments, so that a trial can make its own from them."""
