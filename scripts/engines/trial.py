"""What the tests of Spark and Ray share: photos, plain fx to compare with, the count of what was computed, kills.

FX names the fx to test, FX_ENGINE_PHOTOS is the number of photos (10,000), FX_ENGINE_NETWORK a network of
`fx backbones list` (mobilenet_v3_large), whose weights are random, FX_ENGINE_TURNS the number of measurements of speed
(2).
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


class Trial:
    def __init__(self, scratch):
        self.scratch = Path(scratch)
        self.photos = self.scratch / "photos"
        self.real = os.path.realpath(shutil.which(os.environ.get("FX", "fx")))
        self.fx = self.scratch / "fx"  # fx, which notes that it was started
        self.fx.write_text(f'#!/bin/sh\necho $$ >>"{self.scratch}/starts"\nexec "{self.real}" "$@"\n')
        self.fx.chmod(0o755)
        os.environ["FX"] = str(self.fx)
        self.counts = self.scratch / "counts"
        self.flags = ("--backbone", os.environ.get("FX_ENGINE_NETWORK", "mobilenet_v3_large"), "--weights", "seed:0",
                      "--device", "cpu")
        subprocess.run([sys.executable, HERE / "photos.py", "make", self.photos], check=True)
        made = json.loads(self.photos.with_suffix(".json").read_text())
        self.damaged, self.all = set(made["damaged"]), made["photos"]

    def measure(self, name, engine, turns=int(os.environ.get("FX_ENGINE_TURNS", 2))):
        """Runs plain fx and the engine in turns, and compares speeds and rows. engine(turn) returns its rows."""
        for turn in range(turns):
            self.forget()
            start = time.monotonic()
            self.plain()
            between = time.monotonic()
            answers = engine(turn)
            plain, took = between - start, time.monotonic() - between
            print(f"plain fx {self.all / plain:.1f} photos/s, {name} {self.all / took:.1f}: ratio {plain / took:.3f}; "
                  f"{self.starts()} networks loaded", flush=True)
            self.compare(answers)

    def disturb(self, node, engine):
        """Runs the engine while workers are killed, and one process whose command contains node; compares the rows."""
        self.forget()
        start = time.monotonic()
        with Killer(self, node) as killer:
            answers = engine()
        print(f"{killer.kills} workers killed, a node lost: {killer.lost}; {time.monotonic() - start:.0f} s; "
              f"{self.computed():.3f} answers a photo; {self.starts()} networks loaded", flush=True)
        self.compare(answers)
        assert killer.kills > 0 and killer.lost, "nothing was killed: use more photos"

    def plain(self):
        """Runs plain fx."""
        shutil.rmtree(self.scratch / "plain", ignore_errors=True)
        subprocess.run([self.real, "extract", *self.flags, "--data", self.photos, "--out", self.scratch / "plain",
                        "--workers", "2", "--quiet"], check=True, stdout=subprocess.DEVNULL)

    def wanted(self):
        """Returns the features of plain fx, by the photo's name."""
        out = self.scratch / "npy"
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([self.real, "features", "export", self.scratch / "plain", "--format", "npy", "--out", out,
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
        rows = json.loads((out / "rows.json").read_text())["path"]
        return dict(zip(rows, np.load(next(out.glob("*features*.npy"), out / "embeddings.npy"))))

    def compare(self, answers):
        """Compares the rows of an engine, each of path, embedding, error, with those of plain fx."""
        wanted, good, bad = self.wanted(), [], {}
        for path, embedding, error in answers:
            name = "/".join(str(path).split("/")[-2:])
            if error is None:
                good.append(name)
                got = np.asarray(embedding, np.float32)
                assert got.tobytes() == wanted[name].astype(np.float32).ravel().tobytes(), f"{name} has other features"
            else:
                assert name not in bad, f"{name} is listed twice"
                bad[name] = error
        assert len(good) == len(set(good)), "a photo has two rows"
        assert set(good) == set(wanted) and len(good) == self.all - len(self.damaged), "a photo has no row"
        assert set(bad) == self.damaged and all(bad.values()), f"{len(bad)} of {len(self.damaged)} damaged ones listed"
        print(f"  equal to plain fx bit for bit: {len(good)} rows; {len(bad)} damaged photos listed with reasons")

    def forget(self):
        shutil.rmtree(self.counts, ignore_errors=True)
        self.counts.mkdir()
        (self.scratch / "starts").write_text("")

    def computed(self):
        """Returns how many answers were given per photo."""
        return sum(sum(map(int, f.read_text().split())) for f in self.counts.iterdir()) / self.all

    def starts(self):
        """Returns how often a network was loaded."""
        return len((self.scratch / "starts").read_text().split())


def descendants():
    """Returns the command lines of the processes below this one, by ID."""
    parents, commands = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            commands[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return {pid: commands[pid] for pid in mine - {os.getpid()}}


class Killer:
    """Kills a random process of `fx worker` every few seconds, and once a process whose command contains `node`."""

    def __init__(self, trial, node):
        self.trial, self.node, self.kills, self.lost = trial, node, 0, False
        self.calm = threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.calm.set()
        self.thread.join()

    def _run(self):
        draw = random.Random(0)
        while not self.calm.wait(draw.uniform(2, 8)):
            running = descendants()
            node = [p for p, c in running.items() if self.node in c]
            if not self.lost and node and self.trial.computed() > 0.4:
                os.kill(draw.choice(node), signal.SIGKILL)
                self.lost = True
                continue
            workers = [p for p, c in running.items() if c.startswith(f"{self.trial.real} worker ")]
            if workers:
                try:
                    os.kill(draw.choice(workers), signal.SIGKILL)
                    self.kills += 1
                except ProcessLookupError:
                    pass
