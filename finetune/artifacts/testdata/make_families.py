"""Writes families/: small networks of five further families, and PyTorch's gradients of them.

    pip install torch torchvision onnx
    python finetune/artifacts/testdata/make_families.py

Each is torchvision's own class with few and narrow layers, at 32×32 pixels and 5
classes, exported in training mode. Weights and photos come from the hash of
make_goldens.py, rounded to 8 bits so that the files compress;
random numbers for dropout and stochastic depth come from it as well.
families.json keeps the loss and, for each parameter's gradient, its norm and four
projections on vectors of ±1.
"""

import functools
import gzip
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
import torchvision
from torchvision.models import convnext, efficientnet, mobilenetv3, shufflenetv2, vision_transformer

from formulas import mask, mix, signs

warnings.filterwarnings("ignore")
SIZE, CLASSES, BATCH = 32, 5, 4
stochastic_depth = sys.modules["torchvision.ops.stochastic_depth"]  # torchvision.ops has a function of that name


def mobilenet_v3():
    block = functools.partial(mobilenetv3.InvertedResidualConfig, dilation=1, width_mult=1.0)
    return mobilenetv3.MobileNetV3(
        [block(8, 3, 8, 8, True, "RE", 2), block(8, 5, 24, 16, True, "HS", 2), block(16, 3, 32, 16, False, "HS", 1)],
        last_channel=32, num_classes=CLASSES,
    )


def efficient():
    block = efficientnet.MBConvConfig
    return efficientnet.EfficientNet(
        [block(1, 3, 1, 8, 8, 1), block(4, 3, 2, 8, 8, 1), block(4, 5, 1, 8, 8, 2)], dropout=0.2, stochastic_depth_prob=0.3, num_classes=CLASSES
    )


def conv_next():
    block = convnext.CNBlockConfig
    return convnext.ConvNeXt([block(8, 16, 1), block(16, None, 2)], stochastic_depth_prob=0.3, layer_scale=0.5, num_classes=CLASSES)


NETWORKS = {
    "mobilenet_v3": mobilenet_v3,
    "efficientnet": efficient,
    "convnext": conv_next,
    "vit": lambda: vision_transformer.VisionTransformer(SIZE, 8, 2, 2, 16, 32, dropout=0.1, num_classes=CLASSES),
    "shufflenet_v2": lambda: shufflenetv2.ShuffleNetV2([1, 2, 1], [8, 16, 16, 32, 32], num_classes=CLASSES),
}


def fill(net):
    """Weights of a sensible size, in 8 bits."""
    with torch.no_grad():
        for k, (name, p) in enumerate(net.named_parameters()):
            v = ((mix(np.arange(p.numel()) + 100003 * (k + 1)) >> np.uint64(24)).astype(np.float64) / 128 - 1).reshape(p.shape)
            scale = 1.5 / np.sqrt(max(p[0].numel(), 1)) if p.dim() > 1 else 0.25
            v = np.round(v * scale * 256) / 256
            if p.dim() == 1 and name.endswith("weight"):
                v += 1
            p.copy_(torch.from_numpy(v))
    return net


def photos():
    count = BATCH * 3 * SIZE * SIZE
    v = ((mix(np.arange(count) + 77777) >> np.uint64(24)).astype(np.float64) / 64 - 2).reshape(BATCH, 3, SIZE, SIZE)
    return torch.tensor(v, dtype=torch.float32)


class Noise:
    """Random numbers in the order in which the graph asks for them."""

    def __init__(self):
        self.count = 0

    def dropout(self, x, p=0.5, training=True, inplace=False):
        if p == 0:
            return x
        self.count += 1
        return x * torch.from_numpy(mask(tuple(x.shape), p, self.count - 1)).to(x.dtype)

    def depth(self, x, p, mode, training=True):
        if p == 0:
            return x
        keep = mask((x.shape[0], 1, 1, 1), p, self.count)
        self.count += 1
        return x * torch.from_numpy(keep).to(x.dtype)


def summarise(gradient):
    flat = gradient.double().numpy().ravel()
    return [float(f"{v:.7g}") for v in [np.linalg.norm(flat)] + [signs(flat.size, i) @ flat for i in range(4)]]


def main():
    folder = pathlib.Path(__file__).parent / "families"
    folder.mkdir(exist_ok=True)
    lines = []
    for name, make in NETWORKS.items():
        net = fill(make()).train()
        x, y = photos(), torch.arange(BATCH) % CLASSES
        path = folder / f"{name}.onnx"
        torch.onnx.export(net, (x,), str(path), dynamo=False, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                          input_names=["input"], output_names=["logits"], dynamic_axes={"input": {0: "batch"}})
        m = onnx.load(str(path))
        for n in m.graph.node:
            n.doc_string = ""
        m.graph.ClearField("value_info")
        path.unlink()
        path = path.with_suffix(".onnx.gz")
        path.write_bytes(gzip.compress(m.SerializeToString(), 9, mtime=0))
        noise = Noise()
        dropout, depth = torch.nn.functional.dropout, stochastic_depth.stochastic_depth
        torch.nn.functional.dropout, stochastic_depth.stochastic_depth = noise.dropout, noise.depth
        loss = torch.nn.functional.cross_entropy(fill(net).double()(x.double()), y)
        torch.nn.functional.dropout, stochastic_depth.stochastic_depth = dropout, depth
        loss.backward()
        gradients = {k: summarise(p.grad) for k, p in net.named_parameters()}
        lines.append(f'"{name}": {{"loss": {loss.item():.9g}, "gradients": {{\n  ' + ",\n  ".join(f"{json.dumps(k)}: {v}" for k, v in gradients.items()) + "}}")
        print(name, path.stat().st_size, len(gradients), loss.item(), noise.count)
    (folder / "families.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
