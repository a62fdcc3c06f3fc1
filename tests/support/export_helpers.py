from torch import Tensor, nn


def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


class Block(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def scaled(x: Tensor, by: int) -> Tensor:
    return x * by * factorial(3)


class Outer(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.inner = Block(size=size)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Hiding(nn.Module):
    def __init__(self, Block: int) -> None:
        super().__init__()
        self.Block = Block

    def forward(self, x: Tensor) -> Tensor:
        return x * self.Block
