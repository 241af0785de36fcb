// SPDX-License-Identifier: Apache-2.0
// pg_hba.conf: first match wins, so the order of lines is what matters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/unit/agent_core/world_builder.h"

namespace pgmahout::agent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> LinesOf(const DesiredState& desired) {
  std::vector<std::string> lines = absl::StrSplit(RenderHba(desired), '\n', absl::SkipEmpty());
  lines.erase(lines.begin());  // the comment
  return lines;
}

DesiredState Wanted() {
  return *Told(Assignment::kPrimary).desired;
}

TEST(Hba, IsReplicationFromMembersThenTheUsersRulesThenReject) {
  DesiredState desired = Wanted();
  desired.members.resize(1);
  desired.spec.hba = {{"hostssl", {"orders"}, {"app"}, "10.20.0.0/16", "scram-sha-256"}};
  const std::vector<std::string> expected = {
      "local all \"postgres\" peer",
      "hostssl replication \"pgmahout_replication\" \"10.0.0.1/32\" scram-sha-256",
      "hostssl \"postgres\" \"pgmahout_replication\" \"10.0.0.1/32\" scram-sha-256",
      "host all \"pgmahout_replication\" all reject",
      "hostssl \"orders\" \"app\" \"10.20.0.0/16\" scram-sha-256",
      "host all all all reject",
  };
  EXPECT_EQ(LinesOf(desired), expected);
}

TEST(Hba, UsersRuleCannotOpenTheReplicationRole) {
  DesiredState desired = Wanted();
  desired.spec.hba = {{"host", {"all"}, {"all"}, "0.0.0.0/0", "scram-sha-256"}};
  const std::string text = RenderHba(desired);
  EXPECT_LT(text.find("host all \"pgmahout_replication\" all reject"),
            text.find("host all all \"0.0.0.0/0\""));
}

// Linux uses 127.0.0.1 as the source of every connection within 127.0.0.0/8.
TEST(Hba, LoopbackMembersConnectFrom127001) {
  DesiredState desired = Wanted();
  desired.members = {{"db1", "127.1.0.1", 5432}, {"db2", "127.1.0.2", 5432}};
  EXPECT_THAT(LinesOf(desired), Contains(HasSubstr("\"127.0.0.1/32\"")).Times(2));
  EXPECT_THAT(RenderHba(desired), Not(HasSubstr("127.1.0")));
}

TEST(Hba, Ipv6MembersGetAHostMask) {
  DesiredState desired = Wanted();
  desired.members = {{"db1", "fd00::1", 5432}};
  EXPECT_THAT(RenderHba(desired), HasSubstr("\"fd00::1/128\""));
}

TEST(Hba, MemberWithoutAnAddressOpensNothing) {
  DesiredState desired = Wanted();
  desired.members = {{"db1", "", 5432}};
  EXPECT_THAT(RenderHba(desired), Not(HasSubstr("replication \"pgmahout_replication\"")));
}

TEST(Hba, NamesAreQuotedSoThatNoKeywordIsMeant) {
  DesiredState desired = Wanted();
  desired.spec.hba = {
      {"hostssl", {"replication", "all"}, {"+admins", "we\"ird, name"}, "all", "cert"}};
  EXPECT_THAT(RenderHba(desired),
              HasSubstr("hostssl \"replication\",all \"+admins\",\"we\"\"ird, name\" all cert\n"));
}

TEST(Hba, EndsWithAReject) {
  EXPECT_THAT(RenderHba(Wanted()), testing::EndsWith("\nhost all all all reject\n"));
}

}  // namespace
}  // namespace pgmahout::agent
