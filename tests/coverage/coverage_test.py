# SPDX-License-Identifier: Apache-2.0
"""What scripts/coverage makes of a small program: what counts, what is left out, what is told."""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts", "lib"))
import coverage  # noqa: E402

OPTIONS = ["-std=c++20", "-O0", "--coverage"]


class CoverageTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="pgm-coverage-")
        self.addCleanup(self.directory.cleanup)
        for name, value in (("TOP", self.directory.name),
                            ("BUILD", os.path.join(self.directory.name, "build"))):
            self.addCleanup(setattr, coverage, name, getattr(coverage, name))
            setattr(coverage, name, value)
        os.mkdir(coverage.BUILD)

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def run_program(self, sources):
        """Builds and runs a program of `sources`, name -> text; what read_all() makes of it."""
        coverage.forget_earlier_runs()
        commands, objects = [], []
        for name, text in sources.items():
            self.write(name, text)
            if name.endswith(".cc"):
                output = os.path.join(coverage.BUILD, name.replace("/", "_") + ".o")
                argv = ["g++", *OPTIONS, "-I" + self.directory.name, "-o", output, "-c", self.path(name)]
                subprocess.run(argv, check=True)
                commands.append({"directory": coverage.BUILD, "command": " ".join(argv),
                                 "file": self.path(name)})
                objects.append(output)
        self.write("build/compile_commands.json", json.dumps(commands))
        program = os.path.join(coverage.BUILD, "program")
        subprocess.run(["g++", *OPTIONS, "-o", program, *objects], check=True)
        subprocess.run([program], check=True)
        return coverage.read_all()

    def judge(self, core, calls):
        """(complete, printed) for a core file and a test that runs `calls`."""
        lines = self.run_program({
            "agent/core/a.cc": core,
            "tests/unit/agent_core/t.cc": f"int Sign(int);\nint main() {{ {calls} return 0; }}\n"})
        results = [coverage.Result(path, found) for path, found in sorted(lines.items())]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            complete = coverage.report(results)
        return complete, printed.getvalue()

    SIGN = "int Sign(int x) {\n  if (x < 0) {\n    return -1;\n  }\n  return 1;\n}\n"

    def test_all_branches_taken_is_complete(self):
        complete, printed = self.judge(self.SIGN, "Sign(1); Sign(-1);")
        self.assertTrue(complete, printed)
        self.assertEqual(printed.splitlines()[-1], "lines=4/4 branches=2/2 marked=0 percent=100.0")

    def test_a_branch_that_is_not_taken_is_told_with_its_text(self):
        complete, printed = self.judge(self.SIGN, "Sign(1);")
        self.assertFalse(complete)
        self.assertIn("agent/core/a.cc:2: 1 of 2 branches not taken: if (x < 0) {", printed)
        self.assertIn("agent/core/a.cc:3: never runs: return -1;", printed)
        self.assertEqual(printed.splitlines()[-1], "lines=3/4 branches=1/2 marked=0 percent=50.0")

    def test_a_file_that_no_test_uses_is_not_taken_for_complete(self):
        complete, printed = self.judge(self.SIGN, "")
        self.assertFalse(complete)
        self.assertIn("lines=0/4", printed)

    def test_a_mark_leaves_out_one_branch_and_is_told(self):
        marked = self.SIGN.replace("if (x < 0) {", "if (x < 0 || x > 9) {  // cannot happen: big numbers")
        complete, printed = self.judge(marked, "Sign(1); Sign(-1);")
        self.assertTrue(complete, printed)
        self.assertIn("one branch left out as marked:\n  agent/core/a.cc:2: if (x < 0", printed)
        complete, printed = self.judge(marked, "Sign(1);")
        self.assertFalse(complete)
        self.assertIn("agent/core/a.cc:2: 1 of 3 branches not taken", printed)

    def test_a_mark_needs_a_reason(self):
        marked = self.SIGN.replace("{\n    return", "{  // cannot happen:\n    return")
        self.assertFalse(self.judge(marked, "Sign(1);")[0])

    def test_the_failing_side_of_a_check_is_left_out_but_the_check_must_run(self):
        core = ("#define PGM_CHECK(condition) do { if (!(condition)) { __builtin_abort(); } } while (false)\n"
                "int Sign(int x) {\n  PGM_CHECK(x > 0);\n  return 1;\n}\n")
        complete, printed = self.judge(core, "Sign(1);")
        self.assertTrue(complete, printed)
        self.assertFalse(self.judge(core, "")[0])

    def test_branches_of_exceptions_do_not_count(self):
        core = ("#include <string>\nint Sign(int x) {\n"
                "  return static_cast<int>((std::to_string(x) + std::string(\"a\")).size());\n}\n")
        complete, printed = self.judge(core, "Sign(1);")
        self.assertTrue(complete, printed)

    def test_instantiations_and_copies_are_added_up(self):
        header = ("template <typename T>\nT Least(T x, T y) {\n  return x < y ? x : y;\n}\n"
                  "inline int Half(int x) {\n  return x > 0 ? x / 2 : 0;\n}\n")
        use = '#include "agent/core/least.h"\n'
        lines = self.run_program({
            "agent/core/least.h": header,
            "tests/unit/agent_core/a.cc": use + "int A() { return Least(1, 2) + Half(1); }\n",
            "tests/unit/agent_core/b.cc": use + "int A();\nint main() "
                                                "{ return Least(2l, 1l) + Half(-1) + A() - 2; }\n"})
        found = lines["agent/core/least.h"]
        self.assertEqual((found[3].total(), found[3].missing()), (2, 0))
        self.assertEqual((found[6].total(), found[6].missing()), (2, 0))

    def test_two_defaulted_operators_of_one_line_are_two_functions(self):
        where = {"start_line": 3, "start_column": 5}
        name = "pgmahout::operator{}(pgmahout::A, pgmahout::A)"
        self.assertNotEqual(coverage.identity({**where, "demangled_name": name.format("<=>")}),
                            coverage.identity({**where, "demangled_name": name.format("==")}))

    def test_a_core_file_that_is_not_compiled_is_an_error(self):
        self.write("controller/core/forgotten.cc", "int x;\n")
        with self.assertRaisesRegex(RuntimeError, "controller/core/forgotten.cc"):
            self.judge(self.SIGN, "Sign(1);")


if __name__ == "__main__":
    unittest.main()
