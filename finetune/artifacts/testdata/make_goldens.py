"""Writes optimizers.json: what torch's optimizers do with a small network.

    pip install torch
    python finetune/artifacts/testdata/make_goldens.py

The network is conv 3→4, 3×3, padded; batch normalization; ReLU; max pooling 2×2;
linear 64→3. Weights, photos [4, 3, 8, 8] and labels come from a hash that the Go
test computes too. For each case five steps are made; kept are the losses, the
norms of the gradients before clipping where there is clipping, and the sum and the
norm of every parameter and statistic after the last step (for "ema" of the
moving averages as well), with 9 digits.
"""

import json
import pathlib

import numpy as np
import torch

STEPS = 5


def mix(i):
    mask = np.uint64(0xFFFFFFFF)
    h = (i.astype(np.uint64) * np.uint64(0x9E3779B1)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & mask
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & mask
    return h ^ (h >> np.uint64(15))


def noise(k, *shape):
    """Numbers in [-1, 1) with 16 bits."""
    count = int(np.prod(shape))
    v = (mix(np.arange(count) + 100003 * k) >> np.uint64(16)).astype(np.float64)
    return torch.tensor((v / 32768 - 1).reshape(shape), dtype=torch.float32)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.bn = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(64, 3)
        state = {name: noise(k + 1, *t.shape) / 4 for k, (name, t) in enumerate(self.named_parameters())}
        with torch.no_grad():
            for name, t in self.named_parameters():
                t.copy_(state[name])

    def forward(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.bn(self.conv(x))), 2)
        return self.fc(torch.flatten(x, 1))


def photos(step):
    return noise(50 + step, 4, 3, 8, 8)


def labels(step):
    return torch.tensor([(step + i * i) % 3 for i in range(4)])


CASES = {
    "sgd": dict(optimizer=dict(name="sgd"), lr=0.1),
    "sgd momentum": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05),
    "sgd nesterov decay": dict(optimizer=dict(name="sgd", momentum=0.8, nesterov=True, weight_decay=0.01), lr=0.05),
    "adamw": dict(optimizer=dict(name="adamw", weight_decay=0.01), lr=0.01),
    "adamw other betas": dict(optimizer=dict(name="adamw", beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.1), lr=0.02),
    "clip": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.1, clip_grad_norm=0.5),
    "clip adamw": dict(optimizer=dict(name="adamw", weight_decay=0.01), lr=0.01, clip_grad_norm=0.25),
    "head": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.01, head_lr_multiplier=10),
    "smoothing": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05, label_smoothing=0.1),
    "class weights": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05, class_weights=[1, 0.25, 3]),
    "both": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05, label_smoothing=0.2, class_weights=[1, 0.25, 3]),
    "frozen": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05, frozen_batch_norm=True),
    "ema": dict(optimizer=dict(name="sgd", momentum=0.9), lr=0.05, ema=0.9),
    "part": dict(optimizer=dict(name="adamw", weight_decay=0.01), lr=0.01, trainable=["fc.*", "bn.weight"]),
}


def run(case):
    net = Network().train()
    if case.get("frozen_batch_norm"):
        net.bn.eval()
    trained = {k: p for k, p in net.named_parameters() if not case.get("trainable") or k.startswith("fc.") or k == "bn.weight"}
    for k, p in net.named_parameters():
        p.requires_grad_(k in trained)
    head = case.get("head_lr_multiplier", 1)
    groups = [{"params": [p], "lr": case["lr"] * (head if k.startswith("fc") else 1)} for k, p in trained.items()]
    o = case["optimizer"]
    if o["name"] == "sgd":
        optimizer = torch.optim.SGD(groups, momentum=o.get("momentum", 0), nesterov=o.get("nesterov", False), weight_decay=o.get("weight_decay", 0))
    else:
        optimizer = torch.optim.AdamW(groups, betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)), eps=o.get("epsilon", 1e-8), weight_decay=o["weight_decay"])
    weights = torch.tensor(case["class_weights"], dtype=torch.float32) if "class_weights" in case else None
    state = lambda: {k: v.detach().clone() for k, v in net.state_dict().items() if "num_batches" not in k}
    average = state()
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(photos(step)), labels(step), weight=weights, label_smoothing=case.get("label_smoothing", 0))
        loss.backward()
        if "clip_grad_norm" in case:
            norms.append(torch.nn.utils.clip_grad_norm_(trained.values(), case["clip_grad_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
        if "ema" in case:
            average = {k: case["ema"] * v + (1 - case["ema"]) * state()[k] for k, v in average.items()}
    summary = lambda s: {k: [float(f"{v.double().sum().item():.9g}"), float(f"{v.double().norm().item():.9g}")] for k, v in s.items()}
    result = dict(case, losses=losses, state=summary(state()))
    if norms:
        result["norms"] = norms
    if "ema" in case:
        result["average"] = summary(average)
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    lines = [f"{json.dumps(name)}: {json.dumps(run(case))}" for name, case in CASES.items()]
    (pathlib.Path(__file__).parent / "optimizers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
