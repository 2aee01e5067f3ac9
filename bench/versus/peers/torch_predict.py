"""Classifies a photo with PyTorch: squeezenet1_1, and the head that fx trained."""

import argparse
import json

import torch
from PIL import Image
from safetensors.torch import load_file

import networks


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--weights", required=True)
    p.add_argument("--head", required=True, help="head.safetensors of fx's MODEL")
    p.add_argument("--classes", required=True, help="comma-separated names")
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("photo")
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    model = networks.whole("squeezenet1_1", o.weights)
    head = load_file(o.head)
    classes = o.classes.split(",")
    model.classifier[1] = torch.nn.Conv2d(512, len(classes), kernel_size=1)
    model.classifier[1].load_state_dict({k.removeprefix("classifier.1."): v for k, v in head.items()})
    with Image.open(o.photo) as photo:
        image = networks.preprocessing("squeezenet1_1")(photo.convert("RGB"))
    with torch.inference_mode():
        probabilities = model(image[None]).softmax(1)[0]
    best = int(probabilities.argmax())
    print(json.dumps([{"path": o.photo, "top": [{"class": classes[best], "probability": float(probabilities[best])}]}]))


if __name__ == "__main__":
    main()
