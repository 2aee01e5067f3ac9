"""The loop of a script that caches embeddings with PyTorch: DataLoader, channels_last, inference_mode."""

import argparse
import itertools
import json
import time

import torch
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder

import photos


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--backbone", required=True)
    p.add_argument("--weights", required=True, help="safetensors, under torchvision's names")
    p.add_argument("--data", required=True, help="folder of photos")
    p.add_argument("--out", help="the .npy to write")
    p.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--threads", type=int, default=2, help="of the network")
    p.add_argument("--sweep", type=int, metavar="PHOTOS", help="instead of writing, time so many photos by every number of workers, batch and threads")
    return p


def main(options, model, transform):
    """Write the embeddings and print the measurement; or print a sweep's."""
    model = model.to(memory_format=torch.channels_last)
    dataset = ImageFolder(options.data, transform)
    if options.sweep:
        print(json.dumps({"settings": sweep(model, dataset, options)}))
        return
    paths = [path for path, _ in dataset.samples]
    started = time.perf_counter()
    out = photos.Embeddings(options.out, options.data, paths)
    for rows in embed(model, dataset, options.workers, options.batch_size, options.threads):
        out.write(rows)
    out.close()
    photos.report(len(paths), started)


def embed(model, dataset, workers, batch_size, threads):
    """Yield the embeddings of the batches, in the order of the data."""
    torch.set_num_threads(threads)
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=workers)
    with torch.inference_mode():
        for images, _ in loader:
            yield model(images.to(memory_format=torch.channels_last)).numpy()


def sweep(model, dataset, options):
    """Images a second by setting, over evenly chosen photos; those of the three fastest are the better of two runs."""
    some = Subset(dataset, range(0, len(dataset), max(1, len(dataset) // options.sweep)))

    def rate(setting):
        started = time.perf_counter()
        for _ in embed(model, some, *setting):
            pass
        return len(some) / (time.perf_counter() - started)

    settings = list(itertools.product((0, 1, 2), (8, 32), sorted({1, options.threads})))
    rate(settings[-1])  # brings everything into memory
    found = {s: rate(s) for s in settings}
    for s in sorted(settings, key=found.get)[-3:]:
        found[s] = max(found[s], rate(s))
    return [
        {"workers": workers, "batch_size": batch, "threads": threads, "images_per_second": rate}
        for (workers, batch, threads), rate in found.items()
    ]  # fmt: skip
