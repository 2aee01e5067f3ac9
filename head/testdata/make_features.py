"""Writes squeezenet1_1's features of hymenoptera_data, for TestTutorialAccuracyOnRealFeatures, and trains on them with torch.

    python -m venv venv && venv/bin/pip install numpy torch torchvision safetensors
    venv/bin/python make_features.py "$FX_DATA_DIR" "$FX_WEIGHTS_DIR/squeezenet1_1.safetensors" FOLDER
    FX_HEAD_FEATURES=FOLDER go test ./head/ -run RealFeatures -v

Prints the best val accuracy and the seconds of PyTorch's own loop for seeds 0-4.
"""
import pathlib
import sys
import time

import numpy as np
import torch
import torchvision
from safetensors.torch import load_file
from torchvision import transforms as T


def extract(data, weights, out):
    net = torchvision.models.squeezenet1_1()
    net.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()})
    net.eval()
    transform = T.Compose([T.Resize(224), T.CenterCrop(224), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    for split in ("train", "val"):
        photos = torchvision.datasets.ImageFolder(pathlib.Path(data) / split, transform)
        with torch.inference_mode():
            maps = [net.features(x).numpy() for x, _ in torch.utils.data.DataLoader(photos, batch_size=16)]
        np.save(out / f"{split}_x.npy", np.concatenate(maps))
        np.save(out / f"{split}_y.npy", np.array(photos.targets, dtype=np.int64))


def train(folder, seed):
    x = {split: torch.from_numpy(np.load(folder / f"{split}_x.npy")) for split in ("train", "val")}
    y = {split: torch.from_numpy(np.load(folder / f"{split}_y.npy")) for split in ("train", "val")}
    torch.manual_seed(seed)
    head = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Conv2d(512, 2, 1), torch.nn.ReLU(inplace=True),
                               torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    best, start = 0.0, time.time()
    for _ in range(15):
        head.train()
        for batch in torch.randperm(len(y["train"])).split(8):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(x["train"][batch]), y["train"][batch]).backward()
            optimizer.step()
        head.eval()
        with torch.no_grad():
            predicted = torch.cat([head(part) for part in x["val"].split(8)]).argmax(1)
        best = max(best, (predicted == y["val"]).double().mean().item())
    return best, time.time() - start


def main():
    data, weights, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    extract(data, weights, folder)
    for seed in range(5):
        print("seed %d: best val accuracy %.4f, %.2f s" % (seed, *train(folder, seed)))


if __name__ == "__main__":
    main()
