// SPDX-License-Identifier: Apache-2.0
// The text of the TXT record: what we write, and what we take for ours.
#include "controller/dns/name_version.h"

#include <gtest/gtest.h>

namespace pgmahout::controller {
namespace {

TEST(NameVersion, ReadsWhatItWrites) {
  for (const NameVersion version :
       {NameVersion{4, 17}, NameVersion{0, 0}, NameVersion{UINT64_MAX, UINT64_MAX}}) {
    EXPECT_EQ(ParseNameVersion(FormatNameVersion(version)), version);
  }
  EXPECT_EQ(FormatNameVersion({4, 17}), "pgmahout epoch=4 change=17");
}

TEST(NameVersion, TakesNothingElseForOurs) {
  for (const char* text :
       {"", "v=spf1 -all", "pgmahout", "pgmahout epoch=4", "pgmahout epoch=4 change=",
        "pgmahout epoch= change=1", "pgmahout epoch=4 change=17 ", "pgmahout epoch=4  change=17",
        "pgmahout epoch=-4 change=17", "pgmahout epoch=04 change=17", "PGMAHOUT epoch=4 change=17",
        "pgmahout epoch=4 change=17x", "pgmahout epoch=18446744073709551616 change=1"}) {
    EXPECT_EQ(ParseNameVersion(text), std::nullopt) << text;
  }
}

TEST(NameVersion, ComparesTheEpochFirst) {
  EXPECT_LT((NameVersion{4, 99}), (NameVersion{5, 0}));
  EXPECT_LT((NameVersion{5, 9}), (NameVersion{5, 10}));
}

}  // namespace
}  // namespace pgmahout::controller
