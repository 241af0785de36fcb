#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program behind client.RecordingClient: inserts numbered rows until its stdin closes.

Its first line of input is the configuration as JSON (it may hold a password, so it is no argument).
It appends one JSON array per line to the journal; times are CLOCK_MONOTONIC seconds:
  ["C", t, host, port]           connected
  ["A", t_sent, t, id, warning, value]  row `id` was acknowledged; warning is "" or what the server
                                 said, value what the statement returned or ""
  ["E", t_sent, t, id, message]  the fate of row `id` is unknown; id 0: connecting failed
A number is used once: after an error the next row has the next number.
"""
import json
import os
import queue
import socket
import sys
import threading
import time

import psycopg2
import psycopg2.errors


STAGGER_SECONDS = 0.1  # what a host has before the next one is tried beside it


class Writer:
    def __init__(self, config):
        self.config = config
        self.journal = open(config["journal"], "a", buffering=1, encoding="utf-8")
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.busy = None  # (connection, when the statement was sent)
        self.connection = None
        self.next_id = config["first_id"]
        self.dialled = set()  # hosts whose answer is awaited
        self.found = 0        # how many connections there were; an answer to an earlier search is too late
        self.answers = queue.Queue()

    def record(self, *fields):
        self.journal.write(json.dumps(fields) + "\n")

    def connect(self):
        self.connection = (self.connect_in_turn() if self.config.get("staggered")
                           else psycopg2.connect(**self.config["connect"]))
        self.connection.autocommit = True
        info = self.connection.info
        self.record("C", time.monotonic(), info.host, info.port)

    def connect_in_turn(self):
        """Tries the hosts in their order, as libpq does with a URI that names several. But libpq waits at least
        2 s for one that does not answer at all, which is longer than a failover takes: here the next one is
        tried beside it after STAGGER_SECONDS (as RFC 8305, section 5, has it), and it is not tried anew
        meanwhile."""
        error = psycopg2.OperationalError("no host has answered yet")
        for host in self.config["connect"]["host"].split(","):
            is_new = host not in self.dialled
            if is_new:
                self.dialled.add(host)
                threading.Thread(target=self.dial, args=(host, self.found), daemon=True).start()
            try:
                return self.take_answer(STAGGER_SECONDS if is_new else 0)
            except queue.Empty:
                pass
            except psycopg2.Error as failed:
                error = failed
        raise error

    def dial(self, host, found):
        try:
            answer = psycopg2.connect(**{**self.config["connect"], "host": host})
        except psycopg2.Error as error:
            answer = error
        self.answers.put((host, found, answer))

    def take_answer(self, timeout):
        host, found, answer = self.answers.get(timeout=timeout)
        self.dialled.discard(host)
        if isinstance(answer, psycopg2.Error):
            raise answer
        if found != self.found:
            answer.close()
            raise psycopg2.OperationalError(f"{host} has answered after another was found")
        self.found += 1
        return answer

    def drop_connection(self):
        try:
            if self.connection is not None:
                self.connection.close()
        except psycopg2.Error:
            pass
        self.connection = None

    def insert(self, number):
        """One row. Returns the server's warning, "" mostly, and what the statement returns."""
        with self.connection.cursor() as cursor:
            with self.lock:
                self.busy = (self.connection, time.monotonic())
            try:
                cursor.execute(self.config["insert"], (number,))
                value = cursor.fetchone()[0] if cursor.description else ""
            finally:
                with self.lock:
                    self.busy = None
        notices, self.connection.notices = list(self.connection.notices), []
        return " ".join(n.strip() for n in notices), value

    def write_one(self):
        """Connects if needed and inserts one row; False after an error."""
        sent, number = time.monotonic(), 0
        try:
            if self.connection is None:
                self.connect()
            sent, number = time.monotonic(), self.next_id
            self.next_id += 1
            warning, value = self.insert(number)
            self.record("A", sent, time.monotonic(), number, warning, value)
            return True
        except psycopg2.Error as error:
            self.record("E", sent, time.monotonic(), number, str(error).strip())
            if not (self.config.get("stays") and isinstance(error, psycopg2.errors.ReadOnlySqlTransaction)):
                self.drop_connection()
            return False

    def run(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            succeeded = self.write_one()
            due += self.config["interval"] if succeeded else self.config["retry"]
            now = time.monotonic()
            if due < now:
                due = now  # what was missed in an outage is not made up for
            self.stopping.wait(due - now)
        self.drop_connection()

    def cut_hung_statements(self):
        """Shuts the socket of a statement without an answer: a stopped server's kernel still
        acknowledges packets, so neither keepalives nor tcp_user_timeout notice it."""
        while not self.stopping.wait(0.05):
            with self.lock:
                if self.busy is None or time.monotonic() - self.busy[1] < self.config["deadline"]:
                    continue
                try:
                    with socket.socket(fileno=os.dup(self.busy[0].fileno())) as own:
                        own.shutdown(socket.SHUT_RDWR)
                except (OSError, psycopg2.Error):
                    pass

    def wait_for_end_of_input(self):
        while sys.stdin.readline():
            pass
        self.stopping.set()


def main():
    writer = Writer(json.loads(sys.stdin.readline()))
    threading.Thread(target=writer.wait_for_end_of_input, daemon=True).start()
    threading.Thread(target=writer.cut_hung_statements, daemon=True).start()
    writer.run()
    os._exit(0)  # a thread may sit in a read of stdin, which interpreter shutdown would wait for


if __name__ == "__main__":
    main()
