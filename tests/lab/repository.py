# SPDX-License-Identifier: Apache-2.0
"""A signed apt repository: a directory that any web server can serve.

    key = SigningKey("/somewhere/key")
    make("/somewhere/repo", ["a.deb", "b.deb"], key)
"""
import os
import shutil
import subprocess

SUITE = "bookworm"
COMPONENT = "main"
ARCHITECTURE = "amd64"
KEY_FILE = "key.asc"


def run(*argv, cwd=None, env=None):
    result = subprocess.run(argv, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {result.stderr.decode(errors='replace').strip()[-2000:]}")
    return result.stdout


class SigningKey:
    """An OpenPGP key in a directory of its own; made when the directory is new."""

    def __init__(self, directory, name="pgmahout lab <lab@example.invalid>"):
        self.directory = directory
        if not os.path.isdir(directory):
            os.makedirs(directory, mode=0o700)
            self.gpg("--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never")

    def gpg(self, *arguments):
        try:
            return run("gpg", "-q", "--batch", "--yes", *arguments, env={"GNUPGHOME": self.directory})
        finally:
            run("gpgconf", "--kill", "gpg-agent", env={"GNUPGHOME": self.directory})

    def public(self):
        return self.gpg("--armor", "--export")


def make(directory, debs, key, label="lab"):
    """(Re)makes the repository in `directory` from `debs`. Files are hard links where that is possible."""
    shutil.rmtree(directory, ignore_errors=True)
    pool = os.path.join(directory, "pool")
    index = os.path.join(directory, "dists", SUITE, COMPONENT, f"binary-{ARCHITECTURE}")
    os.makedirs(pool)
    os.makedirs(index)
    for deb in debs:
        target = os.path.join(pool, os.path.basename(deb))
        try:
            os.link(deb, target)
        except OSError:
            shutil.copy(deb, target)
    with open(os.path.join(index, "Packages"), "wb") as f:
        f.write(run("apt-ftparchive", "packages", "pool", cwd=directory))
    run("gzip", "-9nk", os.path.join(index, "Packages"))
    release = os.path.join(directory, "dists", SUITE)
    options = {"Origin": label, "Label": label, "Suite": SUITE, "Codename": SUITE, "Architectures": ARCHITECTURE,
               "Components": COMPONENT}
    arguments = [part for name, value in options.items() for part in ("-o", f"APT::FTPArchive::Release::{name}={value}")]
    text = run("apt-ftparchive", *arguments, "release", release)
    with open(os.path.join(release, "Release"), "wb") as f:
        f.write(text)
    key.gpg("--clearsign", "-o", os.path.join(release, "InRelease"), os.path.join(release, "Release"))
    key.gpg("--armor", "--detach-sign", "-o", os.path.join(release, "Release.gpg"), os.path.join(release, "Release"))
    with open(os.path.join(directory, KEY_FILE), "wb") as f:
        f.write(key.public())
