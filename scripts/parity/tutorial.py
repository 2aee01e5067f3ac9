"""PyTorch's "Finetuning Torchvision Models", with squeezenet1_1, as it stands there.

Nothing here comes from fx. Only the plots and prints of the tutorial are left out.
"""

import copy
import os
import time
from dataclasses import dataclass

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torchvision import transforms
from torchvision.datasets import ImageFolder

INPUT_SIZE = 224


@dataclass(frozen=True)
class Protocol:
    epochs: int = 15
    batch_size: int = 8
    lr: float = 0.001
    momentum: float = 0.9


def train(data, weights, seed, protocol=Protocol(), head_only=False):
    """Train every parameter or the classifier alone, from the weights in the file, or from the constructor's where it is None.

    Returns the best val accuracy with its epoch, the curve, and times in
    seconds, as `fx finetune --json` has them.
    """
    torch.manual_seed(seed)
    loaders = photos(data, protocol.batch_size)
    model = network(weights, len(loaders["train"].dataset.classes), head_only)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=protocol.lr, momentum=protocol.momentum)
    best, best_weights, epochs = (-1.0, 0), None, []
    for epoch in range(1, protocol.epochs + 1):
        row = {"epoch": epoch}
        for phase in ("train", "val"):
            start = time.perf_counter()
            loss, accuracy = one_epoch(model, loaders[phase], criterion, optimizer if phase == "train" else None)
            seconds = time.perf_counter() - start
            count = len(loaders[phase].dataset)
            row |= {f"{phase}_loss": loss, f"{phase}_accuracy": accuracy, f"{phase}_images_per_second": count / seconds}
            row["seconds"] = row.get("seconds", 0) + seconds
        epochs.append(row)
        if row["val_accuracy"] > best[0]:
            best, best_weights = (row["val_accuracy"], epoch), copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return {
        "best_val_accuracy": best[0], "best_epoch": best[1], "epochs": epochs,
        "seconds": sum(e["seconds"] for e in epochs), "train_photos": len(loaders["train"].dataset),
    }  # fmt: skip


def network(weights, classes, head_only):
    model = torchvision.models.squeezenet1_1(weights=None)
    if weights:
        model.load_state_dict(load_file(weights), strict=True)
    model.requires_grad_(not head_only)  # the new classifier below learns in either case
    model.classifier[1] = nn.Conv2d(512, classes, kernel_size=(1, 1), stride=(1, 1))
    model.num_classes = classes
    return model


def photos(data, batch_size):
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    views = {
        "train": [transforms.RandomResizedCrop(INPUT_SIZE), transforms.RandomHorizontalFlip()],
        "val": [transforms.Resize(INPUT_SIZE), transforms.CenterCrop(INPUT_SIZE)],
    }
    workers = min(4, os.cpu_count() or 1)  # 4 in the tutorial
    return {
        phase: torch.utils.data.DataLoader(
            ImageFolder(os.path.join(data, phase), transforms.Compose([*view, transforms.ToTensor(), normalize])),
            batch_size=batch_size, shuffle=True, num_workers=workers,
        )
        for phase, view in views.items()
    }  # fmt: skip


def one_epoch(model, loader, criterion, optimizer):
    """Loss and accuracy, means over the photos; trains if there is an optimizer."""
    training = optimizer is not None
    model.train(training)
    loss_sum, right = 0.0, 0
    for inputs, labels in loader:
        with torch.set_grad_enabled(training):
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        loss_sum += loss.item() * inputs.size(0)
        right += (outputs.argmax(1) == labels).sum().item()
    return loss_sum / len(loader.dataset), right / len(loader.dataset)
