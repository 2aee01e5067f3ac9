"""Draws the zoo: small files of every kind that fx reads or refuses, and what
Pillow makes of each, in zoo.json: the SHA-256 of the raw values of its
convert("RGB"), of JPEG also the values themselves (zlib, base64), because Go's
decoder comes near them only; "upright" is the SHA-256 after exif_transpose
where that changes anything; or why Pillow refuses the file.

Run it in this folder, with Pillow and NumPy, and the programs cjpeg and
libturbojpeg.so.0 of libjpeg-turbo (Debian: libjpeg-turbo-progs, libturbojpeg0):

    python make_zoo.py

The committed zoo was made with Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp
1.6.0, libtiff 4.7.2) and libjpeg-turbo 2.1.5. Only files of this folder are
written. Equality is demanded to the last value; zoo_test.go lists the few
kinds that fx refuses although Pillow reads them, each with its reason.
"""

import base64
import ctypes
import hashlib
import io
import json
import os
import struct
import subprocess
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
FOLDER = "zoo"
files = {}


def picture(w, h, channels=3, seed=0):
    """A smooth picture with an edge and some noise, so that every filter shows."""
    rng = np.random.default_rng(1000 * w + h + seed)
    y, x = np.mgrid[0:h, 0:w]
    planes = []
    for c in range(channels):
        a, b, phase = rng.uniform(2, 9, 3)
        v = 128 + 90 * np.sin(x / a + phase) * np.cos(y / b - phase)
        v += np.where((x + c * y) % 11 < 3, 60, -20) + rng.normal(0, 12, (h, w))
        planes.append(np.clip(v, 0, 255))
    return np.stack(planes, -1).astype(np.uint8)


def rgb(w, h, seed=0):
    return Image.fromarray(picture(w, h, 3, seed))


def save(name, im, fmt, **options):
    b = io.BytesIO()
    im.save(b, fmt, **options)
    files[name] = b.getvalue()
    return files[name]


def cjpeg(name, im, *options):
    b = io.BytesIO()
    im.save(b, "PPM")
    files[name] = subprocess.run(["cjpeg", *options], input=b.getvalue(), capture_output=True, check=True).stdout
    return files[name]


def ycck(name, w, h, subsampling):
    """Four components, the first three as YCbCr, which only TurboJPEG writes."""
    lib = ctypes.CDLL("libturbojpeg.so.0")
    lib.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(lib.tjInitCompress())
    data = np.ascontiguousarray(picture(w, h, 4))
    out, size = ctypes.c_void_p(), ctypes.c_ulong()
    TJPF_CMYK = 11
    if lib.tjCompress2(handle, data.ctypes.data_as(ctypes.c_void_p), w, 0, h, TJPF_CMYK,
                       ctypes.byref(out), ctypes.byref(size), subsampling, 90, 0):
        raise RuntimeError("tjCompress2")
    files[name] = ctypes.string_at(out, size.value)


def jpegs():
    for w, h in [(1, 1), (2, 2), (3, 5), (7, 5), (17, 33), (40, 24)]:
        for sub, word in enumerate(["444", "422", "420"]):
            save(f"jpeg-{word}-{w}x{h}.jpg", rgb(w, h), "JPEG", quality=85, subsampling=sub)
        for word, sample in [("440", "1x2"), ("411", "4x1"), ("410", "4x2")]:
            cjpeg(f"jpeg-{word}-{w}x{h}.jpg", rgb(w, h), "-quality", "85", "-sample", sample)
    # Tiles of one colour have no coefficients that two transforms could round
    # otherwise: Go's decoder must give the same pixels, upsampling included.
    rng = np.random.default_rng(5)
    for word, sample in [("444", "1x1"), ("422", "2x1"), ("420", "2x2"), ("440", "1x2"), ("411", "4x1"), ("410", "4x2")]:
        tiles = rng.integers(0, 256, (3, 2, 3)).astype(np.uint8).repeat(16, 0).repeat(32, 1)[:41, :57]
        cjpeg(f"jpeg-tiles-{word}.jpg", Image.fromarray(tiles), "-quality", "100", "-sample", sample)
    im = rgb(17, 21)
    cjpeg("jpeg-441.jpg", im, "-sample", "1x4")
    cjpeg("jpeg-3x1.jpg", im, "-sample", "3x1")
    cjpeg("jpeg-apart.jpg", im, "-sample", "2x2,2x1,1x2")
    cjpeg("jpeg-chroma-larger.jpg", im, "-sample", "1x1,2x2,2x2")
    save("jpeg-progressive-420.jpg", im, "JPEG", progressive=True, subsampling=2)
    save("jpeg-progressive-444.jpg", im, "JPEG", progressive=True, subsampling=0)
    save("jpeg-optimized.jpg", im, "JPEG", optimize=True)
    save("jpeg-restart-1.jpg", im, "JPEG", restart_marker_blocks=1)
    save("jpeg-restart-rows.jpg", im, "JPEG", restart_marker_rows=1, progressive=True)
    save("jpeg-quality-1.jpg", im, "JPEG", quality=1)
    save("jpeg-quality-100.jpg", im, "JPEG", quality=100, subsampling=0)
    save("jpeg-gray.jpg", im.convert("L"), "JPEG")
    cjpeg("jpeg-gray-2x2.jpg", im, "-grayscale", "-sample", "2x2")
    save("jpeg-gray-progressive.jpg", im.convert("L"), "JPEG", progressive=True)
    save("jpeg-rgb-444.jpg", im, "JPEG", keep_rgb=True)
    cjpeg("jpeg-rgb-420.jpg", im, "-rgb", "-sample", "2x2")
    cjpeg("jpeg-arithmetic.jpg", im, "-arithmetic")
    cjpeg("jpeg-arithmetic-progressive.jpg", im, "-arithmetic", "-progressive")
    cjpeg("jpeg-arithmetic-restart.jpg", im, "-arithmetic", "-restart", "2B")
    four = Image.fromarray(picture(17, 21, 4), "CMYK")
    cmyk = save("jpeg-cmyk.jpg", four, "JPEG")
    save("jpeg-cmyk-progressive.jpg", four, "JPEG", progressive=True)
    at = cmyk.index(b"\xff\xee")
    files["jpeg-cmyk-no-adobe.jpg"] = cmyk[:at] + cmyk[at + 16:]
    ycck("jpeg-ycck-444.jpg", 17, 21, 0)
    ycck("jpeg-ycck-420.jpg", 17, 21, 2)
    for o in range(1, 9):
        exif = Image.Exif()
        exif[274] = o
        save(f"jpeg-exif-{o}.jpg", rgb(9, 6), "JPEG", exif=exif)

    # Files that are not as they should be.
    whole = save("jpeg-base.jpg", rgb(40, 32), "JPEG")
    sos = whole.index(b"\xff\xda")
    files["jpeg-no-eoi.jpg"] = whole[:-2]
    files["jpeg-half-eoi.jpg"] = whole[:-1]
    files["jpeg-cut.jpg"] = whole[: len(whole) * 2 // 3]
    files["jpeg-cut-in-header.jpg"] = whole[: sos - 5]
    files["jpeg-cut-after-sos.jpg"] = whole[: sos + 14]
    files["jpeg-cut-then-eoi.jpg"] = whole[: len(whole) * 2 // 3] + b"\xff\xd9"
    files["jpeg-trailing.jpg"] = whole + b"anything may follow" * 3
    files["jpeg-trailing-ff.jpg"] = whole + b"\xff\xff\xff"
    files["jpeg-zeros-for-eoi.jpg"] = whole[:-2] + bytes(64)
    files["jpeg-junk-before-segment.jpg"] = whole[:sos] + b"junk" + whole[sos:]
    files["jpeg-fill-bytes.jpg"] = whole[:sos] + b"\xff\xff\xff" + whole[sos:]
    files["jpeg-junk-at-start.jpg"] = b"\n" + whole
    files["jpeg-bad-marker.jpg"] = whole[:sos] + b"\xff\x05" + whole[sos:]
    files["jpeg-twice.jpg"] = whole + whole
    files["jpeg-no-huffman-tables.jpg"] = b"".join(s for s in segments(whole) if s[:2] != b"\xff\xc4")
    flipped = bytearray(whole)
    for i in range(sos + 60, len(whole) - 40, 97):
        flipped[i] ^= 0x10
    files["jpeg-flipped.jpg"] = bytes(flipped).replace(b"\xff\xff", b"\xff\x00")
    save("jpeg-gray-larger.jpg", rgb(72, 64, 1).convert("L"), "JPEG", quality=97)  # libjpeg's fast Huffman path wants 512 bytes a block
    progressive = save("jpeg-progressive-base.jpg", rgb(40, 32), "JPEG", progressive=True)
    files["jpeg-progressive-no-eoi.jpg"] = progressive[:-2]
    files["jpeg-progressive-cut.jpg"] = progressive[: len(progressive) // 2]
    files["jpeg-progressive-cut-then-eoi.jpg"] = progressive[: len(progressive) // 2] + b"\xff\xd9"
    sof = whole.index(b"\xff\xc0")
    files["jpeg-12-bits.jpg"] = whole[: sof + 4] + b"\x0c" + whole[sof + 5:]
    files["jpeg-no-pixels.jpg"] = whole[: sof + 5] + b"\0\0" + whole[sof + 7:]
    files["jpeg-bomb.jpg"] = whole[: sof + 5] + b"\xff\xff\xff\xff" + whole[sof + 9:]
    files["jpeg-soi-only.jpg"] = b"\xff\xd8\xff"


def segments(data):
    """Splits a JPEG file into its segments; the last holds the scan."""
    yield data[:2]
    at = 2
    while data[at + 1] != 0xDA:
        n = 2 + struct.unpack(">H", data[at + 2: at + 4])[0]
        yield data[at: at + n]
        at += n
    yield data[at:]


def png(w, h, depth, kind, rows, *chunks, interlace=False, crc=None):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, int(interlace)))
    for name, content in chunks:
        out += chunk(name, content)
    idat = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows), 9))
    if crc is not None:
        idat = idat[:-4] + crc
    return out + idat + chunk(b"IEND", b"")


def adam7(a):
    """The rows of an interlaced picture."""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = a[y0::dy, x0::dx]
        if part.size:
            yield from (r.tobytes() for r in part)


def pngs():
    w, h = 19, 13
    im = rgb(w, h)
    rgba = Image.fromarray(picture(w, h, 4), "RGBA")
    save("png-1.png", im.convert("1"), "PNG")
    save("png-l.png", im.convert("L"), "PNG")
    save("png-la.png", rgba.convert("LA"), "PNG")
    save("png-rgb.png", im, "PNG")
    save("png-rgba.png", rgba, "PNG")
    save("png-rgb-trns.png", im, "PNG", transparency=im.getpixel((3, 3)))
    save("png-l-trns.png", im.convert("L"), "PNG", transparency=im.convert("L").getpixel((3, 3)))
    for bits, colours in [(1, 2), (2, 4), (4, 16), (8, 200)]:
        p = im.quantize(colours)
        save(f"png-p{bits}.png", p, "PNG", bits=bits)
        save(f"png-p{bits}-trns.png", p, "PNG", bits=bits, transparency=bytes(range(0, 250, 250 // colours))[:colours])
    save("png-animated.png", im, "PNG", save_all=True, append_images=[rgb(w, h, 1)])
    exif = Image.Exif()
    for o in range(1, 9):
        exif[274] = o
        save(f"png-exif-{o}.png", rgb(9, 6), "PNG", exif=exif)
    rng = np.random.default_rng(1)
    for channels, kind, word in [(1, 0, "l"), (2, 4, "la"), (3, 2, "rgb"), (4, 6, "rgba")]:
        a = rng.integers(0, 65536, (h, w, channels)).astype(">u2")
        a[:3] = a[:3] % 400  # small values, where gray is limited and not cut
        rows = [r.tobytes() for r in a]
        files[f"png-{word}-16.png"] = png(w, h, 16, kind, rows)
        if kind in (0, 2):
            files[f"png-{word}-16-trns.png"] = png(w, h, 16, kind, rows, (b"tRNS", a[4, 4].tobytes()))
        a8 = picture(w, h, channels)
        files[f"png-{word}-interlaced.png"] = png(w, h, 8, kind, adam7(a8), interlace=True)
    for bits in (2, 4):
        values = rng.integers(0, 256, (h, (w * bits + 7) // 8)).astype(np.uint8)
        files[f"png-l-{bits}.png"] = png(w, h, bits, 0, [r.tobytes() for r in values])
    rows = [r.tobytes() for r in picture(w, h)]
    palette = bytes(range(30))
    indices = (np.arange(w * h).reshape(h, w) % 10).astype(np.uint8)
    files["png-p-short-palette.png"] = png(w, h, 8, 3, [r.tobytes() for r in indices + 3], (b"PLTE", palette))
    whole = files["png-rgb.png"]
    files["png-cut.png"] = whole[: len(whole) // 2]
    files["png-no-iend.png"] = whole[:-12]
    files["png-trailing.png"] = whole + b"more"
    files["png-bad-crc.png"] = png(w, h, 8, 2, rows, crc=b"\0\0\0\0")
    files["png-too-few-rows.png"] = png(w, h, 8, 2, rows[:-2])
    files["png-bomb.png"] = png(20000, 20000, 8, 2, rows)


def gifs():
    im = rgb(21, 14)
    save("gif-p.gif", im.quantize(60), "GIF")
    save("gif-l.gif", im.convert("L"), "GIF")
    save("gif-transparent.gif", im.quantize(30), "GIF", transparency=4)
    save("gif-interlaced.gif", im.quantize(60), "GIF", interlace=True)
    save("gif-animated.gif", im.quantize(20), "GIF", save_all=True, append_images=[rgb(21, 14, 1).quantize(20)])
    for name in ["p", "transparent"]:
        whole = bytearray(files[f"gif-{name}.gif"])
        whole[6:10] = struct.pack("<HH", 30, 20)  # a larger screen
        whole[11] = 2  # background colour
        at = whole.index(b",\0\0\0\0\x15\0\x0e\0")
        whole[at + 1: at + 5] = struct.pack("<HH", 5, 3)
        files[f"gif-{name}-on-screen.gif"] = bytes(whole)
    whole = files["gif-p.gif"]
    files["gif-cut.gif"] = whole[: len(whole) // 2]


def bmps():
    im = rgb(19, 13)
    save("bmp-1.bmp", im.convert("1"), "BMP")
    save("bmp-l.bmp", im.convert("L"), "BMP")
    save("bmp-p.bmp", im.quantize(100), "BMP")
    save("bmp-rgb.bmp", im, "BMP")
    save("bmp-rgba.bmp", Image.fromarray(picture(19, 13, 4), "RGBA"), "BMP")
    whole = files["bmp-rgb.bmp"]
    down = bytearray(whole)
    down[22:26] = struct.pack("<i", -13)
    files["bmp-top-down.bmp"] = bytes(down)
    files["bmp-cut.bmp"] = whole[: len(whole) // 2]
    files["bmp-bomb.bmp"] = whole[:18] + struct.pack("<ii", 30000, 30000) + whole[26:]
    files["bmp-16.bmp"] = whole[:28] + b"\x10" + whole[29:]


def tiff(order, tags, strip):
    """A TIFF of one strip; tags maps a number to a list of SHORTs."""
    tags = dict(tags)
    tags[273], tags[279] = None, [len(strip)]
    at = 8 + 2 + 12 * len(tags) + 4
    extra, entries = b"", b""
    values_at = at
    for tag in sorted(tags):
        v = tags[tag]
        if v is None:
            entries += struct.pack(order + "HHIHH", tag, 3, 1, 0xFFFF, 0)  # patched below
            continue
        if len(v) <= 2:
            body = struct.pack(order + "HH", *(v + [0])[:2])
        else:
            body = struct.pack(order + "I", values_at + len(extra))
            extra += struct.pack(order + "H" * len(v), *v)
        entries += struct.pack(order + "HHI", tag, 3, len(v)) + body
    entries = entries.replace(struct.pack(order + "HHIHH", 273, 3, 1, 0xFFFF, 0), struct.pack(order + "HHIHH", 273, 3, 1, values_at + len(extra), 0))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "H", len(tags)) + entries + bytes(4) + extra + strip


def tiffs():
    w, h = 19, 13
    im = rgb(w, h)
    rgba = Image.fromarray(picture(w, h, 4), "RGBA")
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
        save(f"tiff-rgb-{compression}.tif", im, "TIFF", compression=compression)
    save("tiff-rgb-predictor.tif", im, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    save("tiff-1.tif", im.convert("1"), "TIFF")
    save("tiff-1-g4.tif", im.convert("1"), "TIFF", compression="group4")
    save("tiff-1-g3.tif", im.convert("1"), "TIFF", compression="group3")
    for word in ["g3", "g4"]:  # the same bits, 0 being white
        whole = files[f"tiff-1-{word}.tif"]
        at = whole.index(struct.pack("<HHIHH", 262, 3, 1, 1, 0))
        files[f"tiff-1-{word}-white-is-zero.tif"] = whole[:at + 8] + b"\0" + whole[at + 9:]
    save("tiff-l.tif", im.convert("L"), "TIFF")
    save("tiff-p.tif", im.quantize(99), "TIFF")
    save("tiff-rgba.tif", rgba, "TIFF")
    save("tiff-la.tif", rgba.convert("LA"), "TIFF")
    cmyk = Image.fromarray(picture(w, h, 4), "CMYK")
    save("tiff-cmyk.tif", cmyk, "TIFF")
    save("tiff-cmyk-lzw-predictor.tif", cmyk, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    save("tiff-jpeg.tif", im, "TIFF", compression="jpeg")
    save("tiff-lab.tif", Image.fromarray(picture(w, h), "LAB"), "TIFF")
    save("tiff-f.tif", im.convert("F"), "TIFF")
    save("tiff-two.tif", im, "TIFF", save_all=True, append_images=[rgb(w, h, 1)])
    exif = Image.Exif()
    for o in (1, 3, 6):
        exif[274] = o
        save(f"tiff-orientation-{o}.tif", im, "TIFF", exif=exif)
    base = {256: [w], 257: [h], 259: [1], 278: [h]}
    rng = np.random.default_rng(2)
    for order, word in [("<", "le"), (">", "be")]:
        gray = rng.integers(0, 600, (h, w)).astype(order + "u2")
        files[f"tiff-i16-{word}.tif"] = tiff(order, {**base, 258: [16], 262: [1], 277: [1]}, gray.tobytes())
        colour = rng.integers(0, 65536, (h, w, 4)).astype(order + "u2")
        files[f"tiff-rgb16-{word}.tif"] = tiff(order, {**base, 258: [16] * 3, 262: [2], 277: [3]}, colour[..., :3].tobytes())
        files[f"tiff-rgba16-{word}.tif"] = tiff(order, {**base, 258: [16] * 4, 262: [2], 277: [4], 338: [2]}, colour.tobytes())
        files[f"tiff-white-is-zero-{word}.tif"] = tiff(order, {**base, 258: [8], 262: [0], 277: [1]}, picture(w, h, 1).tobytes())
    four = picture(w, h, 4)
    files["tiff-associated.tif"] = tiff("<", {**base, 258: [8] * 4, 262: [2], 277: [4], 338: [1]}, four.tobytes())
    files["tiff-associated-16.tif"] = tiff("<", {**base, 258: [16] * 4, 262: [2], 277: [4], 338: [1]}, (four.astype("<u2") * 257 - 100).tobytes())
    files["tiff-extra.tif"] = tiff("<", {**base, 258: [8] * 4, 262: [2], 277: [4], 338: [0]}, four.tobytes())
    files["tiff-extra-unsaid.tif"] = tiff("<", {**base, 258: [8] * 4, 262: [2], 277: [4]}, four.tobytes())
    planes = picture(w, h).transpose(2, 0, 1)
    files["tiff-planar.tif"] = tiff("<", {**base, 258: [8] * 3, 262: [2], 277: [3], 284: [2]}, planes.tobytes())
    files["tiff-l4.tif"] = tiff("<", {**base, 258: [4], 262: [1], 277: [1]}, bytes(range((w + 1) // 2 * h)))
    files["tiff-wz16.tif"] = tiff("<", {**base, 258: [16], 262: [0], 277: [1]}, rng.integers(0, 600, (h, w)).astype("<u2").tobytes())
    files["tiff-cmyk16.tif"] = tiff("<", {**base, 258: [16] * 4, 262: [5], 277: [4]}, rng.integers(0, 65536, (h, w, 4)).astype("<u2").tobytes())
    whole = files["tiff-rgb-raw.tif"]
    files["tiff-cut.tif"] = whole[: len(whole) // 2]
    files["tiff-bomb.tif"] = tiff("<", {**base, 256: [60000], 257: [60000], 258: [8] * 3, 262: [2], 277: [3]}, b"abc")


def webps():
    for w, h in [(1, 1), (2, 3), (7, 5), (17, 33), (40, 24)]:
        save(f"webp-lossy-{w}x{h}.webp", rgb(w, h), "WEBP", quality=80)
    im = rgb(33, 18)
    rgba = Image.fromarray(picture(33, 18, 4), "RGBA")
    save("webp-lossy-100.webp", im, "WEBP", quality=100)
    save("webp-lossy-5.webp", im, "WEBP", quality=5)
    save("webp-lossless.webp", im, "WEBP", lossless=True)
    save("webp-lossless-alpha.webp", rgba, "WEBP", lossless=True, exact=True)
    save("webp-lossy-alpha.webp", rgba, "WEBP", quality=80, exact=True)
    save("webp-palette.webp", im.quantize(8).convert("RGB"), "WEBP", lossless=True)
    save("webp-animated.webp", im, "WEBP", save_all=True, append_images=[rgb(33, 18, 1)], duration=100)
    save("webp-animated-lossless.webp", rgba, "WEBP", save_all=True, append_images=[rgb(33, 18, 1)], duration=100, lossless=True)
    exif = Image.Exif()
    exif[274] = 8
    save("webp-exif.webp", im, "WEBP", exif=exif)
    # A first frame that covers a part of its canvas.
    still = files["webp-lossy-7x5.webp"][12:]
    anmf = struct.pack("<I", 2)[:3] + struct.pack("<I", 1)[:3] + struct.pack("<I", 6)[:3] + struct.pack("<I", 4)[:3] + b"\x64\0\0\0" + still
    vp8x = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + struct.pack("<I", 15)[:3] + struct.pack("<I", 11)[:3]
    body = b"WEBP" + vp8x + b"ANIM" + struct.pack("<I", 6) + b"\xff\x80\x40\xff\0\0" + b"ANMF" + struct.pack("<I", len(anmf)) + anmf
    files["webp-animated-part.webp"] = b"RIFF" + struct.pack("<I", len(body)) + body
    whole = files["webp-lossy-40x24.webp"]
    files["webp-cut.webp"] = whole[: len(whole) // 2]
    files["webp-trailing.webp"] = whole + b"more"


def pnms():
    im = rgb(11, 7)
    save("pnm-p4.pbm", im.convert("1"), "PPM")
    save("pnm-p5.pgm", im.convert("L"), "PPM")
    save("pnm-p6.ppm", im, "PPM")
    a = picture(11, 7)
    bits = np.asarray(im.convert("1")).astype(int)
    files["pnm-p1.pbm"] = b"P1 # bits\n11 7\n" + "\n".join("".join(map(str, r)) for r in bits).encode()
    files["pnm-p2.pgm"] = b"P2\n# gray\n11 7\n200\n" + "\n".join(" ".join(map(str, r)) for r in a[..., 0] * 200 // 255).encode() + b"\n"
    files["pnm-p3.ppm"] = b"P3 11 7 255\n" + "\n".join(" ".join(map(str, r.ravel())) for r in a).encode()
    for top in (1, 3, 100, 254, 255, 300, 1023, 65535):
        v = np.linspace(0, top, 77).round().astype(int)
        raw = v.astype(np.uint8 if top < 256 else ">u2").tobytes()
        files[f"pnm-p5-{top}.pgm"] = f"P5 11 7 {top}\n".encode() + raw
        files[f"pnm-p6-{top}.ppm"] = f"P6 11 7 {top}\n".encode() + raw * 3
        files[f"pnm-p2-{top}.pgm"] = f"P2 11 7 {top}\n".encode() + " ".join(map(str, v)).encode()
    files["pnm-cut.ppm"] = files["pnm-p6.ppm"][:-5]
    files["pnm-cut.pgm"] = files["pnm-p2.pgm"][:-5]
    files["pnm-bomb.ppm"] = b"P6 100000 100000 255\nabc"
    files["pnm-pf.pfm"] = b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", 1, 2, 3, 4)
    files["pnm-beyond.pgm"] = b"P2 2 1 100\n50 101\n"


def others():
    files["other-empty.jpg"] = b""
    files["other-text.jpg"] = b"This is no picture.\n"
    files["other-zeros.png"] = bytes(100)
    save("other-named-jpg.jpg", rgb(5, 5), "PNG")


def pillow(data):
    """What Pillow makes of a file."""
    try:
        im = Image.open(io.BytesIO(data))
        mode, kind, compression = im.mode, im.format, im.info.get("compression")
        im = im.convert("RGB")
    except Exception as e:
        return {"refused": f"{type(e).__name__}: {e}".split(" <_io")[0][:100]}
    raw = np.asarray(im).tobytes()
    golden = {"format": kind, "mode": mode, "width": im.width, "height": im.height, "sha256": hashlib.sha256(raw).hexdigest()}
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    if upright.size != im.size or upright.tobytes() != raw:
        golden["upright"] = hashlib.sha256(upright.tobytes()).hexdigest()
    if kind == "JPEG" or compression == "jpeg":
        golden["rgb"] = base64.b64encode(zlib.compress(raw, 9)).decode()
    return golden


def main():
    for make in (jpegs, pngs, gifs, bmps, tiffs, webps, pnms, others):
        make()
    os.makedirs(FOLDER, exist_ok=True)
    for old in os.listdir(FOLDER):
        os.remove(os.path.join(FOLDER, old))
    zoo = {}
    for name in sorted(files):
        with open(os.path.join(FOLDER, name), "wb") as f:
            f.write(files[name])
        zoo[name] = pillow(files[name])
    with open("zoo.json", "w") as f:
        json.dump({"pillow": PIL.__version__, "files": zoo}, f, indent=0)
        f.write("\n")
    print(len(files), "files,", sum(map(len, files.values())), "bytes")


if __name__ == "__main__":
    main()
