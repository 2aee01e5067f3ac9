"""Decisions can be recorded, compared and replayed."""

import pytest
import torch
from torch import nn

from decisions import Decisions, recorded, replayed


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(3, 4, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
    ).double()


def gradients(network, x):
    network.zero_grad()
    network(x).square().sum().backward()
    return [p.grad.clone() for p in network.parameters()]


def test_own_decisions_change_nothing(network):
    x = torch.randn(2, 2, 9, 9, dtype=torch.float64)
    with recorded() as made:
        want = gradients(network, x)
    assert [d.shape for d in made.relus] == [(2, 3, 7, 7), (2, 4, 2, 2)]
    assert [d.shape for d in made.pools] == [(2, 3, 3, 3)]
    with replayed(made):
        got = gradients(network, x)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_places_count_through_the_whole_tensor(network):
    x = torch.zeros(2, 2, 9, 9, dtype=torch.float64)
    with recorded() as made:
        network(x)
    first = made.pools[0][:, :, 0, 0].flatten().tolist()  # of equals the first
    assert first == [49 * i for i in range(6)]


def test_one_other_decision_shows(network):
    x = torch.randn(2, 2, 9, 9, dtype=torch.float64)
    with recorded() as made:
        want = gradients(network, x)
    for kind, flip in (("relus", lambda d: ~d), ("pools", lambda d: d ^ 1)):
        other = Decisions([d.clone() for d in made.relus], [d.clone() for d in made.pools])
        where = getattr(other, kind)[0].flatten()
        where[5] = flip(where[5])
        assert made.differ(other) == 1
        with replayed(other):
            got = gradients(network, x)
        assert any(not torch.allclose(a, b, rtol=1e-9) for a, b in zip(got, want)), kind


def test_decisions_of_another_network_are_refused(network):
    with recorded() as made:
        network(torch.randn(2, 2, 9, 9, dtype=torch.float64))
    with pytest.raises(ValueError, match="fewer"), replayed(made):
        network[:3](torch.randn(2, 2, 9, 9, dtype=torch.float64))
    with pytest.raises(ValueError, match="different networks"):
        made.differ(Decisions(made.relus))
