"""Writes HEIC and AVIF files and, beside them, what pillow-heif and Pillow decode them to.

    pip install pillow==13.0.0 pillow-heif==1.8.1
    python make.py
"""

import pathlib

import numpy
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
here = pathlib.Path(__file__).parent


def picture(w, h):
    y, x = numpy.mgrid[0:h, 0:w].astype(float)
    red = 127 + 120 * numpy.sin(x / 9) * numpy.cos(y / 14)
    green = 255 * x / w
    blue = 255 * (y / h) ** 2
    return Image.fromarray(numpy.stack([red, green, blue], 2).astype(numpy.uint8))


def save(name, image, **options):
    image.save(here / name, **options)
    with Image.open(here / name) as read:
        read.convert("RGB").save(here / (name + ".png"))


plain = picture(97, 64)
save("plain.heic", plain, quality=90)
save("full.heic", plain, quality=95, chroma=444)
save("plain.avif", plain, quality=85)

alpha = plain.copy()
alpha.putalpha(Image.linear_gradient("L").resize(plain.size))
save("alpha.heic", alpha, quality=90)

turned = Image.Exif()
turned[0x0112] = 6  # pillow-heif writes it as a rotation of the file's own
save("turned.heic", plain, quality=90, exif=turned.tobytes())
