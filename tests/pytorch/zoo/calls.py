"""What modules take and return, and how functions are called."""

# ruff: noqa: B007, C416, E731
# Written as people write, which is what is tested.
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.utils.checkpoint import checkpoint

from tests.pytorch.zoo.case import X, Zoo
from tests.pytorch.zoo.structure import Block

zoo = Zoo()
SEQUENCE = torch.linspace(-1, 1, 24).reshape(2, 3, 4)
IMAGE = torch.linspace(-1, 1, 96).reshape(1, 3, 8, 4)


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


@dataclass
class Output:
    logits: Tensor
    hidden: list[Tensor]
    note: str = "none"


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y = self.linear(x)
        return {"pair": (y, y * 2), "list": [y, {"deep": y + 1}], "number": 3, "none": None}


class Join(nn.Module):
    def forward(self, parts: Any, *, scale: float = 1.0) -> Tensor:
        (a, b), (c, d) = parts["pair"], parts["list"]
        assert parts["none"] is None
        return (a + b + c + d["deep"]) * parts["number"] * scale


@zoo(X)
class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.split, self.join = Split(), Join()

    def forward(self, x: Tensor) -> Any:
        parts = self.split(x)
        return [self.join(parts, scale=2.0), parts, (parts["number"], [])]


class MakesPair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Pair:
        return Pair(self.linear(x), x)


class TakesPair(nn.Module):
    def forward(self, pair: Pair) -> Tensor:
        return pair.left - pair.right


@zoo(X)
class NamedTuples(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.make, self.take = MakesPair(), TakesPair()

    def forward(self, x: Tensor) -> Any:
        pair = self.make(x)
        left, right = pair
        return Pair(self.take(pair), left + right), pair


class MakesOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Output:
        y = self.linear(x)
        return Output(y, [x, y], note="made")


@zoo(X)
class Dataclasses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.make = MakesOutput()

    def forward(self, x: Tensor) -> Any:
        output = self.make(x)
        return Output(logits=output.logits + output.hidden[0], hidden=output.hidden)


@zoo(X, torch.ones(2, 6), torch.ones(6), opaque=("the",))
class StarArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            x = x + other
        return self.linear(x)


@zoo(X, bias=torch.ones(6), scale=2.0)
class KeywordOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Tensor, *, bias: Tensor, scale: float = 1.0) -> Tensor:
        return self.inner(x, bias=bias, scale=scale)


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        y = self.linear(x)
        if options.get("bias") is not None:
            y = y + options["bias"]
        return y * options.pop("scale", 1.0)


@zoo(X, opaque=("the",))
class OptionalInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, mask: Tensor | None = None, p: float = 0.5) -> Tensor:
        y = self.linear(x)
        if mask is not None:
            y = y * mask
        return y * p


@zoo(X, torch.ones(2, 6), opaque=("the",))
class OptionalInputGiven(OptionalInput):
    pass


@zoo(X, mask=torch.ones(2, 6), p=0.25, opaque=("the",))
class OptionalInputNamed(OptionalInput):
    pass


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        y = self.linear(x)
        return (y if mask is None else y * mask), mask


@zoo(X)
class NoneArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Masked(), Masked()

    def forward(self, x: Tensor) -> Any:
        x, nothing = self.a(x, None)
        y, mask = self.b(x, mask=x > 0)
        return y, nothing, mask


@zoo(SEQUENCE)
class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, num_layers=2, batch_first=True, dropout=0.3, bidirectional=True)
        self.gru = nn.GRU(10, 3, batch_first=True)
        self.cell = nn.LSTMCell(3, 3)

    def forward(self, x: Tensor) -> Any:
        out, (h, c) = self.lstm(x)
        again, _ = self.lstm(x, (h, c))
        y, state = self.gru(out + again)
        hx, cx = self.cell(y[:, -1])
        return y, state, h[-1], {"cell": (hx, cx)}


@zoo(SEQUENCE)
class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Any:
        y, weights = self.attend(x, x, x, need_weights=True, average_attn_weights=False)
        z, none = self.attend(query=y, key=x, value=x, need_weights=False)
        return self.encoder(z), weights, none


@zoo(IMAGE)
class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        y = F.pad(x, (1, 1, 1, 1), mode="reflect")
        y = gelu(self.conv(y), approximate="tanh")
        z = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
        z = F.interpolate(z, size=y.shape[-2:])
        q = z.flatten(2).transpose(1, 2)
        a = F.scaled_dot_product_attention(q, q, q, dropout_p=0.1 if False else 0.0)
        e = torch.einsum("bnc,bmc->bnm", a, q)
        e = e.softmax(-1) @ q / math.sqrt(q.size(-1))
        return e, F.dropout(e, 0.5, self.training), F.dropout(e, p=0.3, training=self.training), torch.max(e, dim=1)


@zoo(SEQUENCE)
class Indexing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("order", torch.tensor([2, 0, 1]))

    def forward(self, x: Tensor) -> Any:
        x = self.linear(x)
        n = x.size(1)
        last = x.shape[-1]
        return (
            x[:, -1],
            x[..., 0],
            x[:, None],
            x[:, ::2],
            x[0, 1:, -2:],
            x[:, 1:][:, 0],
            x[:, : n - 1, : last // 2],
            x[:, self.order],
            x[x > 0],
            x[torch.tensor([0, 1]), torch.tensor([1, 2])],
            x[-1],
            x[:, [0, 2]],
            x[True],
            x[()],
            x[0:1, ..., None, 1:3],
            x[:, n - 1 :],
        )


@zoo(SEQUENCE)
class Writes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x).clone()
        z = y
        y[:, 0] = 1.0
        y[..., -1] += 2
        y += x
        w = y * 3
        y.mul_(2).add_(1)
        y[y > 1] = 0
        torch.add(w, 1, out=torch.empty(0)) if False else None
        z -= 1
        y.clamp_(-5, 5)
        return w + y + z


@zoo(SEQUENCE)
class OutArgument(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        torch.mul(x, 2, out=out)
        y = out + 1
        torch.add(x, x, out=out)
        return y * out


@zoo(SEQUENCE)
class Shapes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)

    def forward(self, x: Tensor) -> Any:
        b, n, c = x.shape
        y = self.linear(x).reshape(b, n, 2, -1).permute(2, 0, 1, 3)
        q, k = y.unbind(0)
        first, second = torch.chunk(q, 2, dim=-1)
        steps = torch.arange(n, device=x.device, dtype=x.dtype)
        grid = torch.arange(0, n * 2, 2).view(1, -1, 1)
        zeros = x.new_zeros(b, n, c) + x.new_full((1,), 2)
        eye = torch.eye(n).expand(b, n, n)
        mask = torch.ones(n, n).tril().to(torch.bool)
        s = x.masked_fill(x > 0, float("-inf")).masked_fill(x.isinf() if hasattr(x, "isinf") else x > 0, 0)
        return (
            k * n**2,
            first + second,
            steps[None, :, None] + grid,
            zeros,
            eye @ x,
            mask,
            s,
            b * n // 2,
            x.dim(),
            c % 3,
        )


@zoo(SEQUENCE)
class Types(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        y = self.linear(x)
        return y.to(torch.float64), y.half().float(), y.type_as(x), y.long(), y.to(x), y.int() // 2, y.dtype, y.is_cuda


def helper(x: Tensor, scale: float = 2.0) -> Tensor:
    return F.relu(x) * scale


def pairs(x: Tensor) -> Pair:
    return Pair(x, x + 1)


@zoo(X)
class OwnFunctions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.act = F.gelu
        self.curve = lambda t: t * torch.sigmoid(t)
        self.fixed = partial(F.leaky_relu, negative_slope=0.2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fixed(self.curve(self.act(self.linear(x))))
        f = lambda t: t + 1  # what people write
        return helper(f(y), scale=3.0) + pairs(y).right


@zoo(X.clone().requires_grad_(), opaque=None)
class Checkpointed(nn.Module):
    def __init__(self, use: bool = True) -> None:
        super().__init__()
        self.block = Block(6)
        self.use = use

    def forward(self, x: Tensor) -> Tensor:
        if self.use:
            return checkpoint(self.block, x, use_reentrant=False)
        return self.block(x)


@zoo(X, X + 1)
class NeverUsesAnInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor, y: Tensor) -> Any:
        return self.linear(y), self.weight * 2, 7, "text", None


@zoo({"x": X, "more": [X, X + 1]})
class TakesADict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {"y": self.linear(batch["x"]) + batch["more"][1]}


@zoo([X, X + 1])
class TakesAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, parts: list[Tensor]) -> Tensor:
        return self.linear(torch.cat([parts[0], parts[1]], dim=0))


@zoo(X)
class MultipleReturns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        feats = []
        for i in range(3):
            x = self.a(x)
            feats.append(x)
        total = torch.stack(feats, dim=1)
        return total, feats[::-1], {i: f for i, f in enumerate(feats)}, tuple(feats)
