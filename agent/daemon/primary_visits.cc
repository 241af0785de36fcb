// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/primary_visits.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/core/alone.h"

namespace pgmahout::agent {
namespace {

// A primary that asks has some three seconds for the answer, which takes two visits.
constexpr Duration kPeriod{300};
constexpr Duration kTimeout{1'000};
constexpr Duration kTroubleAfter{5'000};  // a failover takes less

}  // namespace

PrimaryVisits::PrimaryVisits(EventLoop& loop, const Clock& clock, std::string ca_file)
    : loop_(loop), clock_(clock), ca_file_(std::move(ca_file)), visit_(clock) {}

void PrimaryVisits::Tend(const World& world) {
  const std::string echo = EchoOf(world);
  if (echo.empty()) {
    last_.reset();
    failing_since_.reset();
    return;
  }
  const std::vector<Member>& members = world.desired->members;
  const auto primary = std::find_if(members.begin(), members.end(), [&world](const Member& member) {
    return member.node == world.desired->upstream;
  });
  if (under_way_ || world.now - begun_ < kPeriod || primary == members.end() ||
      primary->address.empty()) {
    return;
  }
  under_way_ = true;
  begun_ = world.now;
  const PrimaryAddress where{*primary, world.desired->replication_password, ca_file_};
  worker_.Post([this, where, echo] {
    absl::StatusOr<Visit> visit = visit_.Go(where, echo, kTimeout);
    loop_.Post([this, node = where.member.node, visit = std::move(visit)]() mutable {
      under_way_ = false;
      Ended(node, std::move(visit));
    });
  });
}

void PrimaryVisits::Ended(const std::string& where, absl::StatusOr<Visit> visit) {
  if (visit.ok()) {
    last_ = *visit;
    failing_since_.reset();
    return;
  }
  error_ = absl::StrCat("cannot reach PostgreSQL on ", where, ": ", visit.status().message());
  if (!failing_since_.has_value()) {
    failing_since_ = clock_.Now();
  }
}

std::string PrimaryVisits::Trouble(BootTime now) const {
  return failing_since_.has_value() && now - *failing_since_ >= kTroubleAfter ? error_ : "";
}

}  // namespace pgmahout::agent
