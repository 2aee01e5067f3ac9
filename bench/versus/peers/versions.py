"""Prints the versions of the peers, as JSON."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

NAMES = ("torch", "torchvision", "timm", "scikit-learn", "onnxruntime", "pillow", "numpy")


def main():
    found = {"Python": platform.python_version()}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    print(json.dumps(found))


if __name__ == "__main__":
    main()
