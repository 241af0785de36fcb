# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of the two cores, read from gcov's JSON."""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.environ.get("PGMAHOUT_BUILD_DIR", os.path.join(TOP, "build", "coverage"))
CORES = ("controller/core/", "agent/core/")
TESTS = ("pgm_controller_core_test", "pgm_agent_core_test")
FOLDERS = CORES + ("tests/unit/controller_core/", "tests/unit/agent_core/")
MARK = re.compile(r"// cannot happen: \S")
CHECK = re.compile(r"\bPGM_CHECK\(")


def say(text):
    print(f"coverage: {text}", file=sys.stderr, flush=True)


# Building and running


def build():
    subprocess.run([os.path.join(TOP, "scripts", "install-deps")], check=True, stdout=sys.stderr)
    environment = dict(os.environ, PGMAHOUT_PRESET="coverage", PGMAHOUT_BUILD_DIR=BUILD)
    subprocess.run([os.path.join(TOP, "scripts", "build"), *TESTS], check=True, env=environment,
                   stdout=sys.stderr)


def counts_of_earlier_runs():
    return glob.glob(os.path.join(glob.escape(BUILD), "**", "*.gcda"), recursive=True)


def run_tests():
    for path in counts_of_earlier_runs():
        os.remove(path)
    for test in TESTS:
        result = subprocess.run([os.path.join(BUILD, "bin", test), "--gtest_brief=1"],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{test} fails, so its coverage means nothing:\n{result.stdout}")


# Reading


def gcov(notes):
    """What gcov knows of one object, a dict; `notes` is the .gcno that the compiler wrote."""
    result = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", notes],
                            capture_output=True, text=True, check=False, cwd=BUILD)
    if result.returncode != 0:
        raise RuntimeError(f"gcov failed on {notes}: {result.stderr.strip()}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


class Line:
    """One source line: how often it ran, and how often each of its branches was taken.

    Branches are kept by the place where their function begins: instantiations of one template, and
    the copies of an inline function in several objects, are the same code.
    """

    def __init__(self):
        self.count = 0
        self.branches = {}

    def add(self, function, entry):
        self.count += entry["count"]
        taken = [b["count"] for b in entry["branches"] if not b["throw"]]
        key = (function, len(taken))
        known = self.branches.get(key, [0] * len(taken))
        self.branches[key] = [a + b for a, b in zip(known, taken)]

    def total(self):
        return sum(len(counts) for counts in self.branches.values())

    def missing(self):
        return sum(counts.count(0) for counts in self.branches.values())


def read_all():
    """path -> line number -> Line, for the files of the cores."""
    objects = [path for path in sorted(glob.glob(os.path.join(glob.escape(BUILD), "**", "*.gcno"),
                                                 recursive=True))
               if os.path.relpath(path, BUILD).startswith(FOLDERS)]
    lines = collections.defaultdict(lambda: collections.defaultdict(Line))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for documents in pool.map(gcov, objects):
            for document in documents:
                take(document, lines)
    return lines


def take(document, lines):
    for file in document["files"]:
        path = os.path.relpath(os.path.join(document["current_working_directory"], file["file"]), TOP)
        if not path.startswith(CORES):
            continue
        begins = {f["name"]: (f["start_line"], f["start_column"]) for f in file["functions"]}
        for entry in file["lines"]:
            function = begins.get(entry.get("function_name"))
            lines[path][entry["line_number"]].add(function, entry)


# Judging


class Source:
    def __init__(self, path):
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            self.lines = f.read().splitlines()

    def text(self, number):
        return self.lines[number - 1].strip()

    def is_marked(self, number):
        """On the line itself, or in a comment that ends just above it."""
        if MARK.search(self.lines[number - 1]):
            return True
        while number > 1 and self.text(number - 1).startswith("//"):
            number -= 1
            if MARK.search(self.lines[number - 1]):
                return True
        return False


class Result:
    """Figures of one file, and what to tell of it."""

    def __init__(self, path, lines):
        self.path = path
        self.lines = self.lines_run = self.branches = self.branches_taken = 0
        self.uncovered, self.marked = [], []
        source = Source(path)
        for number, line in sorted(lines.items()):
            self.add(number, line, source)

    def add(self, number, line, source):
        total, missing = line.total(), line.missing()
        if line.count > 0 and CHECK.search(source.text(number)):
            total, missing = total - missing, 0  # only a broken invariant takes the others
        what = "never runs" if line.count == 0 else f"{missing} of {total} branches not taken"
        if missing == 0 and line.count > 0:
            pass
        elif source.is_marked(number):
            self.marked.append((number, what, source.text(number)))
            return
        else:
            self.uncovered.append((number, what, source.text(number)))
        self.lines += 1
        self.lines_run += line.count > 0
        self.branches += total
        self.branches_taken += total - missing


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def print_row(name, lines_run, lines, taken, branches):
    print(f"{name:<34} {lines_run:>5}/{lines:<5} {percent(lines_run, lines):6.1f} %"
          f" {taken:>6}/{branches:<5} {percent(taken, branches):6.1f} %")


def report(results, show_marked):
    print(f"{'FILE':<34} {'LINES':>11} {'':>8} {'BRANCHES':>12}")
    for result in results:
        print_row(result.path, result.lines_run, result.lines, result.branches_taken, result.branches)
    sums = [sum(getattr(r, name) for r in results)
            for name in ("lines_run", "lines", "branches_taken", "branches")]
    print_row("all", *sums)
    for title, name, shown in (("not covered", "uncovered", True),
                               ("marked as what cannot happen", "marked", show_marked)):
        found = [(r.path, *one) for r in results for one in getattr(r, name)]
        if found and shown:
            print(f"\n{title}:")
            for path, number, what, text in found:
                print(f"  {path}:{number}: {what}: {text}")
    marked = sum(len(r.marked) for r in results)
    lines_run, lines, taken, branches = sums
    print(f"lines={lines_run}/{lines} branches={taken}/{branches} marked={marked}"
          f" percent={percent(taken, branches):.1f}")
    return lines_run == lines and taken == branches


def main():
    parser = argparse.ArgumentParser(prog="scripts/coverage", description=__doc__)
    parser.add_argument("--all", action="store_true", help="list marked branches too")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    arguments = parser.parse_args()
    if not arguments.no_build:
        build()
    run_tests()
    results = [Result(path, lines) for path, lines in sorted(read_all().items())]
    if not results:
        raise RuntimeError(f"gcov knows nothing of the cores in {BUILD}")
    return 0 if report(results, arguments.all) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.CalledProcessError) as error:
        say(error)
        sys.exit(1)
