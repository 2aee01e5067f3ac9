"""BMP files for make_rasters.py, written byte by byte."""

import struct

import numpy as np

W, H = 19, 13


def bmp(
    bits, pixels, header=40, compression=0, masks=(), palette=b"", colours=0, gap=0, w=W, h=H, offset=None, down=False
):
    """A BMP file; masks go into the header where it has room for them, else behind it."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, w, h, 1, bits)
    else:
        info = struct.pack(
            "<IiiHHIIiiII", header, w, -h if down else h, 1, bits, compression, len(pixels), 2835, 2835, colours, 0
        )
        inside = struct.pack(f"<{len(masks)}I", *masks)
        if header >= 52:
            info = (info + inside).ljust(header, b"\0")[:header]
        else:
            info = info.ljust(header, b"\0") + inside
    at = 14 + len(info) + len(palette) + gap
    head = b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at if offset is None else offset)
    return head + info + palette + bytes(gap) + pixels


def rows(values, bits, w=W, h=H, pad=4):
    """Packs h×w unsigned values of 1 to 32 bits, the lower bytes first, rows padded."""
    out = b""
    for row in np.asarray(values).reshape(h, w):
        if bits < 8:
            packed = np.packbits(((row[:, None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8).ravel()).tobytes()
        else:
            packed = row.astype("<u4").reshape(w, 1).view(np.uint8)[:, : bits // 8].tobytes()
        out += packed + bytes(-len(packed) % pad)
    return out


def palettes():
    """Palettes that are longer than a byte can tell, or cut, with pixels that begin within them."""
    rng = np.random.default_rng(11)
    v = rng.integers(0, 200, (H, W))
    colour = lambda n: rng.integers(0, 256, (n, 4)).astype(np.uint8).tobytes()
    gray = lambda n: b"".join(bytes([i % 256] * 3 + [0]) for i in range(n))
    files = {}
    for kind, draw in {"colours": colour, "gray": gray}.items():
        for cut in (0, 1, 2):
            for n, offset in ((257, 100), (4, 50)):
                whole = draw(n)
                files[f"bmp-p8-{n}-{kind}-cut-{cut}"] = bmp(
                    8, b"", palette=whole[: len(whole) - cut], colours=n, w=4, h=2, offset=offset
                )
        files[f"bmp-p8-300-{kind}-before"] = bmp(8, rows(v, 8), palette=draw(300), colours=300)
    return files


def bmps():
    rng = np.random.default_rng(7)
    colour = lambda n, size=4: rng.integers(0, 256, (n, 4)).astype(np.uint8)[:, :size].tobytes()
    gray = lambda n: b"".join(bytes([v, v, v, 0]) for v in ((0, 255) if n == 2 else range(n)))
    files = palettes()
    for bits in (1, 4, 8):
        v, n = rng.integers(0, 1 << bits, (H, W)), 1 << bits
        for size in (12, 40, 64, 108, 124):
            files[f"bmp-p{bits}-header{size}"] = bmp(
                bits, rows(v, bits), size, palette=colour(n, 3 if size == 12 else 4)
            )
        if bits != 4:  # see gray-of-16
            files[f"bmp-p{bits}-gray"] = bmp(bits, rows(v, bits), palette=gray(n))
        files[f"bmp-p{bits}-gap"] = bmp(bits, rows(v, bits), palette=colour(n), gap=21)
        files[f"bmp-p{bits}-down"] = bmp(bits, rows(v, bits), palette=colour(n), down=True)
        files[f"bmp-p{bits}-no-offset"] = bmp(bits, rows(v, bits), palette=colour(n), offset=0)
        files[f"bmp-p{bits}-offset-at-palette"] = bmp(bits, rows(v, bits), palette=colour(n), offset=54)
    v8 = rng.integers(0, 200, (H, W))
    files["bmp-p8-few-colours"] = bmp(8, rows(v8 % 33, 8), palette=colour(33), colours=33)
    files["bmp-p8-index-beyond"] = bmp(8, rows(v8, 8), palette=colour(100), colours=100)
    files["bmp-p8-two-gray"] = bmp(8, rows(v8, 8), palette=gray(2), colours=2)
    files["bmp-p4-gray-of-16"] = bmp(4, rows(v8 % 16, 4), palette=gray(16), colours=16)
    files["bmp-p8-300-colours"] = bmp(8, rows(v8, 8), palette=colour(300), colours=300)
    palette = colour(4)
    files["bmp-p2"] = bmp(2, rows(v8 % 4, 2), palette=palette)
    # What Pillow refuses, in a form that it reads.
    files["bmp-p2-as-p8"] = bmp(8, rows(v8 % 4, 8), palette=palette, colours=4)
    files["bmp-p4-gray-of-16-as-p8"] = bmp(8, rows(v8 % 16, 8), palette=gray(16), colours=16)
    for word, masks in {
        "555": (0x7C00, 0x3E0, 0x1F),
        "565": (0xF800, 0x7E0, 0x1F),
        "444": (0xF00, 0xF0, 0xF),
    }.items():
        v = rng.integers(0, 1 << 16, (H, W))
        for size in (40, 52, 56, 108, 124):
            files[f"bmp-16-{word}-header{size}"] = bmp(16, rows(v, 16), size, 3, masks)
    files["bmp-16"] = bmp(16, rows(v, 16))
    files["bmp-16-down-gap"] = bmp(16, rows(v, 16), compression=3, masks=(0xF800, 0x7E0, 0x1F), down=True, gap=3)
    v = rng.integers(0, 1 << 24, (H, W))
    for size in (12, 40, 64, 124):
        files[f"bmp-24-header{size}"] = bmp(24, rows(v, 24), size)
    files["bmp-24-gap"] = bmp(24, rows(v, 24), gap=10)
    files["bmp-24-masks"] = bmp(24, rows(v, 24), compression=3, masks=(0xFF0000, 0xFF00, 0xFF))
    files["bmp-24-palette"] = bmp(24, rows(v, 24), palette=colour(9), colours=9)
    files["bmp-24-last-row-unpadded"] = bmp(24, rows(v, 24)[:-3])
    files["bmp-24-cut"] = bmp(24, rows(v, 24)[:-4])
    files["bmp-24-no-offset"] = bmp(24, rows(v, 24), offset=0)
    files["bmp-24-header-cut"] = files["bmp-24-header124"][:80]
    files["bmp-16-byte-header"] = bmp(24, rows(v, 24), 40)[:14] + struct.pack("<IIIHH", 16, W, H, 1, 24) + rows(v, 24)
    v = rng.integers(0, 1 << 32, (H, W))
    files["bmp-32"] = bmp(32, rows(v, 32))
    files["bmp-32-v5"] = bmp(32, rows(v, 32), 124)
    orders = {
        "bgrx": (0xFF0000, 0xFF00, 0xFF, 0),
        "xbgr": (0xFF000000, 0xFF0000, 0xFF00, 0),
        "bgxr": (0xFF000000, 0xFF00, 0xFF, 0),
        "abgr": (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        "rgba": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        "bgra": (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        "bgar": (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        "zero": (0, 0, 0, 0),
        "rgbx": (0xFF, 0xFF00, 0xFF0000, 0),
        "10bits": (0x3FF00000, 0xFFC00, 0x3FF, 0),
    }
    for word, masks in orders.items():
        files[f"bmp-32-{word}"] = bmp(32, rows(v, 32), 124, 3, masks)
        files[f"bmp-32-{word}-header56"] = bmp(32, rows(v, 32), 56, 3, masks)
    for size in (40, 52):
        files[f"bmp-32-bgrx-header{size}"] = bmp(32, rows(v, 32), size, 3, orders["bgrx"][:3])
    files["bmp-jpeg-inside"] = bmp(24, rows(v, 24), compression=4)
    files["bmp-compression-6"] = bmp(32, rows(v, 32), compression=6)
    files["bmp-no-width"] = bmp(24, b"", w=0)
    files.update(runs())
    return {name + ".bmp": data for name, data in files.items()}


def runs():
    """Run-length coded files."""
    rng = np.random.default_rng(8)
    palette = rng.integers(0, 256, (256, 4)).astype(np.uint8).tobytes()
    gray = b"".join(bytes([v, v, v, 0]) for v in range(256))
    full = lambda v, n: bytes([n, v])  # a run
    line, end = b"\0\0", b"\0\1"
    literal = lambda *v: bytes([0, len(v)]) + bytes(v) + bytes(len(v) % 2)
    per_row = [full(r, 5) + literal(*range(r, r + 7)) + full(200 - r, W - 12) for r in range(H)]
    codes = {
        "rows": line.join(per_row) + line + end,
        "no-line-ends": b"".join(full(r, W) for r in range(H)) + end,
        "no-end": line.join(per_row),
        "run-too-long": line.join(full(r, 255) for r in range(H)) + end,
        "short-rows": line.join(full(r, 3 + r) for r in range(H)) + line + end,
        "empty-row-at-start": line + line.join(full(r, W) for r in range(H)) + end,
        "delta": full(9, 7)
        + b"\0\2\3\2"
        + full(8, 4)
        + line
        + line.join(full(r, W) for r in range(H - 4))
        + line * 3
        + end,
        "delta-to-the-end": full(9, 7) + b"\0\2\0\377" + end,
        "literal-over-rows": literal(*range(1, 100))
        + full(5, 9)
        + line
        + line.join(full(r, W) for r in range(9))
        + end,
        "ends-early": line.join(per_row[:5]) + end,
        "cut": line.join(per_row)[:60],
        "cut-literal": per_row[0][:6],
        "cut-delta": full(9, 7) + b"\0\2\3",
    }
    files = {}
    for word, data in codes.items():
        files[f"bmp-rle8-{word}"] = bmp(8, data, compression=1, palette=palette)
    files["bmp-rle8-gray"] = bmp(8, codes["rows"], compression=1, palette=gray)
    files["bmp-rle8-down"] = bmp(8, codes["rows"], compression=1, palette=palette, down=True)
    files["bmp-rle8-odd-offset"] = bmp(8, codes["rows"], compression=1, palette=palette, gap=1)
    files["bmp-rle8-black-white"] = bmp(
        8, codes["rows"], compression=1, palette=bytes(4) + b"\xff\xff\xff\0", colours=2
    )
    files["bmp-rle8-of-24-bits"] = bmp(24, codes["rows"], compression=1)
    nibbles = lambda *v: bytes([0, len(v)]) + rows(np.array(v)[None], 4, len(v), 1, pad=2)
    per_row = [
        full(0x3A ^ r, 5) + nibbles(*[(r + i) % 16 for i in range(7)]) + full(0xB4 ^ r, W - 12) for r in range(H)
    ]
    for word, data in {
        "rows": line.join(per_row) + line + end,
        "short-rows": line.join(full(r * 17, 3 + r) for r in range(H)) + line + end,
        "run-too-long": line.join(full(r * 19 % 256, 90) for r in range(H)) + end,
        "cut": per_row[0],
    }.items():
        files[f"bmp-rle4-{word}"] = bmp(4, data, compression=2, palette=palette[:64])
    return files
