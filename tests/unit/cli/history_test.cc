// SPDX-License-Identifier: Apache-2.0
// cluster history and events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/cli/fake_admin.h"

namespace pgmahout::cli {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

class History : public CliTest {
 protected:
  History() {
    Add(1, 4, 1'000, "first-primary", "db1");
    Add(2, 5, 900'000, "fence-down", "db1");
    Add(3, 5, 900'120, "vote", "db2");
    Add(4, 5, 900'450, "promote-best", "db2");
    Add(5, 5, 9'000'000, "rejoined", "db1");
  }

  void Add(uint64_t id, uint64_t epoch, int64_t boot_ms, const char* rule, const char* node) {
    v1::Event event;
    event.set_id(id);
    event.set_epoch(epoch);
    event.set_boot_ms(boot_ms);
    event.set_wall_ms(1'700'000'000'000 + boot_ms);
    event.set_cluster("orders");
    event.set_rule(rule);
    event.set_node(node);
    event.set_message("because");
    admin_.events.push_back(event);
  }
};

TEST_F(History, TableTimesEachFailoverFromItsFirstEvent) {
  EXPECT_EQ(Run("cluster history orders").out,
            "TIME                       +MS  EPOCH  RULE           NODE  MESSAGE\n"
            "2023-11-14T22:13:21.000Z    +0      4  first-primary  db1   because\n"
            "2023-11-14T22:28:20.000Z    +0      5  fence-down     db1   because\n"
            "2023-11-14T22:28:20.120Z  +120      5  vote           db2   because\n"
            "2023-11-14T22:28:20.450Z  +450      5  promote-best   db2   because\n"
            "2023-11-15T00:43:20.000Z     -      5  rejoined       db1   because\n");
  EXPECT_TRUE(admin_.events_request.history_only());
}

TEST_F(History, JsonIsTheContract) {
  const Json json = Json::parse(Run("cluster history orders -o json").out);
  ASSERT_EQ(json.size(), 5U);
  EXPECT_EQ(json[2].dump(),
            "{\"time\":\"2023-11-14T22:28:20.120Z\",\"epoch\":5,\"rule\":\"vote\","
            "\"node\":\"db2\",\"message\":\"because\",\"elapsedMs\":120}");
}

TEST_F(History, AnotherControllersClockIsNotMixedIn) {
  admin_.events[3].set_boot_ms(10);  // written after the controller's machine restarted
  const Json json = Json::parse(Run("cluster history orders -o json").out);
  EXPECT_EQ(json[3]["elapsedMs"], 450);
}

TEST_F(History, EventsAreTheNewest) {
  const Json json = Json::parse(Run("cluster events orders --limit 2 -o json").out);
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[1]["id"], 5);
  EXPECT_EQ(json[1].size(), 7U);
  EXPECT_FALSE(admin_.events_request.history_only());
  EXPECT_EQ(Json::parse(Run("cluster events orders --limit 0 -o json").out).size(), 5U);
  EXPECT_THAT(Run("cluster events orders").out, HasSubstr("promote-best"));
}

TEST_F(History, OfAnUnknownClusterIsNotFound) {
  admin_.errors["ListEvents"] = absl::NotFoundError("cluster \"x\" does not exist");
  EXPECT_EQ(Run("cluster history x").code, 3);
}

}  // namespace
}  // namespace pgmahout::cli
