#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian packages and looks at them: lintian, units, sandbox, manual pages, content.

PGMAHOUT_PACKAGES_DIR names a directory with packages that are built already.
"""
import glob
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
EXPOSURE_MAX = {"pgmahout-controller": 1.5, "pgmahout-agent": 2.5, "pgmahout-guard": 1.5}

# Everything but documentation, which dpkg's own rules cover.
CONTENT = {
    "pgmahout": {"usr/bin/pgmahout", "usr/share/bash-completion/completions/pgmahout"},
    "pgmahout-common": {"usr/lib/sysusers.d/pgmahout-common.conf",
                        "usr/lib/tmpfiles.d/pgmahout-common.conf"},
    "pgmahout-controller": {"usr/bin/pgmahout-controller", "etc/pgmahout/controller.yaml",
                            "lib/systemd/system/pgmahout-controller.service"},
    "pgmahout-agent": {
        "usr/bin/pgmahout-agent", "usr/bin/pgmahout-guard", "usr/bin/pgmahout-wal",
        "usr/libexec/pgmahout/install-postgresql", "usr/libexec/pgmahout/start-gate",
        "etc/pgmahout/agent.yaml", "etc/postgresql-common/createcluster.d/pgmahout.conf",
        "lib/systemd/system/pgmahout-agent.service", "lib/systemd/system/pgmahout-guard.service",
        "lib/systemd/system/pgmahout-install@.service",
        "lib/systemd/system/postgresql@.service.d/pgmahout.conf",
        "usr/lib/tmpfiles.d/pgmahout-agent.conf", "usr/share/polkit-1/rules.d/60-pgmahout.rules"},
}
PAGES = {
    "pgmahout": {"pgmahout.1", "pgmahout-cluster.yaml.5", "pgmahout-config.yaml.5"},
    "pgmahout-common": set(),
    "pgmahout-controller": {"pgmahout-controller.8", "pgmahout-controller.yaml.5"},
    "pgmahout-agent": {"pgmahout-agent.8", "pgmahout-agent.yaml.5", "pgmahout-guard.8",
                       "pgmahout-guard.order.5", "pgmahout-install.8", "pgmahout-wal.1"},
}


def run(*argv, check=True, **options):
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False, **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: exit status {result.returncode}\n{result.stdout}")
    return result


def setUpModule():  # pylint: disable=invalid-name
    """Packages by name, and all of them unpacked into one directory."""
    global DEBS, ROOT  # pylint: disable=global-statement
    directory = os.environ.get("PGMAHOUT_PACKAGES_DIR")
    if not directory:
        directory = os.path.join(TOP, "build", "packages")
        run(os.path.join(TOP, "scripts", "package"), "--nocheck")
    DEBS = {os.path.basename(path).split("_")[0]: path
            for path in glob.glob(os.path.join(directory, "*.deb"))}
    ROOT = tempfile.mkdtemp(prefix="pgm-packages-")
    unittest.addModuleCleanup(shutil.rmtree, ROOT)
    for name in CONTENT:
        run("dpkg-deb", "-x", DEBS[name], os.path.join(ROOT, name))
        run("dpkg-deb", "-e", DEBS[name], os.path.join(ROOT, name, "DEBIAN"))
        run("dpkg-deb", "-x", DEBS[name], os.path.join(ROOT, "all"))


def unit(name):
    return os.path.join(ROOT, "all", "lib/systemd/system", name)


class Content(unittest.TestCase):
    def test_lintian_has_nothing_to_say(self):
        result = run("lintian", "--allow-root", "--fail-on", "error,warning", *DEBS.values(), check=False)
        self.assertEqual((result.returncode, result.stdout.strip()), (0, ""))

    def test_each_package_has_what_it_should_and_nothing_else(self):
        for name, expected in CONTENT.items():
            top = os.path.join(ROOT, name)
            found = {os.path.relpath(os.path.join(folder, file), top)
                     for folder, _, files in os.walk(top) for file in files}
            found = {path for path in found if not path.startswith(
                ("usr/share/doc/", "usr/share/man/", "usr/share/lintian/", "DEBIAN/"))}
            self.assertEqual(found, expected, name)

    def test_what_a_person_edits_is_a_conffile(self):
        for name, expected in CONTENT.items():
            path = os.path.join(ROOT, name, "DEBIAN", "conffiles")
            conffiles = set()
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    conffiles = {line.strip().lstrip("/") for line in file}
            self.assertEqual(conffiles, {p for p in expected if p.startswith("etc/")}, name)

    def test_nothing_is_writable_by_others_or_runs_as_its_owner(self):
        for name in CONTENT:
            listing = run("dpkg-deb", "-c", DEBS[name]).stdout
            for line in listing.splitlines():
                mode, owner = line.split()[:2]
                self.assertEqual(owner, "root/root", line)
                if mode[0] != "l":
                    self.assertNotIn("w", mode[4:], line)
                self.assertNotIn("s", mode, line)

    def test_the_programs_are_hardened(self):
        for name in sorted(p for c in CONTENT.values() for p in c if p.startswith("usr/bin/")):
            headers = run("readelf", "-hlWd", os.path.join(ROOT, "all", name)).stdout
            for mark in (r"Type:\s+DYN", r"GNU_RELRO", r"FLAGS.*BIND_NOW", r"GNU_STACK\s.*\sRW\s"):
                self.assertRegex(headers, mark, name)

    def test_they_tell_the_version_of_the_package(self):
        version = run("dpkg-deb", "-f", DEBS["pgmahout"], "Version").stdout.strip()
        for name in ("pgmahout", "pgmahout-agent", "pgmahout-controller", "pgmahout-guard",
                     "pgmahout-wal"):
            said = run(os.path.join(ROOT, "all/usr/bin", name), "--version").stdout
            self.assertIn(version.split("+")[0].split("~")[0], said, name)

    def test_removing_a_package_touches_neither_postgresql_nor_data(self):
        for name in CONTENT:
            for script in ("preinst", "postinst", "prerm", "postrm"):
                path = os.path.join(ROOT, name, "DEBIAN", script)
                if not os.path.exists(path):
                    continue
                with open(path, encoding="utf-8") as file:
                    lines = [line for line in file if not line.lstrip().startswith("#")]
                for line in lines:
                    self.assertNotRegex(line, r"postgresql@|pg_ctl|killall|pkill|deluser|userdel", path)
                    for target in re.findall(r"\brm\b[^|;&]*", line):
                        self.assertNotRegex(
                            target, r"/var/lib/(postgresql|pgmahout/(postgresql|archive|controller))", path)
                        self.assertNotRegex(target, r"/var/lib/pgmahout/?(\s|$)", path)


class Units(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A root with this machine's own units beside ours, for systemd-analyze."""
        cls.root = os.path.join(ROOT, "all")
        shutil.copytree("/lib/systemd/system", os.path.join(cls.root, "lib/systemd/system"),
                        symlinks=True, dirs_exist_ok=True,
                        ignore=lambda _, names: [n for n in names if n.startswith("pgmahout")])
        # Debian's unit names it; only that it can be executed is looked at.
        pg_ctlcluster = os.path.join(cls.root, "usr/bin/pg_ctlcluster")
        with open(pg_ctlcluster, "w", encoding="utf-8") as file:
            file.write("#!/bin/true\n")
        os.chmod(pg_ctlcluster, stat.S_IRWXU)

    def test_systemd_finds_nothing_wrong(self):
        names = ["pgmahout-controller.service", "pgmahout-agent.service", "pgmahout-guard.service",
                 "pgmahout-install@14.service"]
        if os.path.exists("/lib/systemd/system/postgresql@.service"):
            names.append("postgresql@14-main.service")
        result = run("systemd-analyze", "verify", "--man=no", f"--root={self.root}", *names, check=False)
        ours = [line for line in result.stdout.splitlines() if "pgmahout" in line or "postgresql" in line]
        self.assertEqual(ours, [])

    def test_documentation_that_units_name_exists(self):
        pages = set().union(*PAGES.values())
        for path in glob.glob(unit("pgmahout-*.service")):
            with open(path, encoding="utf-8") as file:
                for page, section in re.findall(r"man:(\S+)\((\d)\)", file.read()):
                    self.assertIn(f"{page}.{section}", pages, path)

    def test_sandboxes_are_as_tight_as_promised(self):
        for name, limit in EXPOSURE_MAX.items():
            said = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit(f"{name}.service"),
                       check=False).stdout
            exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said).group(1))
            print(f"packages: exposure of {name} {exposure}")
            self.assertLessEqual(exposure, limit, said)

    def test_nothing_of_ours_ends_postgresql(self):
        def text(name):
            with open(unit(name), encoding="utf-8") as file:
                return re.sub(r"^\s*#.*$", "", file.read(), flags=re.M)

        self.assertIn("\nKillMode=process\n", text("pgmahout-agent.service"))
        for name in ("pgmahout-agent.service", "pgmahout-guard.service"):
            self.assertIn("\nRemoveIPC=no\n", text(name), "it is the user of PostgreSQL")
        for word in ("BindsTo", "Requires", "PartOf", "Requisite", "Conflicts"):
            self.assertNotIn(f"\n{word}=", text("postgresql@.service.d/pgmahout.conf"))

    def test_the_users_that_units_and_directories_name_are_made(self):
        with open(os.path.join(ROOT, "all/usr/lib/sysusers.d/pgmahout-common.conf"),
                  encoding="utf-8") as file:
            made = set(re.findall(r"^u (\S+)", file.read(), re.M))
        depends = run("dpkg-deb", "-f", DEBS["pgmahout-agent"], "Depends").stdout
        self.assertIn("postgresql-common", depends, "which makes user postgres")
        for path in glob.glob(unit("pgmahout-*.service")):
            with open(path, encoding="utf-8") as file:
                for user in re.findall(r"^User=(\S+)", file.read(), re.M):
                    self.assertIn(user, made | {"postgres"}, path)


class ManualPages(unittest.TestCase):
    def test_each_package_has_its_pages(self):
        for name, expected in PAGES.items():
            found = {os.path.basename(path)[:-len(".gz")] for path in
                     glob.glob(os.path.join(ROOT, name, "usr/share/man/man*/*.gz"))}
            self.assertEqual(found, expected, name)

    def test_they_render_without_warnings(self):
        environment = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80", MAN_DISABLE_SECCOMP="1")
        for path in glob.glob(os.path.join(ROOT, "all/usr/share/man/man*/*.gz")):
            result = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
                                    env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                    text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), path)

    def test_each_key_of_a_configuration_file_is_described(self):
        for daemon in ("agent", "controller"):
            with open(os.path.join(TOP, daemon, "daemon/config.cc"), encoding="utf-8") as file:
                keys = re.findall(r'file\.(?:Text|TextMap|MapList)\("([^"]+)"', file.read())
            with open(os.path.join(TOP, f"docs/man/pgmahout-{daemon}.yaml.5.scd"),
                      encoding="utf-8") as file:
                page = file.read()
            self.assertTrue(keys)
            for key in keys:
                self.assertIn(f"*{key}*", page, daemon)

    def test_each_field_of_a_specification_is_described(self):
        with open(os.path.join(TOP, "proto/pgmahout/v1/resource.proto"), encoding="utf-8") as file:
            messages = dict(re.findall(r"^message (\w+) \{\n(.*?)^\}", file.read(), re.M | re.S))
        with open(os.path.join(TOP, "docs/man/pgmahout-cluster.yaml.5.scd"), encoding="utf-8") as file:
            page = file.read()
        for section in ("Placement", "Postgresql", "Synchronous", "Failover", "Dns", "Archive"):
            for field, json_name in re.findall(r'(\w+) = \d+(?: \[json_name = "(\w+)"\])?;', messages[section]):
                name = json_name or re.sub(r"_(\w)", lambda m: m.group(1).upper(), field)
                self.assertIn(f"*{section.lower()}.{name}*", page)

    def test_each_verb_is_described(self):
        with open(os.path.join(TOP, "docs/man/pgmahout.1.scd"), encoding="utf-8") as file:
            page = file.read()
        pgmahout = os.path.join(ROOT, "all/usr/bin/pgmahout")
        for noun in ("cluster", "node", "token"):
            listed = run(pgmahout, noun, "--help").stdout.split("Subcommands:")[1]
            for verb in re.findall(r"^  (\S+)", listed, re.M):
                self.assertIn(f"{noun} {verb}", page)


if __name__ == "__main__":
    unittest.main(verbosity=2)
