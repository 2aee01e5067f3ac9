"""Makes the release in --out: an archive and a wheel for each platform, SHA256SUMS, and an SBOM of each binary.

    python scripts/release.py --fx bin/fx --zig .cache/release/bin/python -- GO BUILD FLAGS

The C compiler is the one of the Python package ziglang. ONNX Runtime's libraries come from its wheels, and must have
the hashes that internal/nativelib/pin.go lists. The same commit gives the same bytes: files have the time of the
commit, and lists are sorted.
"""

import argparse
import base64
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclass
class Platform:
    system: str  # GOOS
    machine: str  # GOARCH
    target: str  # zig's name
    wheel: str  # the tag of fx's wheel
    runtime: str  # the tag of ONNX Runtime's wheel

    @property
    def name(self):
        return f"{self.system}-{self.machine}"

    @property
    def program(self):
        return "fx.exe" if self.system == "windows" else "fx"


# ONNX Runtime's wheels need glibc 2.28, so fx may need it too.
PLATFORMS = [
    Platform("linux", "amd64", "x86_64-linux-gnu.2.28", "manylinux_2_28_x86_64", "manylinux_2_28_x86_64"),
    Platform("linux", "arm64", "aarch64-linux-gnu.2.28", "manylinux_2_28_aarch64", "manylinux_2_28_aarch64"),
    Platform("windows", "amd64", "x86_64-windows-gnu", "win_amd64", "win_amd64"),
]

SUMMARY = "Turns a folder of photos into a classifier, with pretrained networks"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platforms", default=",".join(p.name for p in PLATFORMS), help="such as linux-amd64,linux-arm64")
    parser.add_argument("--name", default="fx", help="the wheel's name on the package index")
    parser.add_argument("--fx", required=True, type=pathlib.Path, help="fx for this machine, built with the same flags")
    parser.add_argument("--zig", required=True, help="a Python with the package ziglang")
    parser.add_argument("--out", default="dist", type=pathlib.Path)
    parser.add_argument("flags", nargs="+", help="flags of go build, after --")
    options = parser.parse_args()
    wanted = options.platforms.split(",")
    if unknown := set(wanted) - {p.name for p in PLATFORMS}:
        parser.error(f"--platforms: {', '.join(sorted(unknown))}: there is {', '.join(p.name for p in PLATFORMS)}")
    release = Release(options)
    for platform in PLATFORMS:
        if platform.name in wanted:
            release.make(platform)
    release.write("SHA256SUMS", "".join(f"{digest(path.read_bytes())}  {path.name}\n"
                                        for path in sorted(release.made)).encode())


class Release:
    def __init__(self, options):
        self.options = options
        self.out = options.out
        self.out.mkdir(parents=True, exist_ok=True)
        self.made = []
        self.time = int(output("git", "log", "-1", "--format=%ct"))
        self.version = output(options.fx, "--version").split()[-1]
        self.pins = (ROOT / "internal/nativelib/pin.go").read_text()
        self.runtime = re.search(r'const Version = "(.+)"', self.pins)[1]
        self.completion = {f"completion/fx.{shell}": output(options.fx, "completion", shell).encode()
                           for shell in ("bash", "zsh", "fish")}

    def make(self, platform):
        print(f"== {platform.name}", flush=True)
        program = self.build(platform)
        papers = {name: (ROOT / name).read_bytes() for name in ("LICENSE", "NOTICE", "THIRD_PARTY_LICENSES.txt")}
        files = {platform.program: program} | papers | self.completion | self.libraries(platform)
        folder = f"fx-{self.version}-{platform.name}"
        self.write(folder + (".zip" if platform.system == "windows" else ".tar.gz"),
                   self.packed(platform, {f"{folder}/{name}": data for name, data in files.items()}))
        self.write(folder + ".cdx.json", self.sbom(program))
        self.wheel(platform, program, papers)

    def build(self, platform):
        path = ROOT / "bin" / platform.name / platform.program
        environment = os.environ | {
            "GOOS": platform.system, "GOARCH": platform.machine, "CGO_ENABLED": "1",
            "CC": f"{self.options.zig} -m ziglang cc -target {platform.target}",
        }
        run("go", "build", *self.options.flags, "-o", path, ".", env=environment, cwd=ROOT)
        return path.read_bytes()

    def libraries(self, platform):
        """Returns ONNX Runtime's libraries for the platform, and its licences."""
        folder = ROOT / ".cache" / "onnxruntime"
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--python-version=3.12",
            "--implementation=cp", "--abi=cp312", f"--platform={platform.runtime}", f"--dest={folder}",
            f"onnxruntime=={self.runtime}")
        [path] = folder.glob(f"onnxruntime-{self.runtime}-*{platform.runtime}.whl")
        section = self.pins.split(f'"{platform.system}/{platform.machine}"')[1].split("cpuBuild")[1].split("}}")[0]
        pinned = dict(re.findall(r'"(\S+)":\s+"([0-9a-f]{64})"', section))
        files = {}
        with zipfile.ZipFile(path) as wheel:
            for name, sha256 in pinned.items():
                files[name] = wheel.read("onnxruntime/capi/" + name)
                if digest(files[name]) != sha256:
                    sys.exit(f"{path}: {name} is not the one of pin.go")
            for name in ("LICENSE", "ThirdPartyNotices.txt"):
                files[f"onnxruntime/{name}"] = wheel.read(f"onnxruntime/{name}")
        return files

    def sbom(self, program):
        """Returns the SBOM of the Go modules in the binary, without its own random numbers and times."""
        path = ROOT / "bin" / "sbom"
        path.write_bytes(program)
        sbom = json.loads(output("go", "run", "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0",
                                 "bin", "-json", "-noserial", "-version", self.version, path))
        path.unlink()
        sbom["metadata"].pop("timestamp", None)
        return json.dumps(sbom, indent=1, sort_keys=True).encode() + b"\n"

    def wheel(self, platform, program, papers):
        """Writes a wheel that puts fx on PATH and takes ONNX Runtime's library from the package onnxruntime."""
        name, version = re.sub(r"[-_.]+", "_", self.options.name).lower(), python_version(self.version)
        major, minor, _ = self.runtime.split(".")
        info = f"{name}-{version}.dist-info"
        files = {f"{name}-{version}.data/scripts/{platform.program}": program}
        files |= {f"{info}/licenses/{paper}": text for paper, text in papers.items()}
        files[f"{info}/METADATA"] = "\n".join([
            "Metadata-Version: 2.4", f"Name: {self.options.name}", f"Version: {version}", f"Summary: {SUMMARY}",
            "License-Expression: Apache-2.0", *(f"License-File: {paper}" for paper in papers),
            "Requires-Python: >=3.10", f"Requires-Dist: onnxruntime>=1.24,<{major}.{int(minor) + 1}", "",
        ]).encode()
        files[f"{info}/WHEEL"] = "\n".join([
            "Wheel-Version: 1.0", "Generator: fx release", "Root-Is-Purelib: false", f"Tag: py3-none-{platform.wheel}", "",
        ]).encode()
        record = [f"{path},sha256={urlsafe(data)},{len(data)}" for path, data in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
        self.write(f"{name}-{version}-py3-none-{platform.wheel}.whl", self.zipped(files))

    def packed(self, platform, files):
        return self.zipped(files) if platform.system == "windows" else self.tarred(files)

    def tarred(self, files):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, data in sorted(files.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(data), mode(name), self.time
                tar.addfile(entry, io.BytesIO(data))
        return gzip.compress(raw.getvalue(), mtime=self.time)

    def zipped(self, files):
        raw = io.BytesIO()
        when = output("git", "log", "-1", "--format=%cd", "--date=format-local:%Y %m %d %H %M %S", env=os.environ | {"TZ": "UTC"})
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name, tuple(int(part) for part in when.split()))
                entry.create_system, entry.external_attr = 3, (0o100000 | mode(name)) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
        return raw.getvalue()

    def write(self, name, data):
        path = self.out / name
        path.write_bytes(data)
        self.made.append(path)
        print(f"{len(data) / 1e6:8.1f} MB  {path}", flush=True)


def python_version(version):
    """Returns the version of fx as PEP 440 spells it: v1.2.0-4-gabc is 4 commits after 1.2.0."""
    if m := re.fullmatch(r"v(\d+\.\d+\.\d+)(?:-(\d+)-g([0-9a-f]+))?(-dirty)?", version):
        local = [part for part in (m[3] and "g" + m[3], m[4] and "dirty") if part]
        return m[1] + (f".post{m[2]}" if m[2] else "") + ("+" + ".".join(local) if local else "")
    return "0.0.0+" + re.sub(r"[^a-z0-9]+", ".", version.lower())


def mode(name):
    return 0o755 if pathlib.PurePath(name).name in ("fx", "fx.exe") else 0o644


def digest(data):
    return hashlib.sha256(data).hexdigest()


def urlsafe(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def output(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, cwd=ROOT,
                          **options).stdout.strip()


if __name__ == "__main__":
    main()
