# SPDX-License-Identifier: Apache-2.0
"""Faults drawn from a seed, two at a time: nothing acknowledged is lost, nobody acknowledges beside the primary,
and the cluster is whole again without a person.

PGM_SOAK_MINUTES (2), PGM_SOAK_SEED (drawn, and printed)."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from case import FaultCase, main  # noqa: E402
from chaos import Chaos  # noqa: E402

MINUTES = float(os.environ.get("PGM_SOAK_MINUTES", "2"))
SEED = int(os.environ.get("PGM_SOAK_SEED", str(random.randrange(10**6))))
ROUND_SECONDS = 30


class Faults(FaultCase):

    def test_side_by_side(self):
        print(f"figure: chaos with PGM_SOAK_SEED={SEED}", flush=True)
        chaos = Chaos(self.fleet, SEED)
        number = 0
        try:
            while time.monotonic() - self.begin < MINUTES * 60:
                number += chaos.run(ROUND_SECONDS)
                calm = time.monotonic()
                self.fleet.wait_until_whole(timeout=120)
                self.fleet.recorder.writes_resume(time.monotonic())
                chaos.note(f"whole {time.monotonic() - calm:.1f} s after the last fault")
                self.nothing_is_lost()
        except Exception:
            print("\n".join(chaos.journal), file=sys.stderr)
            raise
        print(f"figure: chaos: {number} faults", flush=True)


if __name__ == "__main__":
    main()
