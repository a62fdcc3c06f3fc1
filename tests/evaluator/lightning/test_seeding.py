import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from raynas.evaluator.lightning.seeding import epoch_seed, seed_all, seed_epoch

seeds = st.integers(0, 2**63 - 1)


@given(seeds, st.integers(0, 1000))
def test_seed_and_epoch_decide_what_is_drawn(seed: int, epoch: int) -> None:
    def drawn() -> tuple[float, float, float]:
        seed_all(epoch_seed(seed, epoch))
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert drawn() == drawn()


@given(seeds, st.integers(0, 100))
def test_epochs_differ(seed: int, epoch: int) -> None:
    assert 0 <= epoch_seed(seed, epoch) < 2**63
    assert epoch_seed(seed, epoch) != epoch_seed(seed, epoch + 1)
    assert epoch_seed(seed, epoch) != epoch_seed(seed ^ 1, epoch)


def test_the_order_of_the_data_leaves_other_draws_alone() -> None:
    data = TensorDataset(torch.arange(50))
    plain = DataLoader(data, shuffle=True, batch_size=50)
    nested = DataLoader(data, batch_sampler=BatchSampler(RandomSampler(data), 50, False))
    sequential = DataLoader(data, batch_size=50)
    for loader in (plain, nested, sequential):
        orders, draws = [], []
        for epoch in (3, 3, 4):
            seed_epoch(1, epoch, [loader])
            orders.append(next(iter(loader))[0].tolist())
            draws.append(torch.rand(3).tolist())
        assert orders[0] == orders[1]
        assert draws[0] == draws[1] != draws[2]
        assert (orders[0] != orders[2]) == (loader is not sequential)
    seed_epoch(1, 3)
    assert torch.rand(3).tolist() == draws[0], "however many loaders were read"
