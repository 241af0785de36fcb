// SPDX-License-Identifier: Apache-2.0
// What `pgmahout diff` tells.
#include "common/wire/spec_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgmahout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ClusterSpec Orders() {
  ClusterSpec spec;
  spec.name = "orders";
  spec.nodes = {"db1", "db2", "db3"};
  spec.parameters = {{"work_mem", "8MB"}};
  spec.roles = {{"owner", false, {}}, {"app", true, {}}};
  return spec;
}

TEST(DiffSpecs, EqualSpecsDifferInNothing) {
  EXPECT_THAT(DiffSpecs(Orders(), Orders()), IsEmpty());
}

TEST(DiffSpecs, NamesWhatChangedCameAndWent) {
  ClusterSpec after = Orders();
  after.nodes = {"db1", "db2"};
  after.port = 5433;
  after.parameters = {{"jit", "off"}};
  after.roles[1].login = false;
  EXPECT_THAT(DiffSpecs(Orders(), after),
              ElementsAre(SpecChange{"spec.placement.nodes", "[db1, db2, db3] -> [db1, db2]"},
                          SpecChange{"spec.postgresql.port", "5432 -> 5433"},
                          SpecChange{"spec.postgresql.parameters.jit", "added: off"},
                          SpecChange{"spec.postgresql.parameters.work_mem", "removed: 8MB"},
                          SpecChange{"spec.roles[app].login", "removed: true"}));
}

TEST(DiffSpecs, AnotherOrderOfRolesIsNoChange) {
  ClusterSpec after = Orders();
  std::swap(after.roles[0], after.roles[1]);
  EXPECT_THAT(DiffSpecs(Orders(), after), IsEmpty());
}

}  // namespace
}  // namespace pgmahout
