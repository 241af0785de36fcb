// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/table.h"

#include <gtest/gtest.h>

namespace pgmahout::cli {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoTrailingSpace) {
  Table table({"NAME", ">N", "NOTE"});
  table.AddRow({"a", "1", "x"});
  table.AddRow({"longer", "100", ""});
  EXPECT_EQ(table.Render(),
            "NAME      N  NOTE\n"
            "a         1  x\n"
            "longer  100  -\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({"A", "B"});
  table.AddRow({"\xc3\xa4\xc3\xb6", "x"});
  table.AddRow({"ab", "y"});
  EXPECT_EQ(table.Render(" "), " A   B\n \xc3\xa4\xc3\xb6  x\n ab  y\n");
}

}  // namespace
}  // namespace pgmahout::cli
