"""A training step of torchvision's networks, by PyTorch's autograd and SGD.

Dropout masks come from outside. Nothing else here comes from fx.
"""

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUXILIARY = 0.4  # weight of inception_v3's auxiliary loss


class Mask(nn.Module):
    """Dropout by a mask that holds zeros and 1/(1-p)."""

    mask = None

    def forward(self, x):
        return x * self.mask.to(x.dtype)


class Training:
    """A network in training.

    state: torchvision's state_dict; dtype: of every number. With rounded, the
    numbers that ONNX keeps as float32 (epsilon and momentum of batch
    normalization, those that normalise a photo, the weight of the auxiliary loss) are
    rounded so here too. Without, they are what PyTorch takes.
    """

    def __init__(self, name, classes, state, lr, momentum, dtype=torch.float64, rounded=False):
        options = {"aux_logits": True, "transform_input": True, "init_weights": False} if name == "inception_v3" else {}
        self.net = getattr(torchvision.models, name)(weights=None, num_classes=classes, **options)
        self.net.load_state_dict(state, strict=True)
        self.net = self.net.to(dtype).train()
        self.dtype, self.constant = dtype, (lambda v: float(np.float32(v))) if rounded else float
        self.masks = put_masks(self.net)
        if rounded:
            self.round()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=lr, momentum=self.constant(momentum))

    def round(self):
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = self.constant(module.eps)
                module.momentum = 1 - self.constant(1 - module.momentum)  # ONNX keeps the share of the old value
        if getattr(self.net, "transform_input", False):
            self.net._transform_input = self.transform_input

    def transform_input(self, x):
        """As torchvision.models.Inception3 does."""
        channels = [
            x[:, c : c + 1] * self.constant(STD[c] / 0.5) + self.constant((MEAN[c] - 0.5) / 0.5) for c in range(3)
        ]
        return torch.cat(channels, 1)

    def normalise(self, images):
        """[batch, 3, height, width] of photos, uint8 [batch, height, width, 3]."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.dtype)
        column = lambda values: torch.tensor(values, dtype=self.dtype).reshape(3, 1, 1)
        mean, std = ([self.constant(v) for v in values] for values in (MEAN, STD))
        if self.constant is float:
            return (x / 255 - column(mean)) / column(std)
        scale, shift = [1 / (255 * s) for s in std], [-m / s for m, s in zip(mean, std)]
        return x * column([self.constant(v) for v in scale]) + column([self.constant(v) for v in shift])

    def step(self, images, labels, masks):
        """One step of SGD; returns the loss before it."""
        for module, mask in zip(self.masks, masks, strict=True):
            module.mask = torch.from_numpy(mask)
        labels = torch.from_numpy(labels)
        self.optimizer.zero_grad()
        outputs = self.net(self.normalise(images))
        if isinstance(outputs, torch.Tensor):
            loss = F.cross_entropy(outputs, labels)
        else:
            loss = F.cross_entropy(outputs.logits, labels) + self.constant(AUXILIARY) * F.cross_entropy(outputs.aux_logits, labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def gradients(self):
        """Of the last step."""
        return {name: p.grad for name, p in self.net.named_parameters()}

    def momenta(self):
        return {name: self.optimizer.state[p]["momentum_buffer"] for name, p in self.net.named_parameters()}

    def values(self):
        """Parameters and running statistics now, without torch's count of batches."""
        return {k: v for k, v in self.net.state_dict().items() if not k.endswith("num_batches_tracked")}


def put_masks(net):
    """Puts a Mask in the place of each Dropout that drops, and returns them in order.

    torchvision's six families run theirs in the order in which the modules are.
    """
    masks = []
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout) and child.p > 0:
                masks.append(Mask())
                setattr(module, name, masks[-1])
    return masks
