// SPDX-License-Identifier: Apache-2.0
// cluster explain.
#include "controller/cli/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controller/core/quarantine.h"
#include "controller/core/turn.h"
#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

class Explain : public CliTest {
 protected:
  void Add(uint64_t epoch, int64_t boot_ms, const char* rule, const char* node, const char* why) {
    v1::Event event;
    event.set_id(admin_.events.size() + 1);
    event.set_epoch(epoch);
    event.set_boot_ms(boot_ms);
    event.set_wall_ms(1'700'000'000'000 + boot_ms);
    event.set_cluster("orders");
    event.set_rule(rule);
    event.set_node(node);
    event.set_message(why);
    admin_.events.push_back(event);
  }

  void AddFailover(uint64_t epoch, int64_t at, const char* from, const char* to) {
    Add(epoch, at, "primary-is-silent", from, "not heard for 3050 ms");
    Add(epoch, at + 40, "vote", to, "its WAL ends at 0/4000");
    Add(epoch, at + 41, "promote-by-votes", to, "the votes cover every acknowledged commit");
    Add(epoch, at + 150, "promotion-confirmed", to, "writable on timeline 2");
    Add(epoch, at + 150, "change-names", to, "orders-rw shall say 10.0.0.2");
    Add(epoch, at + 160, "names-published", to, "orders-rw is up to date");
    Add(epoch, at + 200, "standby-streams", "db3", "streams from db2");
    Add(epoch, at + 210, "names-published", to, "orders-rw is up to date");
    Add(epoch, at + 2'000, "standby-streams", from, "streams from db2");
  }

  std::vector<std::string> Steps() {
    std::vector<std::string> steps;
    const Json json = Json::parse(Run("cluster explain orders -o json").out);
    for (const Json& step : json["steps"]) {
      steps.push_back(step["step"]);
    }
    return steps;
  }
};

TEST_F(Explain, TellsTheLastFailoverStepByStep) {
  AddFailover(2, 1'000, "db1", "db2");
  EXPECT_THAT(Steps(), ElementsAre("detect", "decide", "vote", "choose", "promote", "dns", "attach",
                                   "rejoin"));
  const std::string text = Run("cluster explain orders").out;
  EXPECT_THAT(text, HasSubstr("not heard for 3050 ms"));
  EXPECT_THAT(text, HasSubstr("+150"));
  EXPECT_THAT(text, HasSubstr("commits can be confirmed again"));
  EXPECT_THAT(text, HasSubstr("db1 gets no more leases"));
}

TEST_F(Explain, EarlierFailoversAreLeftOut) {
  AddFailover(2, 1'000, "db1", "db2");
  Add(3, 60'000, "switchover-requested", "db2", "to db3");
  Add(3, 60'300, "promote-successor", "db3", "it has all WAL of the clean stop");
  EXPECT_THAT(Steps(), ElementsAre("ask", "decide", "choose"));
}

TEST_F(Explain, SaysSoWhenThePrimaryNeverChanged) {
  Add(1, 1'000, "bootstrap-done", "db1", "first primary");
  const auto result = Run("cluster explain orders");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, HasSubstr("has never changed"));
  EXPECT_TRUE(Steps().empty());
}

TEST_F(Explain, TellsWhyAPrimaryWasRestartedWhereItIs) {
  Add(2, 900, "restart-in-place", "db1", "stops and starts again as the primary");
  Add(3, 1'000, "switchover-requested", "db1",
      "stops to start again where it is, for the rolling restart");
  Add(3, 1'300, "start-again-in-place", "db1", "stopped cleanly; it has every commit");
  Add(3, 1'900, "promotion-confirmed", "db1", "writable on timeline 2");
  Add(3, 1'950, "restarted", "db1", "writable again");
  EXPECT_THAT(Steps(), ElementsAre("ask", "decide", "choose", "promote"));
  EXPECT_THAT(Run("cluster explain orders").out, HasSubstr("for the rolling restart"));
}

TEST(ExplainRules, KnowsEveryRuleOfTheController) {
  for (const auto* rules :
       {&controller::FailoverRules(), &controller::SwitchoverRules(), &controller::WitnessRules(),
        &controller::QuorumRules(), &controller::NamesRules(), &controller::MaintenanceRules(),
        &controller::ReinitRules(), &controller::RestartRules(), &controller::QuarantineRules()}) {
    for (const controller::Rule& rule : *rules) {
      EXPECT_TRUE(StepOfRule(rule.name).has_value())
          << rule.name << ": say in controller/cli/explain.cc what it means for the story";
    }
  }
  EXPECT_FALSE(StepOfRule("no-such-rule").has_value());
}

}  // namespace
}  // namespace pgmahout::cli
