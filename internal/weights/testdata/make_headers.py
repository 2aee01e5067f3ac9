"""Writes headers.json: safetensors files, and whether the Python package reads them.

    python make_headers.py        # needs safetensors and numpy; written with safetensors 0.8.0
"""

import json
import struct
from pathlib import Path

import safetensors.numpy

HEADER = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
HEADERS = {
    "plain": HEADER,
    "a leading space": " " + HEADER,
    "leading spaces to a multiple of 64": " " * (64 - len(HEADER) % 64) + HEADER,
    "more leading spaces than are sniffed": " " * 700 + HEADER,
    "a leading newline": "\n" + HEADER,
    "a leading tab": "\t" + HEADER,
    "a leading CRLF": "\r\n" + HEADER,
    "trailing spaces": HEADER + " " * 9,
    "a trailing newline and tab": HEADER + "\n\t",
    "spaces on both sides and inside": "  " + HEADER.replace(":", " : ").replace(",", " ,\n") + "  ",
    "no tensors": "  {}  ",
    "a leading byte-order mark": "\ufeff" + HEADER,
    "a leading non-breaking space": "\u00a0" + HEADER,
    "a leading form feed": "\f" + HEADER,
    "a leading NUL": "\0" + HEADER,
    "a trailing NUL": HEADER + "\0",
    "a trailing letter": HEADER + "x",
    "a second object": HEADER + " {}",
    "spaces alone": " " * 40,
}


def read(file):
    try:
        return sorted(safetensors.numpy.load(file))
    except Exception:
        return None


cases = {}
for name, header in HEADERS.items():
    text = header.encode()
    file = struct.pack("<Q", len(text)) + text + (struct.pack("<2f", 1, -2) if "{}" not in header or header.startswith(HEADER) else b"")
    cases[name] = {"file": file.hex(), "tensors": read(file)}
Path(__file__).with_name("headers.json").write_text(json.dumps(cases, indent=1) + "\n")
