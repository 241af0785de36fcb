# SPDX-License-Identifier: Apache-2.0
"""A lab whose runner is killed leaves nothing that runs or is mounted, and the next lab starts as if nothing was."""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cgroups  # noqa: E402
import run  # noqa: E402
from image import Image  # noqa: E402
from waiting import wait_for  # noqa: E402

RUNNER = os.path.abspath(run.__file__)


def start():
    """A lab with one machine that is up."""
    # pylint: disable-next=consider-using-with
    runner = subprocess.Popen([sys.executable, "-B", RUNNER, "idle.py"], stdout=subprocess.PIPE, text=True)
    for line in runner.stdout:
        if line.startswith("ready: "):
            return runner
    raise RuntimeError(f"the lab ended with {runner.wait()}")


def processes():
    return set(cgroups.members())


class Crash(unittest.TestCase):
    def test_killed_runner(self):
        for _ in range(2):
            runner = start()
            self.assertTrue(processes())
            runner.send_signal(signal.SIGKILL)
            runner.wait()
            runner.stdout.close()
            wait_for(lambda: not processes(), 20, "the guests to end")
            with open("/proc/self/mounts", encoding="utf-8") as f:
                self.assertNotIn(Image().directory + "/guests", f.read())

    def tearDown(self):
        cgroups.sweep()
        Image().clear_guests()


if __name__ == "__main__":
    reason = run.why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(run.SKIPPED)
    unittest.main(argv=[sys.argv[0], "-v"])
