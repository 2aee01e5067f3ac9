"""Which Relus are open and which value each max pooling takes.

Between its decisions a network is smooth, and its gradient is as well determined
as its numbers are. At a decision it jumps: a Relu whose input lies within
rounding of zero opens in one computation and stays shut in another, and all
gradients below differ by what flows through. Two computations can be compared
beyond that only with the decisions of one of them.
"""

import contextlib

import torch
from torch.nn import functional as F


class Decisions:
    """The decisions of one forward pass, in the order of the calls.

    relus: bool, of the outputs' shapes; pools: int64, the place of each maximum
    in the whole input, as ONNX counts them.
    """

    def __init__(self, relus=(), pools=()):
        self.relus, self.pools = list(relus), list(pools)

    def count(self):
        return sum(d.numel() for d in self.relus + self.pools)

    def differ(self, other):
        """The number of decisions that differ in other."""
        ours, theirs = self.relus + self.pools, other.relus + other.pools
        if [d.shape for d in ours] != [d.shape for d in theirs]:
            raise ValueError("these are decisions of different networks")
        return sum(int((a != b).sum()) for a, b in zip(ours, theirs))


@contextlib.contextmanager
def patched(relu, max_pool2d):
    """Replaces functions of torch.nn.functional, and so for every module."""
    before = F.relu, F.max_pool2d
    F.relu, F.max_pool2d = relu, max_pool2d
    try:
        yield
    finally:
        F.relu, F.max_pool2d = before


@contextlib.contextmanager
def recorded():
    """Yields Decisions that record those of the forward passes inside."""
    made, relu, max_pool2d = Decisions(), F.relu, F.max_pool2d

    def recording_relu(x, inplace=False):
        y = relu(x, inplace=inplace)
        made.relus.append(y.detach() > 0)
        return y

    def recording_pool(x, *args, **kwargs):
        y, places = max_pool2d(x, *args, **kwargs | {"return_indices": True})
        maps = torch.arange(x.shape[0] * x.shape[1]).reshape(x.shape[0], x.shape[1], 1, 1)
        made.pools.append(places + maps * x.shape[2:].numel())
        return y

    with patched(recording_relu, recording_pool):
        yield made


@contextlib.contextmanager
def replayed(made, pools=True):
    """Makes a forward pass inside decide like made, whatever its numbers are; with pools false only for Relus."""
    relus, places = iter(made.relus), iter(made.pools if pools else [])

    def deciding_relu(x, inplace=False):
        return x * next(relus).to(x.dtype)

    def deciding_pool(x, *args, **kwargs):
        chosen = next(places) % x.shape[2:].numel()
        return x.flatten(2).gather(2, chosen.flatten(2)).reshape(chosen.shape)

    with patched(deciding_relu, deciding_pool if pools else F.max_pool2d):
        yield
    if next(relus, None) is not None or next(places, None) is not None:
        raise ValueError("the network took fewer decisions than were made")
