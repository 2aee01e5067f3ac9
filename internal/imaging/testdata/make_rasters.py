"""Draws rasters.zip: small BMP and TIFF files of every kind that Pillow reads, and
some that it refuses, byte by byte where Pillow cannot write them; and
rasters.json, what Pillow makes of each, in the form of zoo.json (make_zoo.py).

Run it in this folder, with Pillow and NumPy:

    python make_rasters.py

The committed files were made with Pillow 13.0.0 (libjpeg-turbo 3.2.0, libtiff
4.7.2). rasters_test.go lists what fx refuses although Pillow reads it.
"""

import json
import warnings
import zipfile

import PIL

from make_zoo import pillow
from rasters_bmp import bmps
from rasters_tiff import tiffs

warnings.simplefilter("ignore")


def main():
    files = {**bmps(), **tiffs()}
    goldens = {}
    with zipfile.ZipFile("rasters.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
        for name in sorted(files):
            z.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
            goldens[name] = pillow(files[name])
    with open("rasters.json", "w") as f:
        json.dump({"pillow": PIL.__version__, "files": goldens}, f, indent=0)
        f.write("\n")
    read = sum("refused" not in g for g in goldens.values())
    print(len(files), "files,", sum(map(len, files.values())), "bytes,", read, "read by Pillow")


if __name__ == "__main__":
    main()
