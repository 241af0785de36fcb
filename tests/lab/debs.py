# SPDX-License-Identifier: Apache-2.0
"""Packages of ours under a later version, for upgrades."""
import os
import re
import subprocess
import tempfile


def with_later_version(deb, directory, suffix="+lab2"):
    """Writes `deb` with `suffix` behind its version, also where it depends on its sisters, and returns the file."""
    version = subprocess.run(["dpkg-deb", "-f", deb, "Version"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["dpkg-deb", "-R", deb, work], check=True)
        control = os.path.join(work, "DEBIAN", "control")
        with open(control, encoding="utf-8") as f:
            text = f.read()
        with open(control, "w", encoding="utf-8") as f:
            f.write(re.sub(rf"(?<=[ (]){re.escape(version)}(?=[\s)])", version + suffix, text))
        target = os.path.join(directory, os.path.basename(deb).replace(version, version + suffix))
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", work, target], check=True,
                       stdout=subprocess.DEVNULL)
    return target
