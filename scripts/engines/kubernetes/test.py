#!/usr/bin/env python3
"""Validates job.yaml against the schema of Kubernetes, and runs its pods' command as it stands.

There is no cluster here: this script does what the Job controller does, with two nodes that are threads. It starts a
pod for each index with JOB_COMPLETION_INDEX, and a new one for a pod that failed. Pods are killed at random, and one
node is lost. The working directory is a folder with the photos. Needs PyYAML, and kubernetes-validate for the schema.
"""

import json
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

here = Path(__file__).resolve().parent


def manifest(completions):
    import kubernetes_validate
    import yaml

    job = yaml.safe_load((here / "job.yaml").read_text())
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(job, version, strict=True)
    wrong = json.loads(json.dumps(job))
    wrong["spec"]["completionMode"] = 3
    try:
        kubernetes_validate.validate(wrong, version, strict=True)
        sys.exit("the schema accepts a completionMode that is a number")
    except kubernetes_validate.ValidationError:
        pass
    job["spec"]["completions"] = completions
    return job


def command_of(job):
    return job["spec"]["template"]["spec"]["containers"][0]["command"]


class Cluster:
    """Two nodes that run the pods of a Job."""

    def __init__(self, job, folder, log):
        self.spec, self.folder, self.log = job["spec"], folder, log
        self.command = command_of(job)
        self.waiting = queue.Queue()
        for index in range(self.spec["completions"]):
            self.waiting.put((index, 0))
        self.done, self.failed, self.lock = set(), set(), threading.Lock()
        self.running, self.lost, self.computed = {}, set(), 0

    def node(self, name):
        while name not in self.lost and len(self.done) + len(self.failed) < self.spec["completions"]:
            try:
                index, failures = self.waiting.get(timeout=0.1)
            except queue.Empty:
                continue
            pod = subprocess.Popen(self.command + ["--quiet", "--json"], cwd=self.folder, text=True,
                                   env=dict(os.environ, JOB_COMPLETION_INDEX=str(index)), stdout=subprocess.PIPE,
                                   stderr=self.log)
            self.running[name] = pod
            text, _ = pod.communicate()
            del self.running[name]
            with self.lock:
                if pod.returncode == 0:
                    self.done.add(index)
                    self.computed += json.loads(text)["computed"]
                elif name in self.lost:
                    self.waiting.put((index, failures))  # the pods of a node that is lost are no failures
                elif failures < self.spec["backoffLimitPerIndex"]:
                    self.waiting.put((index, failures + 1))
                else:
                    self.failed.add(index)

    def run(self, kills, pause):
        nodes = [threading.Thread(target=self.node, args=[name]) for name in ("a", "b")]
        for node in nodes:
            node.start()
        chance, killed = random.Random(1), 0
        while killed < kills and any(n.is_alive() for n in nodes):
            time.sleep(chance.uniform(0, 2 * pause))
            for pod in chance.sample(list(self.running.values()), min(1, len(self.running))):
                pod.kill()
                killed += 1
            if killed == kills // 2 and not self.lost:
                self.lost.add("b")
                for pod in [p for name, p in list(self.running.items()) if name == "b"]:
                    pod.kill()
        for node in nodes:
            node.join()
        return killed


def main():
    fx = Path(os.environ.get("FX") or subprocess.check_output(["which", "fx"], text=True).strip()).resolve()
    photos = int(os.environ.get("FX_ENGINE_PHOTOS", 10_000))
    helper = [sys.executable, str(here.parent / "photos.py")]
    with tempfile.TemporaryDirectory(prefix="fx-engine.") as scratch:
        scratch = Path(scratch)
        (scratch / "bin").mkdir()
        (scratch / "bin" / "fx").symlink_to(fx)
        os.environ["PATH"] = f"{scratch}/bin:{os.environ['PATH']}"
        log = open(scratch / "log", "w")

        def run(*args):
            return json.loads(subprocess.check_output(["fx", *args, "--json", "--quiet"], cwd=scratch))

        def extract(out, *more):
            return run("extract", "--backbone", backbone, "--weights", "weights.safetensors", "--data", "photos",
                       "--out", out, *more)

        subprocess.run([*helper, "make", str(scratch / "photos"), "--photos", str(photos)], check=True)
        backbone = command_of(manifest(1))[3]
        print("job.yaml fits the schema of Kubernetes")
        run("backbones", "save", backbone, "--weights", "seed:0", "--out", "weights.safetensors")
        start = time.time()
        rows = extract("plain", "--workers", "2")["computed"]
        plain = time.time() - start
        computed = {}
        for name, parts, kills in (("calm", 8, 0), ("killed", 40, 12)):
            start = time.time()
            plan = extract("features", "--plan", "parts.jsonl", "--part-photos", str(-(-photos // parts)))
            job = manifest(plan["parts"])
            cluster = Cluster(job, scratch, log)
            killed = cluster.run(kills, plain / 20)
            if cluster.failed:
                sys.exit(f"{name}: the indexes {sorted(cluster.failed)} failed")
            computed[name] = cluster.computed
            last = extract("features")
            took = time.time() - start
            print(f"{name}: {killed} pods killed, nodes lost {sorted(cluster.lost)}, each row computed "
                  f"{(cluster.computed + last['computed']) / rows:.3f} times, "
                  f"{took:.1f} s, plain fx {plain:.1f} s: ratio of photos/s {plain / took:.3f}", flush=True)
            if last["computed"]:
                sys.exit(f"{name}: the parts left {last['computed']} rows")
            (scratch / "features").rename(scratch / name)
        stores = [str(scratch / name) for name in ("plain", "calm", "killed")]
        return subprocess.run([*helper, "compare", "--fx", str(fx), "--photos", str(scratch / "photos"), *stores]).returncode


if __name__ == "__main__":
    sys.exit(main())
