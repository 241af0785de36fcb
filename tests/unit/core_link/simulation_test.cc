// SPDX-License-Identifier: Apache-2.0
// Both cores together, under faults: nothing acknowledged is ever missing in a later primary, two
// nodes never acknowledge side by side, and once the faults end the cluster heals by itself.
//
// PGM_SIMULATION_SEEDS=1000 runs more seeds, PGM_SIMULATION_FIRST=17 begins elsewhere.
#include "tests/unit/core_link/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pgmahout {
namespace {

uint32_t FromEnvironment(const char* name, uint32_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  uint32_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

struct Cluster {
  const char* name;
  int nodes;
  uint32_t number;
  DataDurability durability;
};

class BothCores : public ::testing::TestWithParam<Cluster> {};

TEST_P(BothCores, LoseNothingAndHeal) {
  ClusterSpec spec;
  spec.name = "orders";
  for (int i = 1; i <= GetParam().nodes; ++i) {
    spec.nodes.push_back(absl::StrCat("db", i));
  }
  spec.synchronous.number = GetParam().number;
  spec.synchronous.durability = GetParam().durability;
  const uint32_t first = FromEnvironment("PGM_SIMULATION_FIRST", 1);
  const uint32_t seeds = FromEnvironment("PGM_SIMULATION_SEEDS", 4);
  size_t acknowledged = 0;
  size_t primaries = 0;
  for (uint32_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Simulation simulation(seed, spec);
    simulation.Run(Duration{10'000}, /*with_faults=*/false);
    simulation.Run(Duration{120'000}, /*with_faults=*/true);
    simulation.HealAll();
    simulation.Run(Duration{90'000}, /*with_faults=*/false);
    ASSERT_EQ(simulation.broken(), "") << simulation.Trace();
    ASSERT_EQ(simulation.Phase(), "Healthy: ") << simulation.Trace();
    acknowledged += simulation.acknowledged();
    primaries += simulation.primaries();
  }
  EXPECT_GT(acknowledged, seeds * 100) << "a cluster that never commits proves nothing";
  EXPECT_GT(primaries, seeds) << "nor does one that never fails over";
}

INSTANTIATE_TEST_SUITE_P(
    Clusters,
    BothCores,
    ::testing::Values(Cluster{"ThreePreferred", 3, 1, DataDurability::kPreferred},
                      Cluster{"ThreeRequired", 3, 1, DataDurability::kRequired},
                      Cluster{"TwoPreferred", 2, 1, DataDurability::kPreferred},
                      Cluster{"FivePreferred", 5, 2, DataDurability::kPreferred}),
    [](const auto& cluster) { return std::string(cluster.param.name); });

}  // namespace
}  // namespace pgmahout
