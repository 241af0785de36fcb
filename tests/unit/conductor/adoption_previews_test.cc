// SPDX-License-Identifier: Apache-2.0
// What agents are asked about servers that may be adopted, and for how long their answers hold.
#include "controller/conductor/adoption_previews.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/core/adoption.h"

namespace pgmahout::controller {
namespace {

constexpr BootTime kNow = BootTime::FromMilliseconds(1'000'000);

ClusterSpec Orders() {
  ClusterSpec spec;
  spec.name = "orders";
  spec.nodes = {"db1", "db2"};
  return spec;
}

AdoptionPlan PlanOf(AdoptionPart part, uint64_t system_identifier) {
  AdoptionPlan plan;
  plan.part = part;
  plan.system_identifier = system_identifier;
  return plan;
}

class Previews : public ::testing::Test {
 protected:
  void Ask(const ClusterSpec& spec, const std::string& primary, BootTime now = kNow) {
    previews_.Ask(CreateAdopted(spec, primary, "", now), now);
  }

  void TakeBoth(BootTime now = kNow) {
    previews_.Take("db1", PlanOf(AdoptionPart::kPrimary, 7), now);
    previews_.Take("db2", PlanOf(AdoptionPart::kStandby, 7), now);
  }

  AdoptionPreviews previews_;
};

TEST_F(Previews, NobodyIsAskedUnasked) {
  EXPECT_FALSE(previews_.QuestionFor("db1", 3, kNow).has_value());
  TakeBoth();
  EXPECT_FALSE(previews_.Find(Orders(), "db1", kNow).complete);
}

TEST_F(Previews, AreCompleteWhenAllHaveAnswered) {
  Ask(Orders(), "db1");
  ASSERT_TRUE(previews_.QuestionFor("db2", 3, kNow).has_value());
  EXPECT_EQ(previews_.QuestionFor("db2", 3, kNow)->epoch, 3U);
  EXPECT_FALSE(previews_.QuestionFor("db3", 3, kNow).has_value());
  previews_.Take("db1", PlanOf(AdoptionPart::kPrimary, 7), kNow);
  EXPECT_FALSE(previews_.Find(Orders(), "db1", kNow).complete);
  EXPECT_EQ(previews_.Find(Orders(), "db1", kNow).plans.size(), 1U);
  TakeBoth();
  EXPECT_TRUE(previews_.Find(Orders(), "db1", kNow).complete);
}

TEST_F(Previews, RefuseStandbysWithOtherData) {
  Ask(Orders(), "db1");
  TakeBoth();
  previews_.Take("db2", PlanOf(AdoptionPart::kStandby, 8), kNow);
  EXPECT_EQ(previews_.Find(Orders(), "db1", kNow).plans.at("db2").refusals.size(), 1U);
}

TEST_F(Previews, OfAnotherQuestionDoNotCount) {
  Ask(Orders(), "db1");
  TakeBoth();
  ClusterSpec other = Orders();
  other.port = 5433;
  EXPECT_FALSE(previews_.Find(other, "db1", kNow).complete);
  EXPECT_FALSE(previews_.Find(Orders(), "db2", kNow).complete);
  Ask(Orders(), "db1");
  EXPECT_TRUE(previews_.Find(Orders(), "db1", kNow).complete) << "the same question";
  Ask(Orders(), "db2");
  EXPECT_FALSE(previews_.Find(Orders(), "db2", kNow).complete);
}

TEST_F(Previews, BeginAnewAfterAPause) {
  Ask(Orders(), "db1");
  TakeBoth();
  Ask(Orders(), "db1", kNow + Duration{2'999});
  EXPECT_TRUE(previews_.Find(Orders(), "db1", kNow + Duration{2'999}).complete);
  TakeBoth(kNow + Duration{5'000});
  Ask(Orders(), "db1", kNow + Duration{5'999});
  EXPECT_FALSE(previews_.Find(Orders(), "db1", kNow + Duration{5'999}).complete);
}

TEST_F(Previews, HoldForAWhile) {
  Ask(Orders(), "db1");
  TakeBoth();
  EXPECT_TRUE(previews_.Find(Orders(), "db1", kNow + Duration{4'999}).complete);
  EXPECT_FALSE(previews_.Find(Orders(), "db1", kNow + Duration{5'000}).complete);
  EXPECT_TRUE(previews_.QuestionFor("db1", 3, kNow + Duration{14'999}).has_value());
  EXPECT_FALSE(previews_.QuestionFor("db1", 3, kNow + Duration{15'000}).has_value());
}

TEST_F(Previews, AreForgotten) {
  Ask(Orders(), "db1");
  TakeBoth();
  previews_.Forget("orders");
  EXPECT_FALSE(previews_.QuestionFor("db1", 3, kNow).has_value());
  EXPECT_FALSE(previews_.Find(Orders(), "db1", kNow).complete);
}

}  // namespace
}  // namespace pgmahout::controller
