"""TIFF files for make_rasters.py, most written byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from make_zoo import picture

W, H = 19, 13


def lzw(data, old=False):
    """TIFF's LZW, or that of before TIFF 6.0: the lowest bit first, and wider in time."""
    bits, width, table, out = [], 9, {bytes([i]): i for i in range(256)}, []
    out.append((256, 9))
    n, s = 258, b""
    for b in data:
        t = s + bytes([b])
        if t in table:
            s = t
            continue
        out.append((table[s], width))
        table[t] = n
        n += 1
        if n + (0 if old else 1) > 1 << width:
            width += 1
        s = bytes([b])
        if n == 4093:
            out.append((table[s], width))
            out.append((256, width))
            n, s, width, table = 258, b"", 9, {bytes([i]): i for i in range(256)}
    if s:
        out.append((table[s], width))
        n += 1
        if n + (0 if old else 1) > 1 << width:
            width += 1
    out.append((257, width))
    for code, width in out:
        b = [(code >> i) & 1 for i in range(width)]
        bits += b if old else b[::-1]
    return np.packbits(np.array(bits, np.uint8), bitorder="little" if old else "big").tobytes()


def packbits(data):
    out = b""
    for i in range(0, len(data), 10):
        part = data[i : i + 10]
        out += b"\x80" if i % 30 == 0 else b""  # stands for nothing
        out += (
            bytes([257 - len(part), part[0]])
            if len(set(part)) == 1 and len(part) > 1
            else bytes([len(part) - 1]) + part
        )
    return out


PACK = {1: bytes, 5: lzw, 8: zlib.compress, 32946: zlib.compress, 32773: packbits, "old lzw": lambda d: lzw(d, True)}


def tiff(order, tags, segments, tiled=False, big=False, types={}, magic=None, reverse=False, first=None):
    """A TIFF whose tags map to lists of values; the segments lie behind its directory."""
    tags, number = dict(tags), "Q" if big else "I"
    size = {1: "B", 2: "B", 3: "H", 4: "I", 5: "I", 7: "B", 16: "Q"}
    offsets, counts = (324, 325) if tiled else (273, 279)
    tags[offsets], tags[counts] = [0] * len(segments), [len(s) for s in segments]
    tags = {k: v for k, v in tags.items() if v is not None}
    kind = lambda t: types.get(t, 4 if t in (273, 324) or max(tags[t]) > 65535 else 3)
    count = lambda t: len(tags[t]) // (2 if kind(t) == 5 else 1)
    entry = 20 if big else 12
    head = 16 if big else 8
    end = head + (8 if big else 2) + entry * len(tags) + struct.calcsize(number)
    at, places = end, {}
    for t, v in tags.items():
        n = struct.calcsize(size[kind(t)]) * len(v)
        if n > struct.calcsize(number):
            places[t] = at
            at += n + n % 2
    starts = []
    for s in segments:
        starts.append(at)
        at += len(s)
    tags[offsets] = starts if first is None else [first] * len(starts)
    out = (b"II" if order == "<" else b"MM") + (magic or struct.pack(order + "H", 43 if big else 42))
    out += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "I", 8)
    out += struct.pack(order + ("Q" if big else "H"), len(tags))
    behind = b""
    for t in sorted(tags):
        body = struct.pack(order + size[kind(t)] * len(tags[t]), *tags[t])
        out += struct.pack(order + "HH" + number, t, kind(t), count(t))
        out += struct.pack(order + number, places[t]) if t in places else body.ljust(struct.calcsize(number), b"\0")
    out += bytes(struct.calcsize(number))
    for t in tags:
        if t in places:
            body = struct.pack(order + size[kind(t)] * len(tags[t]), *tags[t])
            out += body + bytes(len(body) % 2)
    return out + b"".join(segments)


def cut(a, tile, strip):
    """The parts of an array of rows, columns and samples; tiles are filled up with 77."""
    if not tile:
        return [a[y : y + strip] for y in range(0, len(a), strip)]
    w, h = tile
    padded = np.full((-(-a.shape[0] // h) * h, -(-a.shape[1] // w) * w, a.shape[2]), 77, a.dtype)
    padded[: a.shape[0], : a.shape[1]] = a
    return [padded[y : y + h, x : x + w] for y in range(0, len(padded), h) for x in range(0, padded.shape[1], w)]


def pack(part, bits, order, predictor=1):
    """The bytes of a part, samples of 1 to 32 bits, rows filled up to whole bytes."""
    if predictor == 2:
        part = np.concatenate([part[:, :1], np.diff(part, axis=1)], 1).astype(part.dtype)
    if predictor == 3:
        b = (
            part.astype(">f4")
            .reshape(len(part), -1, 1)
            .view(np.uint8)
            .transpose(0, 2, 1)
            .reshape(len(part), -1)
            .astype(np.int16)
        )
        k = part.shape[2]
        return np.concatenate([b[:, :k], b[:, k:] - b[:, :-k]], 1).astype(np.uint8).tobytes()
    if bits in (8, 16, 32):
        return part.astype(part.dtype.newbyteorder(order)).tobytes()
    v = part.reshape(len(part), -1)
    return np.packbits(
        ((v[..., None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).reshape(len(v), -1), axis=1
    ).tobytes()


def values(bits, n, fmt=1, seed=0):
    rng = np.random.default_rng(100 * bits + n + seed)
    if fmt == 3:
        a = rng.uniform(-50, 400, (H, W, n)).astype(np.float32)
        a[0, 0], a[0, 1] = np.inf, 1e-30
        return a
    if fmt == 2:
        return rng.integers(-(1 << min(bits - 1, 9)), 1 << min(bits - 1, 9), (H, W, n)).astype(f"i{bits // 8}")
    a = (
        picture(W, H, n).astype(np.uint32) * 257 >> max(0, 16 - bits)
        if n > 1
        else rng.integers(0, min(1 << bits, 600), (H, W, n))
    )
    return a.astype("u1" if bits <= 8 else "u2" if bits <= 16 else "u4")


def raster(
    order,
    photo,
    bits,
    n,
    extra=(),
    fmt=1,
    compression=1,
    predictor=1,
    tile=None,
    strip=5,
    planar=1,
    fill=1,
    more={},
    **options,
):
    a = values(bits, n, fmt)
    tags = {
        256: [W],
        257: [H],
        258: [bits] * n,
        259: [compression if isinstance(compression, int) else 5],
        262: [photo],
        277: [n],
        284: [planar],
    }
    if tile:
        tags[322], tags[323] = [tile[0]], [tile[1]]
    else:
        tags[278] = [strip]
    if extra:
        tags[338] = list(extra)
    if fmt != 1:
        tags[339] = [fmt] * n
    if predictor != 1:
        tags[317] = [predictor]
    if fill != 1:
        tags[266] = [fill]
    if photo == 3:
        tags[320] = [int(v) for v in np.random.default_rng(9).integers(0, 65536, 3 << min(bits, 8))]
    tags.update(more)
    planes = [a[..., i : i + 1] for i in range(n)] if planar == 2 else [a]
    segments = [
        PACK[compression](pack(p, bits, order, predictor)) for plane in planes for p in cut(plane, tile, strip)
    ]
    if fill == 2:
        segments = [bytes(int(f"{b:08b}"[::-1], 2) for b in s) for s in segments]
    return tiff(order, tags, segments, bool(tile), **options)


KINDS = {  # photometric interpretation, bits, samples, extra samples, sample format
    "bits": (1, 1, 1),
    "bits-inverted": (0, 1, 1),
    "gray2": (1, 2, 1),
    "gray2-inverted": (0, 2, 1),
    "gray4": (1, 4, 1),
    "gray4-inverted": (0, 4, 1),
    "gray": (1, 8, 1),
    "gray-inverted": (0, 8, 1),
    "gray12": (1, 12, 1),
    "gray12-inverted": (0, 12, 1),
    "gray16": (1, 16, 1),
    "gray16-inverted": (0, 16, 1),
    "gray32": (1, 32, 1),
    "signed8": (1, 8, 1, (), 2),
    "signed16": (1, 16, 1, (), 2),
    "signed32": (1, 32, 1, (), 2),
    "float": (1, 32, 1, (), 3),
    "float-inverted": (0, 32, 1, (), 3),
    "gray-x": (1, 8, 2, (0,)),
    "gray-associated": (1, 8, 2, (1,)),
    "gray-alpha": (1, 8, 2, (2,)),
    "gray-inverted-alpha": (0, 8, 2, (2,)),
    "gray16-alpha": (1, 16, 2, (2,)),
    "p1": (3, 1, 1),
    "p2": (3, 2, 1),
    "p4": (3, 4, 1),
    "p": (3, 8, 1),
    "p-x": (3, 8, 2, (0,)),
    "p-alpha": (3, 8, 2, (2,)),
    "rgb": (2, 8, 3),
    "rgb-unsaid": (2, 8, 4),
    "rgbx": (2, 8, 4, (0,)),
    "rgb-associated": (2, 8, 4, (1,)),
    "rgba": (2, 8, 4, (2,)),
    "rgb-999": (2, 8, 4, (999,)),
    "rgbxx": (2, 8, 5, (0, 0)),
    "rgbax": (2, 8, 5, (2, 0)),
    "rgb-associated-xx": (2, 8, 6, (1, 0, 0)),
    "rgb-two-alphas": (2, 8, 5, (2, 2)),
    "rgb7": (2, 8, 7, (0,) * 4),
    "rgb4": (2, 4, 3),
    "rgb16": (2, 16, 3),
    "rgb16-unsaid": (2, 16, 4),
    "rgbx16": (2, 16, 4, (0,)),
    "rgb16-associated": (2, 16, 4, (1,)),
    "rgba16": (2, 16, 4, (2,)),
    "rgb32": (2, 32, 3),
    "inks": (5, 8, 4),
    "inks-x": (5, 8, 5, (0,)),
    "inks-xx": (5, 8, 6, (0, 0)),
    "inks-alpha": (5, 8, 5, (2,)),
    "inks16": (5, 16, 4),
    "ycbcr": (6, 8, 3),
    "ycbcr-gray": (6, 8, 1),
    "lab": (8, 8, 3),
    "mask": (4, 1, 1),
    "cfa": (32803, 8, 1),
}


def jpeg_segments(a, tile, strip, tables=False, **options):
    out, shared = [], b""
    for part in cut(a, tile, strip):
        b = io.BytesIO()
        Image.fromarray(part if part.shape[2] > 1 else part[..., 0], {1: "L", 3: "RGB", 4: "CMYK"}[a.shape[2]]).save(
            b, "JPEG", quality=85, **options
        )
        data = b.getvalue()
        if tables:  # move DQT and DHT into the TIFF
            at, kept, shared = 2, b"\xff\xd8", b""
            while data[at + 1] != 0xDA:
                n = 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
                if data[at + 1] in (0xDB, 0xC4):
                    shared += data[at : at + n]
                elif not 0xE0 <= data[at + 1] <= 0xEF:
                    kept += data[at : at + n]
                at += n
            data = kept + data[at:]
        out.append(data)
    return out, b"\xff\xd8" + shared + b"\xff\xd9"


def jpeg_tiff(photo, n, tile=None, strip=8, tables=False, planar=1, sub=None, more={}, order="<", **options):
    a = picture(W + 14, H + 8, n)
    planes = [a[..., i : i + 1] for i in range(n)] if planar == 2 else [a]
    segments, shared = [], b""
    for plane in planes:
        s, shared = jpeg_segments(plane, tile, strip, tables, **options)
        segments += s
    tags = {256: [W + 14], 257: [H + 8], 258: [8] * n, 259: [7], 262: [photo], 277: [n], 284: [planar]}
    if tile:
        tags[322], tags[323] = [tile[0]], [tile[1]]
    else:
        tags[278] = [strip]
    if sub:
        tags[530] = list(sub)
    if tables:
        tags[347] = list(shared)
    tags.update(more)
    return tiff(order, tags, segments, bool(tile), types={347: 7})


def tiffs():
    files = {}
    for word, kind in KINDS.items():
        for order, o in (("<", "le"), (">", "be")):
            files[f"{word}-{o}"] = raster(order, *kind)
        files[f"{word}-lzw"] = raster("<", *kind, compression=5)
    for word in (
        "bits",
        "gray2",
        "gray4",
        "gray",
        "gray16",
        "p1",
        "p4",
        "p",
        "rgb",
        "rgba",
        "rgb-associated",
        "rgb16",
        "inks",
        "float",
        "ycbcr",
    ):
        files[f"{word}-tiles"] = raster("<", *KINDS[word], tile=(16, 8))
        files[f"{word}-tiles-deflate-be"] = raster(
            "<" if word == "float" else ">", *KINDS[word], tile=(16, 16), compression=8
        )
    for word in ("bits", "gray4-inverted", "gray", "p", "p2", "rgb", "gray16", "rgba"):
        files[f"{word}-reversed"] = raster("<", *KINDS[word], fill=2)
        files[f"{word}-reversed-lzw"] = raster("<", *KINDS[word], fill=2, compression=5)
    for word in (
        "gray",
        "gray-inverted",
        "gray-x",
        "gray-alpha",
        "p",
        "p-alpha",
        "rgb",
        "rgb-unsaid",
        "rgb-999",
        "rgbx",
        "rgb-associated",
        "rgba",
        "rgbax",
        "rgb16",
        "rgb16-unsaid",
        "rgbx16",
        "rgb16-associated",
        "rgba16",
        "inks",
        "inks16",
        "ycbcr",
    ):
        files[f"{word}-planes"] = raster("<", *KINDS[word], planar=2)
        files[f"{word}-planes-packbits-be"] = raster(">", *KINDS[word], planar=2, compression=32773)
        files[f"{word}-planes-tiles-lzw"] = raster("<", *KINDS[word], planar=2, compression=5, tile=(16, 8))
    for word in ("gray", "gray16", "rgb", "rgba16", "p", "gray32", "inks"):
        files[f"{word}-predictor-lzw"] = raster("<", *KINDS[word], compression=5, predictor=2)
        files[f"{word}-predictor-be-deflate-tiles"] = raster(
            ">", *KINDS[word], compression=8, predictor=2, tile=(16, 8)
        )
    files["rgb-predictor-planes"] = raster("<", *KINDS["rgb"], compression=32946, predictor=2, planar=2)
    files["rgb-predictor-packbits"] = raster("<", *KINDS["rgb"], compression=32773, more={317: [2]})
    files["float-predictor"] = raster("<", *KINDS["float"], compression=8, predictor=3)
    files["float-predictor-be"] = raster(">", *KINDS["float"], compression=8, predictor=3)
    files["bits-predictor"] = raster("<", *KINDS["bits"], compression=5, more={317: [2]})
    files["float-packbits-be"] = raster(">", *KINDS["float"], compression=32773)
    files["gray16-packbits-be"] = raster(">", *KINDS["gray16"], compression=32773)
    files["rgb16-packbits-be"] = raster(">", *KINDS["rgb16"], compression=32773)
    files["rgb-old-lzw"] = raster("<", *KINDS["rgb"], compression="old lzw", strip=H)
    files["gray-old-lzw"] = raster("<", *KINDS["gray"], compression="old lzw")
    for word in ("rgb", "gray16", "p"):
        files[f"{word}-bigtiff"] = raster("<", *KINDS[word], big=True)
        files[f"{word}-bigtiff-deflate"] = raster("<", *KINDS[word], big=True, compression=8)
        files[f"{word}-bigtiff-be"] = raster(">", *KINDS[word], big=True)
    for compression in (1, 5):
        files[f"rgb-odd-magic-le-{compression}"] = raster("<", *KINDS["rgb"], compression=compression, magic=b"\0*")
        files[f"rgb-odd-magic-be-{compression}"] = raster(">", *KINDS["rgb"], compression=compression, magic=b"*\0")
    for o in range(1, 9):
        files[f"rgb-orientation-{o}"] = raster("<", *KINDS["rgb"], more={274: [o]})
        files[f"rgb-orientation-{o}-lzw"] = raster(">", *KINDS["rgb"], compression=5, more={274: [o]})
    files["rgb-orientation-xmp"] = raster(
        "<", *KINDS["rgb"], more={700: list(b'<x tiff:Orientation="6"/>')}, types={700: 1}
    )
    files["rgb-orientation-9"] = raster("<", *KINDS["rgb"], more={274: [9]})
    for word, more in {
        "one-bits-value": {258: [8]},
        "bits-too-many": {258: [8, 8, 8, 1]},
        "bits-unlike": {258: [8, 8, 4]},
        "bits-too-few": {258: [8, 8]},
        "no-samples": {277: None},
        "no-planar": {284: None},
        "no-photometric": {262: None},
        "no-counts": {279: None},
        "no-rows": {278: None},
        "rows-all": {278: [2**32 - 1]},
        "rows-0": {278: [0]},
        "no-width": {256: None},
        "width-0": {256: [0]},
        "formats": {339: [1, 1, 1]},
        "formats-unlike": {339: [1, 1, 2]},
        "compression-99": {259: [99]},
        "compression-webp": {259: [50001]},
        "compression-2000": {259: [34712]},
        "planar-3": {284: [3]},
        "fill-order-3": {266: [3]},
    }.items():
        for compression in (1, 8):
            files[f"rgb-{word}-{compression}"] = raster(
                "<", *KINDS["rgb"], compression=compression, strip=H, more={**({259: [compression]}), **more}
            )
    files["rgb-longs"] = raster(">", *KINDS["rgb"], types={t: 4 for t in (256, 257, 258, 259, 262, 277, 278, 284)})
    files["p-short-palette"] = raster("<", *KINDS["p"], more={320: list(range(0, 65536, 109))[:600]})
    files["p-long-palette"] = raster("<", *KINDS["p"], more={320: [5] * 900})
    files["p-no-palette"] = raster("<", *KINDS["p"], more={320: None})
    for word in ("1", "5", "8", "32773"):
        whole = raster("<", *KINDS["rgb"], compression=int(word))
        files[f"rgb-cut-{word}"] = whole[:-9]
        files[f"rgb-strip-short-{word}"] = raster("<", *KINDS["rgb"], compression=int(word), strip=H)[:-9]
    files["rgb-cut-in-directory"] = whole[:40]
    files["rgb-cut-in-header"] = whole[:6]
    files["rgb-strips-too-few"] = raster("<", *KINDS["rgb"], more={257: [H + 4]})
    files["rgb-strips-too-few-lzw"] = raster("<", *KINDS["rgb"], compression=5, more={257: [H + 4]})
    files["rgb-same-offset"] = raster("<", *KINDS["rgb"], first=300, more={279: [9] * 3})
    files["rgb-offset-outside"] = raster("<", *KINDS["rgb"], first=1 << 31)
    files["bomb"] = raster("<", *KINDS["rgb"], more={256: [60000], 257: [60000]})
    files["bomb-tile"] = raster("<", *KINDS["rgb"], tile=(16, 16), compression=8, more={322: [60000], 323: [60000]})
    for word, (h, v) in {
        "22": (2, 2),
        "21": (2, 1),
        "12": (1, 2),
        "41": (4, 1),
        "42": (4, 2),
        "44": (4, 4),
        "11": (1, 1),
        "14": (1, 4),
        "24": (2, 4),
        "33": (3, 3),
    }.items():
        files[f"ycbcr-sub{word}-lzw"] = subsampled(h, v, 5)
        files[f"ycbcr-sub{word}-deflate-be-tiles"] = subsampled(h, v, 8, ">", (16, 16))
    files["ycbcr-sub22-levels"] = subsampled(
        2,
        2,
        5,
        more={532: [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1], 529: [2125, 10000, 7154, 10000, 721, 10000]},
        types={532: 5, 529: 5},
    )
    files["ycbcr-sub11-predictor"] = raster("<", *KINDS["ycbcr"], compression=5, predictor=2, more={530: [1, 1]})
    files["ycbcr-planes-sub11-lzw"] = raster("<", *KINDS["ycbcr"], compression=5, planar=2, more={530: [1, 1]})
    files["jpeg-rgb"] = jpeg_tiff(2, 3, keep_rgb=True)
    files["jpeg-rgb-as-ycbcr"] = jpeg_tiff(2, 3, subsampling=0)
    files["jpeg-rgb-subsampled"] = jpeg_tiff(2, 3, subsampling=2)
    for sub, word in enumerate([(1, 1), (2, 1), (2, 2)]):
        files[f"jpeg-ycbcr-{word[0]}{word[1]}"] = jpeg_tiff(6, 3, sub=word, subsampling=sub)
        files[f"jpeg-ycbcr-{word[0]}{word[1]}-tiles-tables"] = jpeg_tiff(
            6, 3, (16, 16), tables=True, sub=word, subsampling=sub
        )
        files[f"jpeg-ycbcr-{word[0]}{word[1]}-unsaid"] = jpeg_tiff(6, 3, strip=H + 8, subsampling=sub, order=">")
    files["jpeg-ycbcr-progressive"] = jpeg_tiff(6, 3, sub=(2, 2), subsampling=2, progressive=True)
    files["jpeg-gray"] = jpeg_tiff(1, 1)
    files["jpeg-gray-inverted-tiles"] = jpeg_tiff(0, 1, (32, 16))
    files["jpeg-gray-tables"] = jpeg_tiff(1, 1, tables=True)
    files["jpeg-palette"] = jpeg_tiff(3, 1, more={320: list(range(0, 65536, 85))[:768]})
    files["jpeg-inks"] = jpeg_tiff(5, 4)
    files["jpeg-inks-tiles-tables"] = jpeg_tiff(5, 4, (16, 16), tables=True)
    files["jpeg-rgb-planes"] = jpeg_tiff(2, 3, planar=2)
    files["jpeg-inks-planes-tiles"] = jpeg_tiff(5, 4, (16, 16), planar=2)
    files["jpeg-ycbcr-planes"] = jpeg_tiff(6, 3, planar=2, sub=(1, 1))
    files["jpeg-last-strip-high"] = jpeg_tiff(6, 3, sub=(1, 1), subsampling=0, strip=8)
    files["jpeg-wrong-width"] = jpeg_tiff(1, 1, more={256: [30]})
    files["jpeg-wrong-components"] = jpeg_tiff(2, 3, more={277: [1], 258: [8], 262: [1]})
    files["jpeg-old-style"] = jpeg_tiff(6, 3, more={259: [6]})
    files["jpeg-16-bits"] = jpeg_tiff(2, 3, more={258: [16] * 3})
    files["jpeg-no-soi"] = files["jpeg-gray"].replace(b"\xff\xd8\xff", b"\xff\x00\xff")
    whole = files["jpeg-ycbcr-11"]
    files["jpeg-cut"] = whole[:-40]
    files["jpeg-strip-cut"] = whole.replace(b"\xff\xd9\xff\xd8", b"\xff\xff\xff\xd8")
    files["jpeg-strip-ends-early"] = jpeg_tiff(1, 1, strip=H + 8, more={279: [500]})

    def save(name, im, **options):
        b = io.BytesIO()
        im.save(b, "TIFF", **options)
        files[name] = b.getvalue()

    im = Image.fromarray(picture(W, H))
    for word in ("jpeg", "zstd", "lzma", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(f"pillow-{word}", im, compression=word)
        save(f"pillow-{word}-gray", im.convert("L"), compression=word)
    save("pillow-zstd-strips", Image.fromarray(picture(70, 60)), compression="zstd", strip_size=70 * 3 * 8)
    save("pillow-ycbcr", im.convert("YCbCr"))
    save("pillow-ycbcr-lzw", im.convert("YCbCr"), compression="tiff_lzw")
    save("pillow-bigtiff", im, big_tiff=True)
    save("pillow-i16", Image.fromarray(values(16, 1)[..., 0]), compression="tiff_lzw")
    bits = im.convert("1")
    for word in ("group3", "group4", "tiff_ccitt"):
        save(f"pillow-{word}", bits, compression=word)
        whole = files[f"pillow-{word}"]
        at = whole.index(struct.pack("<HHIHH", 262, 3, 1, 1, 0))
        files[f"pillow-{word}-inverted"] = whole[: at + 8] + b"\0" + whole[at + 9 :]
    files["group4-tiles"] = fax_tiles(bits)
    save("pillow-group3-2d", bits, compression="group3", tiffinfo={292: 1})
    save("pillow-group4-reversed", bits, compression="group4", tiffinfo={266: 2})
    return {f"tiff-{name}.tif": data for name, data in files.items()}


def fax_tiles(im):
    """A TIFF of tiles of 16×8 pixels, each packed as a fax of Group 4, which Pillow writes as a single strip."""
    a, segments = np.asarray(im).astype(np.uint8)[..., None], []
    for part in cut(a, (16, 8), 0):
        b = io.BytesIO()
        Image.fromarray((part[..., 0] > 0).astype(np.uint8) * 255).convert("1").save(b, "TIFF", compression="group4")
        tags = Image.open(io.BytesIO(b.getvalue())).tag_v2
        segments.append(b.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]])
    tags = {256: [W], 257: [H], 258: [1], 259: [4], 262: [1], 277: [1], 322: [16], 323: [8]}
    return tiff("<", tags, segments, True)


def subsampled(h, v, compression, order="<", tile=None, more={}, types={}):
    """YCbCr whose pixels share colours, in units of h×v luma values, Cb and Cr."""
    a, segments = picture(W, H, 3), []
    strip = 4 * v
    for part in cut(a, tile, strip):
        rows_, columns = -(-part.shape[0] // v) * v, -(-part.shape[1] // h) * h
        part = np.pad(part, ((0, rows_ - part.shape[0]), (0, columns - part.shape[1]), (0, 0)), "edge")
        y = (
            part[..., 0]
            .reshape(rows_ // v, v, columns // h, h)
            .transpose(0, 2, 1, 3)
            .reshape(rows_ // v, columns // h, h * v)
        )
        units = np.concatenate([y, part[::v, ::h, 1:2], part[::v, ::h, 2:3]], -1)
        segments.append(PACK[compression](units.tobytes()))
    tags = {256: [W], 257: [H], 258: [8] * 3, 259: [compression], 262: [6], 277: [3], 284: [1], 530: [h, v], **more}
    if tile:
        tags[322], tags[323] = [tile[0]], [tile[1]]
    else:
        tags[278] = [strip]
    return tiff(order, tags, segments, bool(tile), types=types)
