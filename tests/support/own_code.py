"""A user's module: code that digests are made of."""

FACTOR = 2.0


def helper(x: float) -> float:
    return x * FACTOR


class Base:
    def twice(self, x: float) -> float:
        return helper(x)


class Unit(Base):
    """A unit."""

    def forward(self, x: float) -> float:
        # twice it is
        return self.twice(x)


def lonely(x: float) -> float:
    return x
