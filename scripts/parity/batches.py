"""Batches of real photos, in random order."""

import numpy as np
from torchvision.datasets import ImageFolder

from reference import Preprocess


class Batches:
    """Batches from a folder with a folder a class: its photos in the random order of seed 0, one batch after the other.

    A photo is seen as the tutorial sees it in evaluation: Resize(size),
    CenterCrop(size). After the last photo the first comes again.
    """

    def __init__(self, folder, size, batch):
        self.samples, self.batch = ImageFolder(folder).samples, batch
        self.order = np.random.default_rng(0).permutation(len(self.samples))
        self.preprocess = Preprocess(size, size)

    def __call__(self, number):
        """uint8 [batch, size, size, 3] and int64 [batch]."""
        chosen = [self.samples[self.order[i % len(self.order)]] for i in range(number * self.batch, (number + 1) * self.batch)]
        images = np.stack([self.preprocess.pixels(path) for path, _ in chosen])
        return images, np.array([label for _, label in chosen], np.int64)


def masks(number, shapes):
    """Dropout masks of batch number: for each (shape, probability of zero) zeros and 1/(1-p), float32."""
    generator = np.random.default_rng([1, number])
    return [np.where(generator.random(shape) < drop, 0, 1 / (1 - drop)).astype(np.float32) for shape, drop in shapes]
