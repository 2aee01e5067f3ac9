"""Writes ONNX files for fx.

    python export.py skeletons --out backbones/graphs [NAME ...]
        the registered networks' training graphs, without weights

    python export.py model --torchvision NAME [--weights DEFAULT|FILE] --out FILE.onnx
    python export.py model --timm NAME [--pretrained | --weights FILE] --out FILE.onnx
    python export.py model --module FILE.py:FUNCTION [--weights FILE] --out FILE.onnx
        a network of your own, with weights: `fx extract --backbone FILE.onnx` takes it

`model` prints one JSON document on stdout; everything else goes to stderr. Exit
codes are fx's: 2 usage, 4 network or weights. README.md says more.
"""

import argparse
import json
import logging
import sys

from failure import Failure


def parser():
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)

    command = commands.add_parser("skeletons", help="the registered networks, without weights")
    command.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    command.add_argument("--out", required=True, metavar="FOLDER")

    command = commands.add_parser("model", help="a network of your own, with its weights")
    origin = command.add_mutually_exclusive_group(required=True)
    origin.add_argument("--torchvision", metavar="NAME", help="a classification network of torchvision.models")
    origin.add_argument("--timm", metavar="NAME", help="a network of timm")
    origin.add_argument("--module", metavar="FILE.py:FUNCTION", help="a function that returns a torch.nn.Module")
    command.add_argument("--weights", metavar="DEFAULT|FILE", help="torchvision's own (DEFAULT, IMAGENET1K_V1 …), or a state dict: .pth, .pt, .safetensors; default: random")
    command.add_argument("--pretrained", action="store_true", help="timm's own weights")
    command.add_argument("--classes", type=int, metavar="N", help="of the classifier, where --weights FILE has not the usual number")
    command.add_argument("--transform-input", action=argparse.BooleanOptionalAction, help="of torchvision's inception_v3 and googlenet (default: on with weights, as torchvision's own)")
    command.add_argument("--out", required=True, metavar="FILE.onnx")
    command.add_argument("--features", metavar="TENSOR", help="feature tensor (default: what goes into the last layer, before dropout)")
    command.add_argument("--size", type=int, metavar="N", help="pixels of the square input; resize keeps its ratio to it")
    command.add_argument("--resize", type=int, metavar="N", help="pixels to which a photo is resized before the crop")
    command.add_argument("--mode", choices=("crop", "squash"), help="resize the shorter side in proportion (crop), or both sides (squash)")
    command.add_argument("--interpolation", choices=("bilinear", "bicubic"))
    command.add_argument("--mean", type=float, nargs=3, metavar=("R", "G", "B"), help="of values in 0–1")
    command.add_argument("--std", type=float, nargs=3, metavar=("R", "G", "B"))
    return top


def write_skeletons(options):
    import skeletons

    for name, path, size in skeletons.write(options.names, options.out):
        print(f"{name}: {size} bytes in {path}", file=sys.stderr)


def write_model(options):
    if not options.out.endswith(".onnx"):
        raise Failure(f"--out {options.out}: let the name end in .onnx")
    if options.pretrained and not options.timm:
        raise Failure("--pretrained goes with --timm; torchvision's own weights are --weights DEFAULT")
    if options.transform_input is not None and not options.torchvision:
        raise Failure("--transform-input goes with --torchvision: it is for inception_v3 and googlenet")
    if options.module and options.classes:
        raise Failure("--classes goes with --torchvision and --timm; a module file says itself how many it has")
    if options.classes is not None and options.classes < 1:
        raise Failure("--classes must be 1 or more")

    import torch

    import own
    import preprocessing
    import sources

    logging.getLogger("httpx").setLevel(logging.WARNING)
    torch.manual_seed(0)  # so that random weights are the same ones each time
    if options.torchvision:
        source = sources.from_torchvision(
            options.torchvision, options.weights, options.classes, options.size, options.transform_input
        )
    elif options.timm:
        source = sources.from_timm(options.timm, options.pretrained, options.weights, options.classes, options.size)
    else:
        source = sources.from_module(options.module, options.weights)
    if source.weights == "random":
        source.notes.append("the weights are random (seed 0), not trained")
    spec = preprocessing.override(
        source.preprocess, options.size, options.resize, options.mode, options.interpolation, options.mean, options.std
    )
    report = own.export(source, spec, options.out, options.features)
    for note in report["notes"]:
        print("note: " + note, file=sys.stderr)
    print(json.dumps(report))


def main(arguments=None):
    options = parser().parse_args(arguments)
    try:
        {"skeletons": write_skeletons, "model": write_model}[options.command](options)
    except Failure as failure:
        print(f"export.py: {failure}", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
