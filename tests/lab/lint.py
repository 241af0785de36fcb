#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lints the Ansible collection: yamllint, ansible-lint (profile production), and the syntax of every playbook. Exit
status 77: a linter is missing. Needs neither root nor network."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COLLECTION = os.path.join(TOP, "ansible")
SKIPPED = 77


def main():
    for program in ("yamllint", "ansible-lint", "ansible-playbook"):
        if not shutil.which(program):
            print(f"skipped: {program} is missing; run scripts/install-deps")
            return SKIPPED
    with tempfile.TemporaryDirectory(prefix="pgm-lint-") as work:
        # ansible-lint wants a collection where Ansible would find it, and writes caches beside it.
        collections = os.path.join(work, "ansible_collections", "pgmahout")
        os.makedirs(collections)
        copy = os.path.join(collections, "pgmahout")
        shutil.copytree(COLLECTION, copy, ignore=shutil.ignore_patterns(".ansible", ".cache"))
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": work, "HOME": work, "LC_ALL": "C.UTF-8"}
        playbooks = [f"pgmahout.pgmahout.{os.path.basename(p)[:-4]}"
                     for p in sorted(glob.glob(os.path.join(copy, "playbooks", "*.yml")))]
        commands = [["yamllint", "--strict", "."],
                    ["ansible-lint", "--offline", "--nocolor", "--strict", "-c", ".ansible-lint"],
                    ["ansible-playbook", "--syntax-check", "-i", "examples/inventory.yml", "-e", "adopt_spec=/dev/null",
                     *playbooks]]
        failed = 0
        for command in commands:
            print("+", " ".join(command), flush=True)
            failed |= subprocess.run(command, cwd=copy, env=environment, check=False).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
