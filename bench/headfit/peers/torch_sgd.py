"""Trains torch.nn.Linear by torch.optim.SGD on what headfit make wrote, and prints the measurement.

    python torch_sgd.py --data DIR --batch-size B --epochs E [--fused] --json

What fx does: lr 0.001, momentum 0.9, an order drawn anew for each epoch, and after each epoch the loss and accuracy on
the rows of val, by which the best epoch is kept. seconds are those of the whole training; the features are in memory before. --fused takes torch's
one-pass SGD.
"""

import argparse
import copy
import time

import torch

import headdata


def train(x, y, val_x, val_y, o, classes):
    torch.manual_seed(0)
    layer = torch.nn.Linear(x.shape[1], classes)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.001, momentum=0.9, fused=o.fused)
    best, kept = -1, None
    start = time.perf_counter()
    for _ in range(o.epochs):
        total, correct = 0.0, 0
        for batch in torch.randperm(len(y)).split(o.batch_size):
            labels = y[batch]
            optimizer.zero_grad()
            logits = layer(x[batch])
            loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
            correct += (logits.argmax(1) == labels).sum().item()
        with torch.inference_mode():
            logits = layer(val_x)
            torch.nn.functional.cross_entropy(logits, val_y).item()
            correct = (logits.argmax(1) == val_y).sum().item()
        if correct > best:
            best, kept = correct, copy.deepcopy(layer.state_dict())
    layer.load_state_dict(kept)
    return layer, time.perf_counter() - start


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True, help="folder that headfit make wrote")
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--fused", action="store_true", help="torch's one-pass SGD")
    p.add_argument("--repeats", type=int, default=1)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    x, y, val_x, val_y = headdata.load(o.data)
    tensors, classes, seconds = [torch.from_numpy(v) for v in (x, y, val_x, val_y)], int(y.max()) + 1, []
    for _ in range(o.repeats):
        layer, took = train(*tensors, o, classes)
        seconds.append(took)
    steps = o.epochs * -(-len(y) // o.batch_size)
    headdata.report(o, dict(
        tool=f"torch {torch.__version__}", solver="sgd", l2=0.0, batch_size=o.batch_size, epochs=o.epochs, fused=o.fused,
        threads=torch.get_num_threads(), seconds=seconds, iterations=o.epochs, evaluations=steps, converged=False,
    ), layer.weight.detach().numpy(), layer.bias.detach().numpy(), x, y, val_x, val_y)


if __name__ == "__main__":
    main()
