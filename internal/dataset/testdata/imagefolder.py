"""Writes imagefolder.json: what torchvision's ImageFolder finds in the tree of tree.txt
(files are empty; ImageFolder does not open them) and in hymenoptera_data.

Needs torch and torchvision (made with torchvision 0.29.2). Run it here:

    python imagefolder.py /path/to/hymenoptera_data

Tolerance of the test that reads it: none; names, labels and order are equal.
"""
import hashlib, json, os, sys, tempfile
from torchvision.datasets import ImageFolder

here = os.path.dirname(os.path.abspath(__file__))


def listing(root):
    found = {}
    for split in sorted(os.listdir(root)):
        folder = ImageFolder(os.path.join(root, split))
        found[split] = {
            "classes": folder.classes,
            "samples": [[os.path.relpath(p, root), label] for p, label in folder.samples],
        }
    return found


with tempfile.TemporaryDirectory() as tree:
    for line in open(os.path.join(here, "tree.txt"), encoding="utf-8").read().splitlines():
        path = os.path.join(tree, line)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").close()
    result = {"tree": listing(tree), "hymenoptera_data": {}}

# The 397 names of the real data are kept as their count and hash.
for split, found in listing(sys.argv[1]).items():
    text = "".join(f"{path}\t{label}\n" for path, label in found["samples"])
    result["hymenoptera_data"][split] = {
        "classes": found["classes"],
        "count": len(found["samples"]),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
with open(os.path.join(here, "imagefolder.json"), "w", encoding="utf-8") as f:
    json.dump(result, f, indent=1, ensure_ascii=False, sort_keys=True)
    f.write("\n")
