"""Writes ONNX files for fx.

    python export.py skeletons --out backbones/graphs [NAME ...]

skeletons: the registered networks' training graphs without weights. See README.md.
"""

import argparse
import sys

import skeletons
from networks import NETWORKS


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("skeletons", help="the registered networks, without weights")
    command.add_argument("names", nargs="*", metavar="NAME", help="default: all of " + ", ".join(NETWORKS))
    command.add_argument("--out", required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    for name, path, size in skeletons.write(options.names, options.out):
        print(f"{name}: {size} bytes in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
