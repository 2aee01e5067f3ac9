"""Photos, labels and dropout masks from formulas in whole numbers, which the Go tests repeat."""

import numpy as np

BATCH = 4


def mix(i):
    """A 32-bit hash of the integers i."""
    mask = np.uint64(0xFFFFFFFF)
    h = (i.astype(np.uint64) * np.uint64(0x9E3779B1)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & mask
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & mask
    return h ^ (h >> np.uint64(15))


def signs(count, k):
    """Vector k of ±1."""
    return 1.0 - 2.0 * (mix(np.arange(count) + 7919 * k) & np.uint64(1)).astype(np.float64)


def mask(shape, drop, k):
    """Dropout mask k: zero where the hash falls below drop."""
    u = mix(np.arange(int(np.prod(shape))) + 104729 * (k + 1)).astype(np.float64) / 2**32
    return np.where(u < drop, 0.0, 1 / (1 - drop)).astype(np.float32).reshape(shape)


def photos(batch, size):
    """Batch number batch, uint8 [4, size, size, 3]: for each channel eight triangle waves, five of them shared, and noise."""
    y, x = np.ogrid[0:size, 0:size]
    out = np.zeros((BATCH, size, size, 3), np.uint8)
    for i in range(BATCH):
        for c in range(3):
            v = np.zeros((size, size), np.int64)
            for k in range(8):
                h = mix(np.arange(4) + 4 * ((BATCH * batch + i) * 64 + k * 4 + (c if k >= 5 else 3))).astype(np.int64)
                p = (((h[0] % 13 - 6) * y + (h[1] % 13 - 6) * x) * 2 + h[2] % 512) & 511
                v += (16 + h[3] % 48) * (np.abs(p - 256) - 128) >> 7
            noise = mix(np.arange(size * size) + ((BATCH * batch + i) * 3 + c) * size * size).astype(np.int64) & 31
            out[i, :, :, c] = np.clip(128 + v + noise.reshape(size, size) - 16, 0, 255)
    return out


def labels(batch, classes=1000):
    return (np.arange(BATCH * batch, BATCH * batch + BATCH) * 337 + 11) % classes
