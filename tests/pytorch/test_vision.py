"""Models as vision packages write them: unchanged code in, the same model out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from raynas.pytorch import to_source, trace
from tests.pytorch.check import check
from tests.pytorch.vision.densenet import DenseNet
from tests.pytorch.vision.mobile import EfficientNet, MobileNetV3, RegNet
from tests.pytorch.vision.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50
from tests.pytorch.vision.transformers import ConvNeXt, Swin, ViT

SMALL: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "resnet18": (lambda: ResNet(BasicBlock, [2, 2, 2, 2], 10, 8), 32),
    "resnet50": (lambda: ResNet(Bottleneck, [3, 4, 6, 3], 10, 4, zero_init_residual=True), 32),
    "densenet": (lambda: DenseNet(8, (2, 3, 2), 8, drop_rate=0.2), 32),
    "mobilenet": (lambda: MobileNetV3(0.25), 32),
    "efficientnet": (lambda: EfficientNet(0.25, 0.5), 32),
    "regnet": (lambda: RegNet((8, 16), (1, 2)), 32),
    "convnext": (lambda: ConvNeXt((8, 16), (1, 2)), 32),
    "swin": (lambda: Swin(16, (2, 2), 4), 32),
    "vit": (lambda: ViT(32, 8, 2, 2, 16, 32), 32),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_vision_model_comes_back_as_it_went_in(name: str) -> None:
    factory, size = SMALL[name]
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    check(factory, image, opaque=None)


def test_resnet_18_stays_readable() -> None:
    source = to_source(trace(resnet18).freeze())
    assert len(source.splitlines()) < 150
    assert "getattr" not in source and "raynas" not in source


class Biased(nn.Module):
    """Computes a buffer in its constructor, as window attentions do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        places = torch.arange(4)[:, None] - torch.arange(4)[None, :]
        places += 3
        self.register_buffer("places", places)
        self.table = nn.Parameter(torch.zeros(7, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table[self.places].sum((0, 1))


def test_equal_blocks_share_a_class_also_where_their_constructors_compute() -> None:
    check(lambda: nn.Sequential(Biased(3), Biased(3)), torch.rand(2, 3), opaque=None)
    source = to_source(trace(lambda: nn.Sequential(*(Biased(8) for _ in range(4)))).freeze())
    assert source.count("class Biased") == 1


def test_the_stages_of_a_resnet_50_share_their_block_classes() -> None:
    source = to_source(trace(resnet50).freeze())
    assert source.count("class Bottleneck") <= 2


class Cleared(nn.Module):
    """Clears a part of a bias in its constructor, as the attentions of Swin V2 do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        length = self.qkv.bias.numel() // 3
        self.qkv.bias[length : 2 * length].data.zero_()
        nn.init.ones_(self.qkv.weight[::width, -1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.qkv(x)


def test_blocks_that_differ_in_the_bounds_of_a_slice_share_a_class() -> None:
    def stages() -> nn.Module:
        return nn.Sequential(Cleared(2), nn.ReLU(), Cleared(6), Cleared(18))

    check(stages, torch.rand(5, 2), opaque=None)
    source = to_source(trace(stages).freeze())
    assert source.count("class Cleared") == 1
    assert "bias[in_features:stop]" in source
