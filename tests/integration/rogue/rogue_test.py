# SPDX-License-Identifier: Apache-2.0
"""An agent with a valid certificate that talks nonsense: refused or ignored with a clear message, nothing
changes, nobody is promoted, and the others notice nothing."""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fleet"))

from case import ClusterCase, figures, wait_for  # noqa: E402
from daemons import http_get  # noqa: E402

INVALID_ARGUMENT, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 6, 7, 8
FUTURE = str(2**64 - 1)
SERVER_RUNNING, ROLE_STANDBY = 3, 2


class Rogue:
    """One stream of pgmahout-rogue-agent, with the identity of a node."""

    def __init__(self, fleet, state_directory):
        self.child = subprocess.Popen([fleet.binary("pgmahout-rogue-agent"), fleet.controller.listen,
                                       state_directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, env=fleet.environment())
        self.answers, self.ended = [], None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            words = line.split(" ", 2)
            if words[0] == "end":
                self.ended = (int(words[1]), words[2].strip())
            else:
                self.answers.append(tuple(int(n) for n in line.split()[1:]))

    def tell(self, line):
        try:
            self.child.stdin.write(line + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass

    def send(self, message):
        self.tell("send " + json.dumps(message))

    def flood(self, number, message):
        self.tell(f"flood {number} " + json.dumps(message))

    def wait_for_end(self, timeout=15):
        """(gRPC code, message) with which the controller closed the stream."""
        self.child.stdin.close()
        self.reader.join(timeout)
        self.close()
        return self.ended

    def close(self):
        if not self.child.stdin.closed:
            self.child.stdin.close()
        self.child.wait(timeout=20)
        self.reader.join()
        self.child.stdout.close()


class RogueCase(ClusterCase):
    """`victim` is the standby whose certificate the rogue has."""

    def setUp(self):
        self.status = self.fleet.wait_until_whole()
        self.primary = self.status["primary"]
        self.victim = next(n for n in ("db3", "db2") if n != self.primary)
        self.agent = self.fleet.agents[self.victim]

    def take_its_place(self):
        """The real agent is stopped; PostgreSQL goes on."""
        self.agent.stop()
        self.addCleanup(lambda: self.agent.is_alive() or self.agent.start())
        wait_for(lambda: not self.member()["agentConnected"], 5, "the controller to notice")

    def member(self):
        return next(m for m in self.fleet.cluster_json()["members"] if m["node"] == self.victim)

    def hello(self, **changes):
        with open(os.path.join(self.agent.state_directory, "state-id"), encoding="ascii") as f:
            state_id = f.read().strip()
        return {"node": self.victim, "address": self.agent.address, "agentVersion": "0.1.0", "bootId": "boot",
                "instanceId": "rogue", "stateId": state_id, **changes}

    def report(self, **changes):
        member = next(m for m in self.status["members"] if m["node"] == self.victim)
        high, low = member["receiveLsn"].split("/")
        lsn = str((int(high, 16) << 32) + int(low, 16))
        return {"cluster": "orders", "epoch": self.status["epoch"], "systemIdentifier": self.status["systemIdentifier"],
                "server": SERVER_RUNNING, "role": ROLE_STANDBY, "dataIsComplete": True, "receiverStreaming": True,
                "timeline": self.status["timeline"], "receiveLsn": lsn, "replayLsn": lsn, **changes}

    def rogue(self, first=None, **changes):
        """A rogue whose first message was sent; `changes` are to its report."""
        rogue = Rogue(self.fleet, self.agent.state_directory)
        self.addCleanup(rogue.close)
        rogue.send(first or {"sequence": 1, "hello": self.hello(), "report": self.report(**changes)})
        return rogue

    def events(self, rule):
        text = self.fleet.cli("cluster", "events", "orders", "-o", "json")
        return [e["message"] for e in json.loads(text) if e["rule"] == rule and e["node"] == self.victim]

    def assert_nothing_moved(self):
        status = self.fleet.cluster_json()
        self.assertEqual((status["primary"], status["epoch"], status["timeline"]),
                         (self.primary, self.status["epoch"], self.status["timeline"]))
        return status


class AtTheDoor(RogueCase):

    def refusals(self):
        return int(re.search(r"^pgmahout_controller_agents_refused_total (\d+)",
                             http_get(self.fleet.controller.http, "/metrics")[1], re.M).group(1))

    def test_what_is_refused(self):
        self.take_its_place()
        good = {"sequence": 2, "report": self.report()}
        other = self.primary
        cases = {
            "someone else's name": ([{"sequence": 1, "hello": self.hello(node=other), "report": self.report()}],
                                    PERMISSION_DENIED, f'the certificate is node "{self.victim}"'),
            "no hello": ([{"sequence": 1, "report": self.report()}], PERMISSION_DENIED, "the first message says"),
            "another disk": ([{"sequence": 1, "hello": self.hello(stateId="cloned"), "report": self.report()}],
                             ALREADY_EXISTS, "used from another state directory"),
            "an address that is none": ([{"sequence": 1, "hello": self.hello(address="evil host=x"), "report": {}}],
                                        INVALID_ARGUMENT, "is no IP address"),
            "a second hello": ([None, {"sequence": 2, "hello": self.hello(node=other)}], INVALID_ARGUMENT,
                               "only the first message"),
            "an unknown state": ([None, {"sequence": 2, "report": self.report(server=99)}], INVALID_ARGUMENT,
                                 "unknown server state 99"),
            "an unknown role": ([None, {"sequence": 2, "report": self.report(role=99)}], INVALID_ARGUMENT,
                                "unknown server role 99"),
            "a huge string": ([None, {"sequence": 2, "report": self.report(stepError="x" * 5000)}], INVALID_ARGUMENT,
                              "stepError has 5000 bytes; at most 4096"),
            "a huge list": ([None, {"sequence": 2, "report": self.report(pendingRestart=["x"] * 1000)}],
                            INVALID_ARGUMENT, "pendingRestart has 1000 entries"),
            "a huge message": ([None, {"sequence": 2, "report": self.report(stepError="x" * (2 << 20))}],
                               RESOURCE_EXHAUSTED, ""),
            "a duplicate": ([None, good, good], INVALID_ARGUMENT, "heartbeat 2 came after 2"),
            "an old number": ([None, {**good, "sequence": 90}, good], INVALID_ARGUMENT, "heartbeat 2 came after 90"),
            "number zero": ([{"sequence": 0, "hello": self.hello(), "report": self.report()}], INVALID_ARGUMENT,
                            "heartbeat 0 came after 0"),
        }
        before = self.refusals()
        for what, (messages, code, text) in cases.items():
            with self.subTest(what):
                rogue = self.rogue(messages[0])
                for message in messages[1:]:
                    rogue.send(message)
                ended = rogue.wait_for_end()
                self.assertEqual(ended[0], code, ended)
                self.assertIn(text, ended[1])
                self.assert_nothing_moved()
        wait_for(lambda: self.refusals() >= before + len(cases) - 1, 5, "the refusals to be counted")
        self.assertTrue(self.events("agent-refused"))

    def test_second_stream_of_a_living_agent(self):
        rogue = self.rogue()
        code, text = rogue.wait_for_end()
        self.assertEqual(code, ALREADY_EXISTS, text)
        self.assertIn("is connected already", text)
        self.assertIn("by another agent process", text)
        status = self.assert_nothing_moved()
        self.assertEqual(status["phase"], "Healthy", status["phaseReason"])


class InReports(RogueCase):

    def tell_for(self, seconds, rogue, **changes):
        for sequence in range(2, 2 + int(seconds * 5)):
            rogue.send({"sequence": sequence, "report": self.report(**changes)})
            time.sleep(0.2)

    def test_reports_that_cannot_be_true(self):
        self.take_its_place()
        wal = "it reports WAL beyond anything the primary can have written"
        timeline = "it reports a timeline that cannot exist yet"
        epoch = self.status["epoch"]
        cases = {
            "LSN from the future": ({"receiveLsn": FUTURE}, wal),
            "vote from the future": ({"ballot": {"epoch": epoch, "timeline": 1, "lsn": FUTURE}}, wal),
            "absurd timeline": ({"timeline": 4_000_000_000}, timeline),
            "vote on an absurd timeline": ({"ballot": {"epoch": epoch, "timeline": 4_000_000_000, "lsn": "1"}}, timeline),
            "another system": ({"systemIdentifier": "4711"}, "its data belongs to another system identifier"),
            "another cluster": ({"cluster": "billing"}, "its agent belongs to another cluster"),
        }
        for what, (lie, reason) in cases.items():
            with self.subTest(what):
                rogue = self.rogue(**lie)
                wait_for(lambda: rogue.answers, 5, "an answer")
                self.assertEqual([a[2] for a in rogue.answers], [0] * len(rogue.answers), "no lease for it")
                status = self.assert_nothing_moved()
                member = next(m for m in status["members"] if m["node"] == self.victim)
                self.assertEqual((member["eligible"], member["eligibleReason"]), (False, reason))
                self.assertIn(f"{self.victim}: its report is not believed: {reason}", status["phaseReason"])
                rogue.close()
        self.assertTrue(self.events("report-doubted"))

    def test_absurd_epochs_and_incarnations_are_no_evidence_of_an_old_store(self):
        self.take_its_place()
        for what, lie in {"epoch": {"epoch": FUTURE}, "incarnation": {"obeyedIncarnation": FUTURE}}.items():
            with self.subTest(what):
                rogue = self.rogue(**lie)
                wait_for(lambda: rogue.answers, 5, "an answer")
                self.assert_nothing_moved()
                rogue.close()
        self.agent.start()
        self.fleet.wait_until_whole()
        self.assertEqual([e for e in json.loads(self.fleet.cli("cluster", "events", "orders", "-o", "json"))
                          if e["rule"] == "store-is-old"], [])

    def test_liar_is_not_promoted_when_the_primary_is_lost(self):
        client = self.start_client()
        self.take_its_place()
        epoch = self.status["epoch"] + 1
        lie = {"epoch": epoch, "ballot": {"epoch": epoch, "timeline": 1, "lsn": FUTURE}, "receiverStreaming": False}
        rogue = self.rogue()
        since = self.now()
        os.kill(self.fleet.agents[self.primary].postmaster_pid(), signal.SIGKILL)
        # Sooner it would be evidence of an old store.
        wait_for(lambda: self.fleet.cluster_json()["epoch"] >= epoch, 10, "the controller to begin an epoch")
        self.tell_for(8, rogue, **lie)
        self.writes_resume(client, since)
        self.assertNotEqual(self.fleet.wait_for_primary(), self.victim)
        rogue.close()
        self.agent.start()
        self.fleet.wait_until_whole()
        client.stop()
        self.assert_nothing_lost(client)


class Flood(RogueCase):

    def memory_kib(self):
        with open(f"/proc/{self.fleet.controller.child.pid}/status", encoding="ascii") as f:
            return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M).group(1))

    def lease_left(self):
        text = http_get(self.fleet.agents[self.primary].metrics, "/metrics")[1]
        return float(re.search(r"^pgmahout_agent_lease_remaining_seconds (\S+)", text, re.M).group(1))

    def test_others_go_on(self):
        client = self.start_client()
        self.take_its_place()
        before, since, answers, leases = self.memory_kib(), self.now(), [], []
        first = {"sequence": 1, "hello": self.hello(), "report": self.report(stepError="x" * 4000)}
        ends = []
        while self.now() - since < 8:
            rogue = Rogue(self.fleet, self.agent.state_directory)
            rogue.flood(100_000, first)
            began = self.now()
            self.fleet.cluster_json()
            answers.append(self.now() - began)
            leases.append(self.lease_left())
            ends.append(rogue.wait_for_end())
        grown = self.memory_kib() - before
        figures("cluster show under a flood of heartbeats", answers)
        print(f"figure: controller grew by {grown} KiB; {len(ends)} streams; lowest lease {min(leases):.1f} s", flush=True)
        self.assertLess(max(answers), 1.0)
        self.assertGreater(min(leases), 6.0)
        self.assertLess(grown, 64 << 10)
        self.assertEqual({code for code, _ in ends}, {RESOURCE_EXHAUSTED}, ends)
        self.assertIn("sends more than 50 heartbeats a second", " ".join(self.events("agent-refused")))
        self.assert_nothing_moved()
        self.assert_every_write_worked(client, since)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
