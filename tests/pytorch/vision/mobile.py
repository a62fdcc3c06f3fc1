"""MobileNetV3 (Howard et al. 2019), EfficientNet (Tan and Le 2019) and RegNet (Radosavovic et al. 2020)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn


def divisible(value: float, by: int = 8) -> int:
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


class ConvNormActivation(nn.Sequential):
    def __init__(
        self,
        inside: int,
        outside: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
    ) -> None:
        padding = (kernel_size - 1) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(inside, outside, kernel_size, stride, padding, groups=groups, bias=norm_layer is None)
        ]
        if norm_layer is not None:
            layers.append(norm_layer(outside))
        if activation_layer is not None:
            layers.append(activation_layer(inplace=True))
        super().__init__(*layers)
        self.out_channels = outside


class SqueezeExcitation(nn.Module):
    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, x: Tensor) -> Tensor:
        return self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))

    def forward(self, x: Tensor) -> Tensor:
        return self._scale(x) * x


def stochastic_depth(x: Tensor, p: float, mode: str, training: bool) -> Tensor:
    if not training or p == 0.0:
        return x
    survival = 1.0 - p
    size = [x.shape[0]] + [1] * (x.ndim - 1) if mode == "row" else [1] * x.ndim
    noise = torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(survival)
    if survival > 0.0:
        noise.div_(survival)
    return x * noise


class StochasticDepth(nn.Module):
    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        return stochastic_depth(x, self.p, self.mode, self.training)


@dataclass
class Config:
    inside: int
    kernel: int
    expanded: int
    outside: int
    use_se: bool
    activation: str
    stride: int


class InvertedResidual(nn.Module):
    def __init__(self, config: Config, norm_layer: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.use_res_connect = config.stride == 1 and config.inside == config.outside
        activation: type[nn.Module] = nn.Hardswish if config.activation == "HS" else nn.ReLU
        make = partial(ConvNormActivation, norm_layer=norm_layer)
        layers: list[nn.Module] = []
        if config.expanded != config.inside:
            layers.append(make(config.inside, config.expanded, 1, activation_layer=activation))
        layers.append(
            make(
                config.expanded,
                config.expanded,
                config.kernel,
                config.stride,
                groups=config.expanded,
                activation_layer=activation,
            )
        )
        if config.use_se:
            squeezed = divisible(config.expanded // 4)
            layers.append(SqueezeExcitation(config.expanded, squeezed, scale_activation=nn.Hardsigmoid))
        layers.append(make(config.expanded, config.outside, 1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = config.outside
        self._is_cn = config.stride > 1

    def forward(self, x: Tensor) -> Tensor:
        result = self.block(x)
        if self.use_res_connect:
            result += x
        return result


class MobileNetV3(nn.Module):
    def __init__(self, width: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        table = [
            (16, 3, 16, 16, True, "RE", 2),
            (16, 3, 72, 24, False, "RE", 2),
            (24, 3, 88, 24, False, "RE", 1),
            (24, 5, 96, 40, True, "HS", 2),
            (40, 5, 240, 40, True, "HS", 1),
            (40, 5, 240, 40, True, "HS", 1),
            (40, 5, 120, 48, True, "HS", 1),
            (48, 5, 144, 48, True, "HS", 1),
            (48, 5, 288, 96, True, "HS", 2),
            (96, 5, 576, 96, True, "HS", 1),
            (96, 5, 576, 96, True, "HS", 1),
        ]
        configs = [
            Config(divisible(i * width), k, divisible(e * width), divisible(o * width), se, act, s)
            for i, k, e, o, se, act, s in table
        ]
        layers: list[nn.Module] = [
            ConvNormActivation(3, configs[0].inside, 3, 2, norm_layer=norm, activation_layer=nn.Hardswish)
        ]
        layers += [InvertedResidual(config, norm) for config in configs]
        last = 6 * configs[-1].outside
        layers.append(ConvNormActivation(configs[-1].outside, last, 1, norm_layer=norm, activation_layer=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(last, 64), nn.Hardswish(inplace=True), nn.Dropout(p=dropout, inplace=True), nn.Linear(64, 10)
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.avgpool(self.features(x)), 1)
        return self.classifier(x)


class MBConv(nn.Module):
    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int,
        stride: int,
        ratio: int,
        drop: float,
        norm: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and inside == outside
        layers: list[nn.Module] = []
        expanded = divisible(inside * ratio)
        if expanded != inside:
            layers.append(ConvNormActivation(inside, expanded, 1, norm_layer=norm, activation_layer=nn.SiLU))
        layers.append(
            ConvNormActivation(
                expanded, expanded, kernel, stride, groups=expanded, norm_layer=norm, activation_layer=nn.SiLU
            )
        )
        layers.append(SqueezeExcitation(expanded, max(1, inside // 4), activation=partial(nn.SiLU, inplace=True)))
        layers.append(ConvNormActivation(expanded, outside, 1, norm_layer=norm, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.out_channels = outside

    def forward(self, x: Tensor) -> Tensor:
        result = self.block(x)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += x
        return result


class EfficientNet(nn.Module):
    def __init__(self, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3)
        table = [
            (1, 3, 1, 32, 16, 1),
            (6, 3, 2, 16, 24, 2),
            (6, 5, 2, 24, 40, 2),
            (6, 3, 2, 40, 80, 3),
            (6, 5, 1, 80, 112, 3),
            (6, 5, 2, 112, 192, 4),
            (6, 3, 1, 192, 320, 1),
        ]
        stem = divisible(32 * width)
        layers: list[nn.Module] = [ConvNormActivation(3, stem, 3, 2, norm_layer=norm, activation_layer=nn.SiLU)]
        total = sum(math.ceil(n * depth) for *_, n in table)
        done = 0
        for ratio, kernel, stride, inside, outside, count in table:
            stage: list[nn.Module] = []
            for i in range(math.ceil(count * depth)):
                first = divisible((inside if i == 0 else outside) * width)
                drop = 0.2 * done / total
                stage.append(
                    MBConv(first, divisible(outside * width), kernel, stride if i == 0 else 1, ratio, drop, norm)
                )
                done += 1
            layers.append(nn.Sequential(*stage))
        last = 4 * divisible(320 * width)
        layers.append(ConvNormActivation(divisible(320 * width), last, 1, norm_layer=norm, activation_layer=nn.SiLU))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=0.2, inplace=True), nn.Linear(last, 10))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                bound = 1.0 / math.sqrt(m.out_features)
                nn.init.uniform_(m.weight, -bound, bound)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(self.avgpool(self.features(x)), 1)
        return self.classifier(x)


class BottleneckTransform(nn.Sequential):
    def __init__(self, inside: int, outside: int, stride: int, group_width: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = ConvNormActivation(inside, outside, 1)
        layers["b"] = ConvNormActivation(outside, outside, 3, stride, groups=outside // group_width)
        layers["se"] = SqueezeExcitation(outside, round(0.25 * inside))
        layers["c"] = ConvNormActivation(outside, outside, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, group_width: int) -> None:
        super().__init__()
        self.proj = None
        if inside != outside or stride != 1:
            self.proj = ConvNormActivation(inside, outside, 1, stride, activation_layer=None)
        self.f = BottleneckTransform(inside, outside, stride, group_width)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(x) + self.f(x) if self.proj is not None else x + self.f(x)
        return self.activation(x)


class AnyStage(nn.Sequential):
    def __init__(self, inside: int, outside: int, depth: int, group_width: int, index: int) -> None:
        super().__init__()
        for i in range(depth):
            block = ResBottleneckBlock(inside if i == 0 else outside, outside, 2 if i == 0 else 1, group_width)
            self.add_module(f"block{index}-{i}", block)


class RegNet(nn.Module):
    def __init__(
        self,
        widths: tuple[int, ...] = (48, 104, 208, 440),
        depths: tuple[int, ...] = (1, 3, 6, 6),
        group_width: int = 8,
    ) -> None:
        super().__init__()
        self.stem = ConvNormActivation(3, 32, 3, 2)
        blocks = []
        inside = 32
        for i, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks.append((f"block{i + 1}", AnyStage(inside, width, depth, group_width, i + 1)))
            inside = width
        self.trunk_output = nn.Sequential(OrderedDict(blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(inside, 10)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                fan_out = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                nn.init.normal_(m.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0.0, std=0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.trunk_output(self.stem(x)))
        return self.fc(x.flatten(start_dim=1))
