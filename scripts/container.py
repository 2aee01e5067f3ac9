"""Makes a container image from a release archive for Linux, as a file for `docker load` or `podman load`.

    python scripts/container.py --archive dist/fx-VERSION-linux-amd64.tar.gz --out dist/fx-container.tar

No base image is fetched: the root has fx, ONNX Runtime and the Debian packages below, which apt-get downloads for this
machine's release of Debian. The image runs as nobody, and with a read-only root:

    docker run --rm --read-only -v "$PWD:/work" -v fx-cache:/cache fx quickstart photos
"""

import argparse
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile

PACKAGES = ["libc6", "libgcc-s1", "libstdc++6", "libturbojpeg0", "ca-certificates"]
NOBODY = 65534
NEEDLESS = ["usr/share/locale", "usr/share/lintian", "usr/share/man", "usr/sbin", "usr/lib/x86_64-linux-gnu/gconv"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--root", default="out/container", type=pathlib.Path, help="the folder to unpack into, replaced")
    options = parser.parse_args()
    shutil.rmtree(options.root, ignore_errors=True)
    fill(options.root.resolve(), options.archive)
    save(options.root, options.out, machine=options.archive.name.split(".tar")[0].split("-")[-1])


def fill(root, archive):
    """Makes the image's root folder."""
    downloads = root.with_name(root.name + "-packages")
    shutil.rmtree(downloads, ignore_errors=True)
    for folder in (root, downloads):
        folder.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=downloads, check=True)
    for package in sorted(downloads.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    for name in NEEDLESS:
        shutil.rmtree(root / name, ignore_errors=True)
    certificates = sorted((root / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
    (root / "etc/passwd").write_text(f"fx:x:{NOBODY}:{NOBODY}::/work:/opt/fx/fx\n")
    with tarfile.open(archive) as tar:
        [folder] = {member.name.split("/")[0] for member in tar}
        tar.extractall(root / "opt", filter="data")
    (root / "opt" / folder).rename(root / "opt/fx")
    for name in ("work", "cache", "tmp"):
        (root / name).mkdir(exist_ok=True)


def save(root, out, machine):
    """Writes the image: one layer, the configuration, and the list of both."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path in sorted(root.rglob("*")):
            tar.add(path, path.relative_to(root), recursive=False, filter=owned)
    layer = layer.getvalue()
    config = json.dumps({
        "architecture": machine, "os": "linux",
        "config": {
            "Entrypoint": ["/opt/fx/fx"], "User": f"{NOBODY}:{NOBODY}", "WorkingDir": "/work",
            "Env": ["PATH=/opt/fx", "FX_CACHE_DIR=/cache", "TMPDIR=/cache"], "Volumes": {"/work": {}, "/cache": {}},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["fx:latest"], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(out, "w") as image:
        for name, data in (("layer.tar", layer), ("config.json", config), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            image.addfile(entry, io.BytesIO(data))
    print(f"{len(layer) / 1e6:.1f} MB unpacked  {out}")


def owned(entry):
    """Gives a file of the layer to root, and the folders for results to the user of the image."""
    entry.mtime = 0
    entry.uid = entry.gid = NOBODY if entry.name in ("work", "cache") else 0
    entry.uname = entry.gname = ""
    if entry.name == "tmp":
        entry.mode = 0o1777
    return entry


if __name__ == "__main__":
    main()
