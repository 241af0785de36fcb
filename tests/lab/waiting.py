# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions."""
import time


def wait_for(condition, timeout, what, interval=0.05):
    """Polls until `condition()` is true and returns its value; an exception counts as "not yet". TimeoutError tells
    `what` was waited for, and the last exception."""
    deadline = time.monotonic() + timeout
    while True:
        last = None
        try:
            value = condition()
            if value:
                return value
        except Exception as error:  # pylint: disable=broad-except
            last = error
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {timeout:g} s for {what}" + (f"; last: {last}" if last else "")) from last
        time.sleep(interval)
