#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What packages install besides programs: the start gate, the installation of PostgreSQL, the polkit rule.

The scripts run as they are, with stand-ins for apt and dpkg in front of them.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
UNIT = "postgresql@14-main.service"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Scratch(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="pgm-scripts-")
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)


class StartGate(Scratch):
    def gate(self):
        """The script with its two directories below a scratch one."""
        text = read(os.path.join(TOP, "systemd/start-gate"))
        for directory in ("/var/lib/pgmahout/managed", "/run/pgmahout/starting"):
            self.assertIn(directory, text)
            text = text.replace(directory, self.directory + directory)
        self.write("gate", text, 0o755)
        return subprocess.run([self.path("gate"), "14-main"], capture_output=True, text=True, check=False)

    def test_lets_a_server_start_that_is_not_managed(self):
        self.assertEqual(self.gate().returncode, 0)

    def test_refuses_one_that_is_and_tells_what_to_do(self):
        self.write(f"var/lib/pgmahout/managed/{UNIT}", "")
        result = self.gate()
        self.assertEqual(result.returncode, 1)
        self.assertIn("only its agent starts it", result.stderr)
        self.assertIn("pgmahout cluster delete", result.stderr)

    def test_lets_it_start_when_its_agent_wants_it(self):
        self.write(f"var/lib/pgmahout/managed/{UNIT}", "")
        self.write(f"run/pgmahout/starting/{UNIT}", "")
        self.assertEqual(self.gate().returncode, 0)

    def test_looks_where_the_agent_writes(self):
        header = read(os.path.join(TOP, "agent/systemd/start_permit.h"))
        gate = read(os.path.join(TOP, "systemd/start-gate"))
        for directory in re.findall(r'"(/[^"]+)"', header):
            self.assertIn(f"={directory}/postgresql@$1.service", gate)


# Each stand-in notes its arguments, then does what files in the scratch directory say: FILE.out is
# printed, FILE.code is the exit status; FILE is the name of the program, with the verb for apt-get.
STAND_IN = """#!/bin/bash
cd {directory}
name=${{0##*/}}
echo "$name $*" >> calls
verb=
[[ $name == apt-get ]] && for word in "$@"; do
  case $word in update | install) verb=-$word ;; esac
done
if [[ $name == apt-get && $verb == -install && ! -e apt-get-install.code ]]; then
  echo "install ok installed" > dpkg-query.out
fi
cat "$name$verb.out" 2> /dev/null
exit "$(cat "$name$verb.code" 2> /dev/null || echo 0)"
"""


class InstallPostgresql(Scratch):
    def setUp(self):
        super().setUp()
        for program in ("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query"):
            self.write(f"bin/{program}", STAND_IN.format(directory=self.directory), 0o755)
        os.makedirs(self.path("run"))
        self.write("apt-cache.out", "postgresql-14:\n  Installed: (none)\n  Candidate: 14.23-1\n")

    def install(self, major="14"):
        environment = dict(os.environ, PATH=f"{self.path('bin')}:{os.environ['PATH']}",
                           RUNTIME_DIRECTORY=self.path("run"))
        return subprocess.run([os.path.join(TOP, "systemd/install-postgresql"), major], env=environment,
                              capture_output=True, text=True, check=False)

    def calls(self):
        return read(self.path("calls"))

    def fails(self, code, *texts):
        """It fails with `code` and says all of `texts`, to its caller and to the agent."""
        result = self.install()
        left = read(self.path("run/14.error"))
        self.assertEqual(result.returncode, code, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
            self.assertIn(text, left)
        self.assertRegex(left, r"^error:  cannot install postgresql-14: ")
        self.assertRegex(left, r"\nhint:   ")
        self.assertNotIn("apt-mark hold", self.calls() if os.path.exists(self.path("calls")) else "")

    def test_installs_and_holds(self):
        self.write("run/14.error", "old")
        result = self.install()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("--no-remove install postgresql-14\n", self.calls())
        self.assertIn("apt-mark hold postgresql-14\n", self.calls())
        self.assertFalse(os.path.exists(self.path("run/14.error")))

    def test_does_nothing_but_hold_what_is_there(self):
        self.write("dpkg-query.out", "hold ok installed")
        self.assertEqual(self.install().returncode, 0)
        self.assertNotIn("apt-get", self.calls())
        self.assertIn("apt-mark hold postgresql-14\n", self.calls())

    def test_takes_a_major_version_only(self):
        for major in ("", "13", "14 vim", "14;id", "-14", "140"):
            self.assertEqual(self.install(major).returncode, 2, major)
        self.assertFalse(os.path.exists(self.path("calls")))

    def test_half_installed_packages(self):
        self.write("dpkg.out", "The following packages are only half configured:\n postgresql-14\n")
        self.fails(3, "dpkg is in the middle of something", "dpkg --configure -a")

    def test_a_package_that_somebody_holds_away(self):
        self.write("dpkg-query.out", "hold ok not-installed")
        self.fails(4, "somebody holds it", "apt-mark unhold postgresql-14")

    def test_no_source(self):
        self.write("apt-cache.out", "postgresql-14:\n  Candidate: (none)\n")
        self.fails(5, "no apt source", "Signed-By")

    def test_a_source_that_cannot_be_reached(self):
        self.write("apt-get-update.code", "100")
        self.write("apt-get-update.out", "E: Failed to fetch http://mirror/InRelease  Could not resolve\n")
        self.write("apt-cache.out", "postgresql-14:\n  Candidate: (none)\n")
        self.fails(7, "cannot be reached", "http://mirror/InRelease")

    def test_a_source_with_another_key(self):
        self.write("apt-get-update.code", "100")
        self.write("apt-get-update.out", "W: GPG error: http://mirror bookworm InRelease: The following "
                   "signatures couldn't be verified because the public key is not available: NO_PUBKEY 12\n"
                   "E: The repository 'http://mirror bookworm InRelease' is not signed.\n")
        self.write("apt-cache.out", "")
        self.fails(6, "not signed by the key", "NO_PUBKEY 12", "Signed-By=")

    def test_another_source_that_is_broken_is_no_reason_to_fail(self):
        self.write("apt-get-update.code", "100")
        self.write("apt-get-update.out", "E: Failed to fetch http://elsewhere/InRelease\n")
        result = self.install()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("http://elsewhere", result.stderr)

    def test_held_packages_in_the_way(self):
        self.write("apt-get-install.code", "100")
        self.write("apt-get-install.out", "E: Unable to correct problems, you have held broken packages.\n")
        self.fails(4, "held are in the way")

    def test_a_full_disk(self):
        self.write("apt-get-install.code", "100")
        self.write("apt-get-install.out", "E: You don't have enough free space in /var/cache/apt/archives/.\n")
        self.fails(8, "no space")

    def test_anything_else(self):
        self.write("apt-get-install.code", "100")
        self.write("apt-get-install.out", "E: Sub-process /usr/bin/dpkg returned an error code (1)\n")
        self.fails(1, "Sub-process", "journalctl -u pgmahout-install@14")


class PolkitRule(unittest.TestCase):
    """Its regular expressions mean the same in Python."""

    def setUp(self):
        rule = read(os.path.join(TOP, "systemd/60-pgmahout.rules"))
        self.servers, self.installs = re.findall(r"/(\^.*\$)/\.test\(unit\)", rule)
        self.rule = rule

    def test_names_servers_and_nothing_else(self):
        for name in ("postgresql@14-main.service", "postgresql@17-orders_2.service"):
            self.assertRegex(name, self.servers)
        for name in ("postgresql.service", "postgresql@14-main.timer", "ssh.service", "postgresql@9-a.service",
                     "xpostgresql@14-main.service", "postgresql@14-a/b.service", "postgresql@14-.service"):
            self.assertIsNone(re.search(self.servers, name), name)

    def test_names_the_installation_of_what_the_script_takes(self):
        for major in range(10, 25):
            name = f"pgmahout-install@{major}.service"
            self.assertEqual(bool(re.search(self.installs, name)), 14 <= major <= 19, name)

    def test_allows_the_verbs_that_the_agent_uses(self):
        self.assertIn('["start", "stop", "kill"].indexOf(verb)', self.rule)
        calls = set(re.findall(r'"(\w+)Unit"', read(os.path.join(TOP, "agent/systemd/sd_bus_control.cc"))))
        self.assertEqual({call.lower() for call in calls}, {"start", "stop", "kill"})


class Shell(unittest.TestCase):
    def test_shellcheck_has_nothing_to_say(self):
        if not shutil.which("shellcheck"):
            self.skipTest("no shellcheck here")
        debian = os.path.join(TOP, "packaging/debian")
        scripts = [os.path.join(debian, name) for name in os.listdir(debian)
                   if name.endswith(("postinst", "prerm", "postrm", "preinst"))]
        scripts += [os.path.join(debian, "tests", name)
                    for name in ("programs", "fleet", "lifecycle", "sandbox")]
        scripts += [os.path.join(TOP, "systemd", name) for name in ("start-gate", "install-postgresql")]
        scripts.append(os.path.join(TOP, "scripts/package"))
        result = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
        self.assertEqual((result.returncode, result.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
