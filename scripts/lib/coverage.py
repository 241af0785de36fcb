# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of the two cores, read from gcov's JSON."""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import shlex
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.join(TOP, "build", "coverage")
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


def forget_earlier_runs():
    for path in glob.glob(os.path.join(glob.escape(BUILD), "**", "*.gcda"), recursive=True):
        os.remove(path)


def run_tests():
    forget_earlier_runs()
    for test in TESTS:
        result = subprocess.run([os.path.join(BUILD, "bin", test), "--gtest_brief=1"],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"{test} fails, so its coverage means nothing:\n{result.stdout}")


# Reading


def gcov(notes):
    """What gcov knows of one object, as dicts; `notes` is the .gcno that the compiler wrote."""
    result = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", notes],
                            capture_output=True, text=True, check=False, cwd=BUILD)
    if result.returncode != 0:
        raise RuntimeError(f"gcov failed on {notes}: {result.stderr.strip()}")
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


class Line:
    """One source line: how often it ran, and how often each of its branches was taken.

    Branches are kept by their function: instantiations of one template, and the copies of an inline
    function in several objects, are the same code.
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


def objects():
    """(source, notes) of each object that holds code of the cores; sources relative to TOP."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    found = []
    for entry in entries:
        source = os.path.relpath(entry["file"], TOP)
        argv = shlex.split(entry["command"])
        output = os.path.join(entry["directory"], argv[argv.index("-o") + 1])
        if source.startswith(FOLDERS):
            found.append((source, os.path.splitext(output)[0] + ".gcno"))
    return found


def check_complete(compiled):
    """A file of the cores that is in no library would be missing without a word."""
    sources = {os.path.relpath(path, TOP) for core in CORES
               for path in glob.glob(os.path.join(glob.escape(TOP), core, "**", "*.cc"), recursive=True)}
    if forgotten := sources - {source for source, _ in compiled}:
        raise RuntimeError(f"not compiled, so not measured: {', '.join(sorted(forgotten))}")


def read_all():
    """path -> line number -> Line, for the files of the cores."""
    compiled = objects()
    check_complete(compiled)
    lines = collections.defaultdict(lambda: collections.defaultdict(Line))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for documents in pool.map(gcov, [notes for _, notes in compiled]):
            for document in documents:
                take(document, lines)
    return lines


def identity(function):
    """The same for all instantiations of one template; not for two defaulted operators of a line."""
    name = re.sub(r"(?<!operator)<(?!=).*|\(.*", "", function["demangled_name"])
    return function["start_line"], function["start_column"], "".join(name.split()[-1:])  # no return type


def take(document, lines):
    for file in document["files"]:
        path = os.path.relpath(os.path.join(document["current_working_directory"], file["file"]), TOP)
        if not path.startswith(CORES):
            continue
        functions = {f["name"]: identity(f) for f in file["functions"]}
        for entry in file["lines"]:
            lines[path][entry["line_number"]].add(functions.get(entry.get("function_name")), entry)


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
        if source.is_marked(number) and (missing > 0 or line.count == 0):
            self.marked.append((number, source.text(number)))
            if line.count == 0:
                return
            total, missing = total - 1, missing - 1
        if line.count == 0:
            self.uncovered.append((number, "never runs", source.text(number)))
        elif missing > 0:
            self.uncovered.append((number, f"{missing} of {total} branches not taken",
                                   source.text(number)))
        self.lines += 1
        self.lines_run += line.count > 0
        self.branches += total
        self.branches_taken += total - missing


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def print_row(name, lines_run, lines, taken, branches):
    print(f"{name:<34} {lines_run:>5}/{lines:<5} {percent(lines_run, lines):6.1f} %"
          f" {taken:>6}/{branches:<5} {percent(taken, branches):6.1f} %")


def report(results):
    """Prints it all; True if nothing is missing."""
    print(f"{'FILE':<34} {'LINES':>11} {'':>8} {'BRANCHES':>12}")
    for result in results:
        print_row(result.path, result.lines_run, result.lines, result.branches_taken, result.branches)
    lines_run, lines, taken, branches = (
        sum(getattr(result, name) for result in results)
        for name in ("lines_run", "lines", "branches_taken", "branches"))
    print_row("all", lines_run, lines, taken, branches)
    marked = [f"{r.path}:{number}: {text}" for r in results for number, text in r.marked]
    uncovered = [f"{r.path}:{number}: {what}: {text}" for r in results for number, what, text in r.uncovered]
    for title, found in (("one branch left out as marked:", marked), ("not covered:", uncovered)):
        if found:
            print("", title, *(f"  {one}" for one in found), sep="\n")
    print(f"lines={lines_run}/{lines} branches={taken}/{branches} marked={len(marked)}"
          f" percent={percent(taken, branches):.1f}")
    return lines_run == lines and taken == branches


def main():
    parser = argparse.ArgumentParser(prog="scripts/coverage", description=__doc__)
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    arguments = parser.parse_args()
    if not arguments.no_build:
        build()
    run_tests()
    results = [Result(path, lines) for path, lines in sorted(read_all().items())]
    if not results:
        raise RuntimeError(f"gcov knows nothing of the cores in {BUILD}")
    return 0 if report(results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.CalledProcessError) as error:
        say(error)
        sys.exit(1)
