"""The table of finetuning.py, and what it calls a fault."""

import argparse

from finetuning import late, report

OPTIONS = argparse.Namespace(starts=["pretrained", "scratch"])


def runs(*best):
    epochs = [{"train_images_per_second": rate, "val_accuracy": rate / 100, "val_loss": 1 / rate} for rate in (10.0, 30.0)]
    return [{"best_val_accuracy": b, "seconds": 100.0, "epochs": epochs} for b in best]


def results(**changed):
    found = {"fx_pretrained": runs(0.95, 0.93), "fx_scratch": runs(0.6), "PyTorch_pretrained": runs(0.93, 0.93), "PyTorch_scratch": runs(0.6)}
    return {tuple(key.split("_")): value for key, value in (found | changed).items()}


def test_what_holds():
    text, faults = report(results(), OPTIONS)
    assert faults == []
    assert "| pretrained | fx | 2 | 0.9500 0.9300 | 0.9400 | 0.2000 | 0.067 | 100 | 15.0 |" in text, "two epochs at 10 and 30 images/s make 15"
    assert "pretrained: +0.0100, standard error 0.0100." in text


def test_late_is_the_last_two_thirds():
    assert late({"epochs": [{"x": v} for v in (9.0, 1.0, 2.0)]}, "x") == 1.5


def test_fx_too_far_below():
    _, faults = report(results(fx_pretrained=runs(0.92, 0.91)), OPTIONS)
    assert len(faults) == 1 and "0.0150 under PyTorch's" in faults[0]


def test_scratch_too_good():
    _, faults = report(results(fx_scratch=runs(0.9)), OPTIONS)
    assert len(faults) == 1 and faults[0].startswith("fx: from scratch")


def test_an_extractions_rate_is_its_own():
    changed = {"fx_pretrained": [{"best_val_accuracy": 0.95, "seconds": 8.0, "images_per_second": 90.0, "epochs": [{"val_accuracy": 0.9, "val_loss": 0.3}]}]}
    assert "| 8 | 90.0 |" in report(results(**changed), OPTIONS)[0]


def test_missing_runs_are_no_fault():
    text, faults = report(results(fx_pretrained=[], fx_scratch=[]), OPTIONS)
    assert faults == [] and "| fx |" not in text
