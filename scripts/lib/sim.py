# SPDX-License-Identifier: Apache-2.0
"""Runs pgmahout-sim side by side, over seeds or over mutants. scripts/sim has built it."""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.join(TOP, "build", "sim")
PROGRAM = os.path.join(BUILD, "bin", "pgmahout-sim")
LAST_LINE = re.compile(r"seeds=(\d+) violations=(\d+) virtual_hours=([\d.]+) promotions=(\d+)")
BATCH = 25
# Situations that chance alone makes rarely (tests/sim/drill.cc); a share of every run's seeds on top.
DRILLS = [["--drill", "left-behind", "--durability", "off"], ["--drill", "lost-source"],
          ["--drill", "rewind-in-vain"],
          ["--drill", "old-store"], ["--drill", "promise-taken-back"], ["--drill", "followed-last"],
          ["--drill", "word-in-vain", "--witness"], ["--drill", "word-of-before", "--witness"],
          ["--drill", "word-unheard", "--witness"], ["--drill", "alone-unheard", "--witness"],
          ["--drill", "two-of-one-number", "--durability", "off"], ["--drill", "former-primary"],
          ["--drill", "two-controllers"]]
SHARE_OF_DRILLS = 50

sys.path.insert(0, os.path.join(TOP, "tests", "sim"))
from mutants import ADAPTERS, MUTANTS  # noqa: E402


def jobs():
    return int(os.environ.get("PGMAHOUT_SIM_JOBS", os.cpu_count() or 1))


def known_seeds():
    """Seeds that once failed; they run first, and always."""
    with open(os.path.join(TOP, "tests", "sim", "seeds.txt"), encoding="utf-8") as f:
        return [int(line.split()[0]) for line in f if line.strip() and not line.startswith("#")]


def run_batch(first, number, *options):
    result = subprocess.run([PROGRAM, *options, "--from", str(first), "--seeds", str(number)],
                            capture_output=True, text=True, check=False)
    found = LAST_LINE.search(result.stdout)
    if not found:
        raise RuntimeError(f"pgmahout-sim ended with status {result.returncode} at seeds {first} to "
                           f"{first + number - 1}: {result.stderr.strip()[-500:]}")
    violations = [" ".join([line, *options]) for line in result.stdout.splitlines()
                  if line.startswith("violation:")]
    return int(found[1]), violations, float(found[3]), int(found[4])


def run_seeds(seeds, first):
    batches = [(seed, 1) for seed in known_seeds()]
    batches += [(first, -(-seeds // SHARE_OF_DRILLS), *drill) for drill in DRILLS]
    batches += [(s, min(BATCH, first + seeds - s)) for s in range(first, first + seeds, BATCH)]
    total, hours, promotions, violations = 0, 0.0, 0, 0
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        for run, lines, time, promoted in pool.map(lambda batch: run_batch(*batch), batches):
            total, hours, promotions = total + run, hours + time, promotions + promoted
            violations += len(lines)
            for line in lines:
                print(line, flush=True)
    print(f"seeds={total} violations={violations} virtual_hours={hours:.0f} promotions={promotions}")
    return 0 if violations == 0 else 1


# Mutants

def commands():
    """How each file of the cores is compiled: path -> argv."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    return {os.path.relpath(e["file"], TOP): shlex.split(e["command"]) for e in entries}


def mutated(name, path, old, new):
    """Directory with the changed copy of `path`."""
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        raise RuntimeError(f"mutant {name}: its text occurs {text.count(old)} times in {path}")
    directory = os.path.join(BUILD, "mutants", name)
    copy = os.path.join(directory, path)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    with open(copy, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    return directory


def compile_mutant(name, path, directory, how):
    """Objects of the changed file, or for a header of all that its core consists of."""
    if path.endswith(".cc"):
        sources = {path: os.path.join(directory, path)}
    else:
        core = os.path.dirname(path) + "/"
        sources = {p: os.path.join(TOP, p) for p in how if p.startswith(core)}
    objects = []
    for original, source in sources.items():
        argv = list(how[original])
        if "/env" in argv[0] or argv[0].endswith("cmake"):  # without ccache: it is compiled once
            argv = argv[next(i for i, a in enumerate(argv) if a.endswith("c++") or a.endswith("g++")):]
        output = os.path.join(directory, original.replace("/", "_") + ".o")
        argv[argv.index("-o") + 1] = output
        for option in ("-MF", "-MT"):
            if option in argv:
                argv[argv.index(option) + 1] = output + ".d"
        argv[argv.index("-c") + 1] = source
        argv[1:1] = [f"-I{directory}", "-Wno-error", "-w"]
        result = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=BUILD)
        if result.returncode != 0:
            raise RuntimeError(f"mutant {name} does not compile:\n{result.stderr[-1500:]}")
        objects.append(output)
    return objects


def link_command():
    """argv that links pgmahout-sim, as ninja would."""
    result = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "-s", "bin/pgmahout-sim"],
                            capture_output=True, text=True, check=True)
    line = result.stdout.strip().splitlines()[-1]
    return shlex.split(line.removeprefix(": && ").removesuffix(" && :"))


def run_mutant(mutant, how, link, seeds):
    name, path, old, new, *options = mutant
    directory = mutated(name, path, old, new)
    objects = compile_mutant(name, path, directory, how)
    program = os.path.join(directory, "pgmahout-sim")
    argv = list(link)
    at = argv.index("-o")
    argv[at + 1] = program
    argv[at:at] = objects  # before the libraries: what they define is taken from here
    result = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=BUILD)
    if result.returncode != 0:
        raise RuntimeError(f"mutant {name} does not link:\n{result.stderr[-1500:]}")
    return name, notice([program, *options], seeds)


def notice(argv, seeds):
    """What gives it away, or nothing. Seeds that once failed know their mutants best."""
    for seed in known_seeds():
        if evidence := notice_from(argv, seed, 1):
            return evidence
    return notice_from(argv, 1, seeds)


def notice_from(argv, first, seeds):
    result = subprocess.run([*argv, "--stop-at-first", "--from", str(first), "--seeds", str(seeds)],
                            capture_output=True, text=True, check=False)
    for line in result.stdout.splitlines():
        if line.startswith("violation:"):
            return line.removeprefix("violation: ")
    if not LAST_LINE.search(result.stdout):  # an assertion in the code itself
        return "it ends with: " + (result.stderr.strip().splitlines() or [f"status {result.returncode}"])[-1]
    return None


def check_texts(mutants):
    """Each mutant's text must occur once, so that none is silently the original."""
    wrong = []
    for name, path, old, *_ in mutants:
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            count = f.read().count(old)
        if count != 1:
            wrong.append(f"  {name}: its text occurs {count} times in {path}")
    if wrong:
        raise RuntimeError("these mutants do not fit the code any more:\n" + "\n".join(wrong))


def run_mutants(names, seeds):
    how, link = commands(), link_command()
    chosen = [m for m in MUTANTS if not names or m[0] in names]
    adapters = [a for a in ADAPTERS if not names or a[0] in names]
    unknown = set(names) - {m[0] for m in [*MUTANTS, *ADAPTERS]}
    if unknown:
        raise RuntimeError(f"no such mutant: {', '.join(sorted(unknown))}")
    check_texts(chosen)
    killed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs()) as pool:
        tasks = [pool.submit(run_mutant, m, how, link, seeds) for m in chosen]
        tasks += [pool.submit(lambda a=a: (a[0], notice([PROGRAM, "--break", *a], seeds))) for a in adapters]
        for task in concurrent.futures.as_completed(tasks):
            name, evidence = task.result()
            killed += evidence is not None
            print(f"{'killed  ' if evidence else 'SURVIVED'} {name}: {(evidence or '')[:150]}", flush=True)
    total = len(chosen) + len(adapters)
    print(f"mutants={total} killed={killed}")
    return 0 if killed == total else 1


def main():
    parser = argparse.ArgumentParser(prog="scripts/sim", description=__doc__)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--mutants", nargs="*", metavar="NAME")
    parser.add_argument("--check-mutants", action="store_true", help="only: do their texts fit the code?")
    arguments = parser.parse_args()
    if arguments.check_mutants:
        check_texts(MUTANTS)
        return 0
    if arguments.mutants is not None:
        return run_mutants(arguments.mutants, arguments.seeds or 2500)
    if arguments.seed is not None:
        return subprocess.call([PROGRAM, "--seed", str(arguments.seed),
                                *(["--trace"] if arguments.trace else [])])
    return run_seeds(arguments.seeds or 100, arguments.first)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        print(f"sim: {error}", file=sys.stderr)
        sys.exit(1)
