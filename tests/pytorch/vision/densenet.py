"""Densely connected networks (Huang et al. 2016): blocks as a ModuleDict, features concatenated over a list."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from torch import Tensor, nn


class DenseLayer(nn.Module):
    def __init__(self, inside: int, growth: int, bn_size: int, drop_rate: float, efficient: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inside, bn_size * growth, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth, growth, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.efficient = efficient

    def squeeze(self, inputs: list[Tensor]) -> Tensor:
        return self.conv1(self.relu1(self.norm1(torch.cat(inputs, 1))))

    def forward(self, inputs: Tensor | list[Tensor]) -> Tensor:
        previous = [inputs] if not isinstance(inputs, list) else inputs
        if self.efficient:
            middle = cp.checkpoint(lambda *parts: self.squeeze(list(parts)), *previous, use_reentrant=False)
        else:
            middle = self.squeeze(previous)
        new = self.conv2(self.relu2(self.norm2(middle)))
        if self.drop_rate > 0:
            new = F.dropout(new, p=self.drop_rate, training=self.training)
        return new


class DenseBlock(nn.ModuleDict):
    def __init__(self, count: int, inside: int, bn_size: int, growth: int, drop_rate: float) -> None:
        super().__init__()
        for i in range(count):
            layer = DenseLayer(inside + i * growth, growth, bn_size, drop_rate)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, initial: Tensor) -> Tensor:
        features = [initial]
        for _, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inside)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inside, outside, kernel_size=1, stride=1, bias=False)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    def __init__(
        self, growth: int = 32, blocks: tuple[int, ...] = (6, 12, 24, 16), initial: int = 64, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                [
                    ("conv0", nn.Conv2d(3, initial, kernel_size=7, stride=2, padding=3, bias=False)),
                    ("norm0", nn.BatchNorm2d(initial)),
                    ("relu0", nn.ReLU(inplace=True)),
                    ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
                ]
            )
        )
        width = initial
        for i, count in enumerate(blocks):
            self.features.add_module(f"denseblock{i + 1}", DenseBlock(count, width, 4, growth, drop_rate))
            width = width + count * growth
            if i != len(blocks) - 1:
                self.features.add_module(f"transition{i + 1}", Transition(width, width // 2))
                width = width // 2
        self.features.add_module("norm5", nn.BatchNorm2d(width))
        self.classifier = nn.Linear(width, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.features(x), inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        return self.classifier(torch.flatten(out, 1))
