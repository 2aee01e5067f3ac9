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
    """Dropout by a mask of zeros and 1/(1-p)."""

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
        self.dtype, self.rounded = dtype, rounded
        self.masks = put_masks(self.net)
        if rounded:
            self.round_constants()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=lr, momentum=self.constant(momentum))

    def constant(self, value):
        return float(np.float32(value)) if self.rounded else value

    def round_constants(self):
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = self.constant(module.eps)
                module.momentum = 1 - self.constant(1 - module.momentum)  # ONNX keeps the share of the old value
        if getattr(self.net, "transform_input", False):
            self.net._transform_input = self.transform_input

    def transform_input(self, x):
        """As torchvision.models.Inception3 does."""
        return x * self.column(s / 0.5 for s in STD) + self.column((m - 0.5) / 0.5 for m in MEAN)

    def normalise(self, images):
        """[batch, 3, height, width] of photos, uint8 [batch, height, width, 3]."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.dtype)
        if not self.rounded:
            return (x / 255 - self.column(MEAN)) / self.column(STD)
        mean, std = ([self.constant(v) for v in values] for values in (MEAN, STD))
        return x * self.column(1 / (255 * s) for s in std) + self.column(-m / s for m, s in zip(mean, std))

    def column(self, values):
        """A constant for each channel."""
        return torch.tensor([self.constant(v) for v in values], dtype=self.dtype).reshape(3, 1, 1)

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
        """Of each parameter that has had a step."""
        return {name: self.optimizer.state[p]["momentum_buffer"] for name, p in self.net.named_parameters()}

    def disturb(self, share):
        """Multiplies each parameter by 1 + share·x, x normal."""
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for p in self.net.parameters():
                p.mul_(1 + share * torch.randn(p.shape, generator=generator, dtype=p.dtype))

    def values(self):
        """Parameters and running statistics now, without torch's count of batches."""
        return {k: v for k, v in self.net.state_dict().items() if not k.endswith("num_batches_tracked")}


def put_masks(net):
    """Replaces each Dropout that drops by a Mask, and returns them in order.

    torchvision's six families run theirs in the order in which the modules are.
    """
    masks = []
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout) and child.p > 0:
                masks.append(Mask())
                setattr(module, name, masks[-1])
    return masks
