#!/usr/bin/env python3
"""Lists the tests that a run of `go test -json` skipped, with their reasons, or runs them again.

    skipped.py list EVENTS      print how many were skipped, grouped by reason
    skipped.py run EVENTS       run them again after installing what was missing; fails if one fails
"""

import collections
import json
import re
import subprocess
import sys
from typing import NamedTuple


class Test(NamedTuple):
    package: str
    name: str


class Outcomes:
    """The result and the output of each test of a run."""

    def __init__(self):
        self.action: dict[Test, str] = {}
        self.output = collections.defaultdict(list)

    def read(self, lines):
        for line in lines:
            if not line.startswith("{"):
                continue  # what a build prints beside the events
            event = json.loads(line)
            if "Package" not in event:
                continue
            test = Test(event["Package"], event.get("Test", ""))
            if event["Action"] == "output":
                self.output[test].append(event["Output"])
            elif event["Action"] in ("pass", "fail", "skip"):
                self.action[test] = event["Action"]

    def of(self, action):
        return [t for t, a in self.action.items() if a == action and t.name]

    def reason(self, test):
        said = [
            re.sub(r"^\s*(\S+\.(go|txt):\d+: )?", "", line).strip()
            for line in self.output[test]
            if not re.match(r"\s*(===|---|PASS$|ok\s)", line) and line.strip()
        ]
        return said[-1] if said else "no reason given"


def report_skipped(outcomes):
    groups = collections.defaultdict(list)
    for test in outcomes.of("skip"):
        groups[outcomes.reason(test)].append(test)
    print(f"{sum(map(len, groups.values()))} tests skipped")
    for reason, tests in sorted(groups.items(), key=lambda g: -len(g[1])):
        print(f"  {len(tests)}: {reason}")
        for test in tests:
            print(f"      {test.package} {test.name}")


def pattern(names):
    """The -run pattern that selects exactly these tests; see `go help testflag`."""
    return "|".join("/".join(f"^{re.escape(part)}$" for part in name.split("/")) for name in names)


def run_skipped(outcomes):
    """Runs the skipped tests again and returns whether all passed or were skipped."""
    packages = collections.defaultdict(list)
    for test in outcomes.of("skip"):
        packages[test.package].append(test.name)
    again, broken = Outcomes(), []
    for package, names in sorted(packages.items()):
        print(f"+ go test {package}: {len(names)} tests that were skipped", flush=True)
        module = "bench" if package.startswith("fx/bench") else "."
        command = ["go", "-C", module, "test", "-count=1", "-json", "-run", pattern(names), package]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            again.read(process.stdout)
        if process.returncode != 0:
            broken.append(package)
    for test in again.of("fail"):
        print(f"--- FAIL: {test.package} {test.name}")
        print("".join(again.output[test]))
    for package in broken:
        print("".join(again.output[Test(package, "")]))
    report_skipped(again)
    first = set(outcomes.of("skip"))
    passed = first.intersection(again.of("pass"))
    failed = len(again.of("fail")) or len(broken)
    print(f"{len(passed)} passed, {failed} failed, {len(first.intersection(again.of('skip')))} skipped")
    return not broken


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("list", "run"):
        sys.exit(__doc__)
    outcomes = Outcomes()
    with open(sys.argv[2], encoding="utf-8") as events:
        outcomes.read(events)
    if sys.argv[1] == "list":
        report_skipped(outcomes)
    elif not run_skipped(outcomes):
        sys.exit(1)


if __name__ == "__main__":
    main()
