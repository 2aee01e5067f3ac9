"""The report names every number that is out of bounds, and only those."""

import json

import pytest
import torch

import closeness
from trainingreport import faults, report


def measured():
    """Measurements in which everything holds, as they are read from a file."""
    gradients = {"gradient": (1e-6, "fc.weight"), "vanishing": (1e-7, "conv.bias")}
    exact = {"gradient": (1e-14, "fc.weight"), "vanishing": (1e-17, "conv.bias"), "values": (1e-16, "fc.weight")}
    pair = gradients | {"loss": 1e-7, "decided differently": 3, "alike": gradients}
    single = {name: pair for name in ("fx-torch", "fx-truth", "torch-truth")} | {"only Relus alike": gradients}
    losses = [1.0, 0.9]
    return json.loads(json.dumps({
        "network": "net", "settings": {"steps": 2, "batches": 2}, "parameters": 2,
        "exact": {"decisions": 9, "decided differently": 0, "vanishing": ["conv.bias"], "step": exact, "split": exact,
                  "losses": [[v, v] for v in losses], "later": [exact]},
        "free": {side: losses for side in ("fx", "truth", "disturbed")}, "single": [single, single], "curves": {side: losses for side in ("fx", "alike", "torch", "truth")},
    }))  # fmt: skip


def test_what_holds_has_no_faults():
    assert faults([measured()]) == []
    assert "| net | 1.0e-07 | 1.0e-06 |" in report([measured()])


@pytest.mark.parametrize("path, value, word", [
    (("exact", "step", "gradient"), (1e-8, "fc.weight"), "fc.weight"),
    (("exact", "split", "values"), (1e-8, "bn.weight"), "split form"),
    (("exact", "losses", 1), [0.9, 0.9000001], "step 2 in float64, loss"),
    (("exact", "later", 0, "gradient"), (1e-8, "fc.bias"), "step 2 in float64, gradient fc.bias"),
    (("single", 1, "fx-torch", "loss"), 2e-5, "batch 1: the loss"),
    (("single", 0, "fx-torch", "alike", "gradient"), (2e-3, "fc.bias"), "fc.bias"),
    (("single", 1, "fx-truth", "alike", "gradient"), (5e-5, "fc.bias"), "its own decisions the worst gradient"),
    (("single", 1, "fx-truth", "alike", "vanishing"), (5e-5, "fc.bias"), "its own decisions the worst vanishing"),
    (("single", 0, "fx-torch", "loss"), float("nan"), "nan"),
    (("curves", "fx"), [1.0, 0.91], "off the truth"),
    (("curves", "alike"), [1.0, 0.91], "same decisions the losses"),
])  # fmt: skip
def test_what_does_not_hold_is_named(path, value, word):
    result = measured()
    at = result
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert any(word in fault for fault in faults([result]))


def test_a_miss_of_the_bar_is_marked_where_pytorch_misses_too():
    result = measured()
    for s in result["single"]:
        s["fx-torch"]["gradient"] = s["torch-truth"]["gradient"] = (0.02, "conv.weight")
    assert faults([result]) == []
    assert "| net | 1.0e-07 | 2.0e-02 ✗ | 2.0e-02 ✗ |" in report([result])


def test_vanishing_gradients_are_measured_by_their_layer():
    truth = {"conv.weight": torch.ones(4), "conv.bias": torch.full((4,), 1e-9), "fc.bias": torch.full((4,), 1e-9)}
    apart = closeness.vanishing(truth)
    assert apart == {"conv.bias"}, "small for its layer, not small by itself"
    got = {"conv.weight": torch.full((4,), 1.5), "conv.bias": torch.full((4,), 0.25), "fc.bias": torch.full((4,), 1e-9)}
    found = closeness.worst(got, truth, apart)
    assert found["gradient"] == (0.5, "conv.weight") and found["vanishing"] == (pytest.approx(0.25), "conv.bias")


def test_steps_within():
    assert closeness.steps_within([1, 2, 3.1], [1, 2, 3], 0.01) == 2
    assert closeness.steps_within([1, 2], [1, 2], 0) == 2


def test_what_is_no_number_is_the_worst():
    want = {"a.weight": torch.ones(2), "b.weight": torch.ones(2)}
    got = {"a.weight": torch.tensor([1.0, float("nan")]), "b.weight": torch.full((2,), 1.1)}
    assert closeness.worst(got, want, set())["gradient"] == (float("inf"), "a.weight")
