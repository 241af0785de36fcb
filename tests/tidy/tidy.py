#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not check. Usage: tidy.py [TOP_DIRECTORY]

Prints one line per violation, "path:line: rule: what is wrong", and fails if there is any.
"""
import os
import re
import subprocess
import sys

MAX_LINES = 500
CPP = (".cc", ".h")
SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_SUFFIXES = (".cc", ".h", ".proto", ".py")
TEXT_SUFFIXES = (".cc", ".h", ".proto", ".py", ".cmake", ".txt", ".sh", ".md", ".yaml", ".yml",
                 ".json", ".service", ".rules", ".conf", ".j2", "")

# Standard headers that bring threads, files, clocks of the machine or unrepeatable numbers.
IMPURE_STD = {"thread", "mutex", "shared_mutex", "future", "condition_variable", "fstream",
              "iostream", "filesystem", "random", "ctime", "csignal", "cstdlib"}
IMPURE_ABSL = ("absl/time/clock.h", "absl/synchronization/", "absl/random/", "absl/flags/",
               "absl/debugging/")
CORE_BASE = {f"common/base/{n}.h" for n in ("clock", "random", "check", "error", "status_macros", "fingerprint")}

# (name, pattern, where it is allowed). Matched on code without comments and literals.
FORBIDDEN = [
    ("sleep", r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b", r"^tests/"),
    ("shell", r"(?<![\w.>])(?:system|popen)\s*\(", None),
    ("getenv", r"\b(?:secure_)?getenv\b",
     r"^tests/|(?:^|/)main\.cc$|^controller/cli/|^common/base/(?:log|systemd_notify)\.cc$"),
    ("random-device", r"\brandom_device\b", r"^common/base/random\.cc$|(?:^|/)main\.cc$"),
    ("wall-clock", r"\bgettimeofday\b|(?<![\w.>])time\s*\(\s*(?:NULL|nullptr|0)\s*\)", None),
    ("coroutine", r"\bco_(?:await|return|yield)\b", None),
]
UNORDERED = r"\b(?:unordered_(?:multi)?(?:map|set)|flat_hash_(?:map|set)|node_hash_(?:map|set))\b"
LEFTOVER = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$})/-])/(?:work|root)(?:/|\b(?![\w-]))")


def list_files(top):
    """Paths relative to `top`: what git tracks or would add; without git, every file."""
    git = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "-co",
                          "--exclude-standard"], cwd=top, capture_output=True, check=False)
    if git.returncode == 0 and git.stdout:
        names = sorted(set(git.stdout.decode().split("\0")) - {""})
    else:
        names = []
        for folder, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f not in ("build", "__pycache__") and f[0] != "."]
            names += [os.path.relpath(os.path.join(folder, f), top) for f in files]
    return [n for n in sorted(names) if os.path.isfile(os.path.join(top, n))]


def code_only(text):
    """C++ text with comments and the insides of literals blanked; line numbers stay."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group())  # noqa: E731
    pattern = (r'R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"'
               r"|//[^\n]*|/\*.*?\*/"
               r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'')
    return re.sub(pattern, blank, text, flags=re.S)


def is_core(path):
    return re.match(r"(?:agent|controller)/core/", path) is not None


def core_include_error(path, kind, name):
    """Why a file of a pure core may not include `name`, or None. kind is "<" or '"'."""
    if kind == "<":
        if "/" in name or name.endswith(".h"):
            return f"<{name}> is not a header of the standard library"
        return f"<{name}> is impure" if name in IMPURE_STD else None
    if name.startswith("absl/"):
        return f"{name} is impure" if name.startswith(IMPURE_ABSL) else None
    own = path.split("/core/")[0] + "/core/"
    if name in CORE_BASE or name.startswith(("common/pg/", "common/model/", own)):
        return None
    return f"{name} is outside what a pure core may include"


def check_cpp(path, text):
    code = code_only(text)
    rules = [(n, p) for n, p, ok in FORBIDDEN if not (ok and re.search(ok, path))]
    if is_core(path):
        rules.append(("unordered", UNORDERED))
    for name, pattern in rules:
        for match in re.finditer(pattern, code):
            yield code.count("\n", 0, match.start()) + 1, name, f"{match.group().strip()} is forbidden"
    if is_core(path):
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)', text, re.M):
            problem = core_include_error(path, match.group(1), match.group(2))
            if problem:
                yield text.count("\n", 0, match.start()) + 1, "core-include", problem


def check_text(path, text):
    lines = text.split("\n")
    script = lines[0].startswith("#!")
    if path.endswith(SPDX_SUFFIXES) or script:
        if SPDX not in (lines[1] if script and len(lines) > 1 else lines[0]):
            yield 1, "spdx", f'the first line (after "#!") must hold {SPDX}'
    if path.endswith(CPP + (".py", ".proto")) and len(lines) - 1 > MAX_LINES:
        yield len(lines) - 1, "file-length", f"more than {MAX_LINES} lines: two ideas, two files"
    if path.startswith("tests/tidy/"):
        return  # names what it forbids
    for number, line in enumerate(lines, 1):
        if LEFTOVER.search(line):
            yield number, "leftover", "do it now, or write an issue"
        if MACHINE_PATH.search(line):
            yield number, "machine-path", "a path that exists on one machine only"


def check_file(top, path):
    """Yields (line, rule, message)."""
    if not path.endswith(TEXT_SUFFIXES) and os.path.splitext(path)[1]:
        return
    with open(os.path.join(top, path), "rb") as f:
        data = f.read()
    if b"\0" in data or not data:
        return
    try:
        text = data.decode()
    except UnicodeDecodeError:
        yield 1, "encoding", "not UTF-8"
        return
    yield from check_text(path, text)
    if path.endswith(CPP):
        yield from check_cpp(path, text)


def main(arguments):
    here = os.path.dirname(os.path.abspath(__file__))
    top = os.path.abspath(arguments[0] if arguments else os.path.join(here, "..", ".."))
    files = list_files(top)
    errors = [f"{path}:{line}: {rule}: {message}"
              for path in files for line, rule, message in check_file(top, path)]
    print("\n".join(errors + [f"tidy: {len(files)} files, {len(errors)} violations"]))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
