#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every house rule finds what it forbids and leaves alone what looks like it."""
import os
import tempfile
import unittest

import tidy

HEAD = "// SPDX-License-Identifier: Apache-2.0\n"


def rules_broken(path, text):
    with tempfile.TemporaryDirectory() as top:
        full = os.path.join(top, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        return [rule for _, rule, _ in tidy.check_file(top, path)]


class TidyTest(unittest.TestCase):
    def expect(self, path, body, *rules):
        self.assertEqual(rules_broken(path, HEAD + body), list(rules), body)

    def test_licence_line_comes_first(self):
        self.assertEqual(rules_broken("agent/a.cc", "int x;\n"), ["spdx"])
        self.assertEqual(rules_broken("scripts/x", "#!/bin/sh\n# no licence\n"), ["spdx"])
        self.assertEqual(rules_broken("scripts/x", "#!/bin/sh\n# " + tidy.SPDX + "\n"), [])

    def test_long_files(self):
        self.expect("agent/a.cc", "int x;\n" * 499)
        self.expect("agent/a.cc", "int x;\n" * 500, "file-length")

    def test_forbidden_calls(self):
        self.expect("agent/a.cc", "void f() { std::this_thread::sleep_for(d); }\n", "sleep")
        self.expect("agent/a.cc", 'int r = system("ls");\n', "shell")
        self.expect("agent/a.cc", 'auto* p = ::popen("ls", "r");\n', "shell")
        self.expect("agent/link/a.cc", 'getenv("HOME");\n', "getenv")
        self.expect("agent/a.cc", "std::random_device d;\n", "random-device")
        self.expect("agent/a.cc", "auto t = time(NULL);\n", "wall-clock")
        self.expect("agent/a.cc", "gettimeofday(&t, nullptr);\n", "wall-clock")
        self.expect("agent/a.cc", "co_await x;\nco_return;\n", "coroutine", "coroutine")

    def test_allowed_places_and_lookalikes(self):
        self.expect("agent/main.cc", 'getenv("NOTIFY_SOCKET");\n')
        self.expect("controller/cli/config.cc", 'getenv("PGMAHOUT_CONFIG");\n')
        self.expect("tests/fakes/a.cc", "std::this_thread::sleep_for(d);\n")
        self.expect("agent/a.cc", "// never system( or co_await\nauto s = \"popen(\";\n")
        self.expect("agent/a.cc", "file_system(x); units.system(); boot_time(0);\n")
        self.expect("agent/a.cc", "auto s = R\"(system(\"x\"))\"; int n = 1'000'000;\n")

    def test_a_core_includes_pure_headers_only(self):
        pure = ["<vector>", "<chrono>", '"absl/status/statusor.h"', '"common/base/clock.h"',
                '"common/pg/lsn.h"', '"common/model/report.h"', '"agent/core/step.h"']
        for name in pure:
            self.expect("agent/core/a.h", f"#include {name}\n")
        impure = ["<unistd.h>", "<sys/stat.h>", "<thread>", "<fstream>", '"common/base/log.h"',
                  '"absl/time/clock.h"', '"agent/link/link.h"', '"controller/core/advance.h"',
                  '"pgmahout/v1/agent.pb.h"']
        for name in impure:
            self.expect("agent/core/a.h", f"#include {name}\n", "core-include")
            self.expect("agent/link/a.h", f"#include {name}\n")

    def test_a_core_has_ordered_containers_only(self):
        self.expect("controller/core/a.cc", "std::unordered_map<int, int> m;\n", "unordered")
        self.expect("controller/core/a.cc", "absl::flat_hash_map<int, int> m;\n", "unordered")
        self.expect("controller/api/a.cc", "std::unordered_map<int, int> m;\n")

    def test_leftovers_and_machine_paths(self):
        self.expect("agent/a.cc", "// TODO: later\n", "leftover")
        self.expect("docs/a.md", "See /work/x and /root.\n", "machine-path", )
        self.expect("docs/a.md", "See docs/work/x, $HOME/work/y and /rootless.\n")


if __name__ == "__main__":
    unittest.main()
