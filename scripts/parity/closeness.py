"""The distance between two sets of tensors."""

import math

VANISHING = 1e-3


def distance(got, want, size):
    """‖got - want‖ / size; infinite for NaN, which max would lose."""
    apart = float((got.double() - want.double()).norm())
    if apart == 0:
        return 0.0
    return apart / size if size > 0 and math.isfinite(apart) else math.inf


def relative(got, want):
    """‖got - want‖ / ‖want‖."""
    return distance(got, want, float(want.double().norm()))


def layer(name):
    return name.rpartition(".")[0]


def vanishing(truth):
    """Names of the gradients that vanish, or nearly, in exact arithmetic.

    They are sums that cancel: the bias of a convolution whose output is
    normalised by batch statistics, and densenet121's first scale, which every
    layer that follows normalises away but for its epsilon. All digits of such
    a gradient are rounding, so that only its size can be compared. The mark is
    a norm below VANISHING of the largest in the same layer; with seeded weights
    the six families have none between 7e-5 and 1e-2.
    """
    largest = largest_of_layer(truth)
    return {name for name, g in truth.items() if g.norm() < VANISHING * largest[layer(name)]}


def largest_of_layer(gradients):
    largest = {}
    for name, g in gradients.items():
        largest[layer(name)] = max(largest.get(layer(name), 0.0), float(g.norm()))
    return largest


def worst(got, want, apart):
    """The largest difference of a gradient, with its name: relative, but for those named in apart relative to their layer."""
    largest = largest_of_layer(want)
    small = [(distance(got[k], want[k], largest[layer(k)]), k) for k in apart]
    return {
        "gradient": max((relative(got[k], w), k) for k, w in want.items() if k not in apart),
        "vanishing": max(small, default=(0.0, "")),
    }


def furthest(got, want):
    """The largest relative difference of a value, with its name."""
    return max((relative(got[k], w), k) for k, w in want.items())


def curve(got, want):
    """The largest relative difference of two loss curves."""
    return max(abs(a - b) / abs(b) for a, b in zip(got, want, strict=True))


def steps_within(got, want, bound):
    """The number of steps for which two loss curves agree within a relative bound."""
    for step, (a, b) in enumerate(zip(got, want, strict=True)):
        if abs(a - b) > bound * abs(b):
            return step
    return len(want)
