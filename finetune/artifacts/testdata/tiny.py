"""A little of what MobileNets, ConvNeXts and their kin are made of, as a file and as PyTorch trains it.

    pip install -r scripts/export_onnx/requirements.txt
    python scripts/export_onnx/export.py model --module finetune/artifacts/testdata/tiny.py:tiny --size 24 --out finetune/artifacts/testdata/tiny.onnx
    python finetune/artifacts/testdata/tiny.py

The second writes tiny.json from the weights in tiny.onnx: the losses of five SGD
steps without dropout on the photos and labels of make_goldens.py, and the sum
and the norm of every parameter and statistic after them, with 9 digits.
"""

import json
import pathlib

import torch
from torch import nn


class Squeeze(nn.Module):
    """A squeeze-and-excitation block."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)

    def forward(self, x):
        gate = nn.functional.relu(self.down(x.mean((2, 3), keepdim=True)))
        return x * nn.functional.hardsigmoid(self.up(gate))


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.squeeze = Squeeze(8)
        self.expand = nn.Conv2d(8, 16, 2, stride=2)
        self.norm = nn.LayerNorm(16)
        self.mix = nn.Linear(16, 16)
        self.register_buffer("gain", torch.full((16,), 0.5))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 3))

    def forward(self, x):
        x = self.squeeze(self.depthwise(self.stem(x))) + 0.1
        x = self.norm(self.expand(x).permute(0, 2, 3, 1))
        x = x + self.gain * nn.functional.gelu(self.mix(x))
        return self.head(x.mean((1, 2)))


def tiny():
    return Tiny()


def golden():
    import onnx
    from make_goldens import STEPS, labels, noise

    here = pathlib.Path(__file__).parent
    net = Tiny().train()
    initializers = {t.name: torch.tensor(onnx.numpy_helper.to_array(t)) for t in onnx.load(here / "tiny.onnx").graph.initializer}
    net.load_state_dict({name: initializers.get(name, t) for name, t in net.state_dict().items()})
    net.head[0].p = 0.0
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(noise(50 + step, 4, 3, 24, 24)), labels(step))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    summary = lambda v: [float(f"{number.item():.9g}") for number in (v.double().sum(), v.double().norm())]
    state = {name: summary(t) for name, t in net.state_dict().items() if t.is_floating_point()}
    text = json.dumps({"lr": 0.1, "optimizer": {"name": "sgd", "momentum": 0.9}, "losses": losses, "state": state})
    (here / "tiny.json").write_text(text.replace('], "', '],\n"') + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden()
