// SPDX-License-Identifier: Apache-2.0
// An agent whose memory was zeroed or truncated starts nothing, whatever it is told.
#include <gtest/gtest.h>

#include <atomic>

#include "agent/daemon/daemon.h"
#include "agent/daemon/memory_file.h"
#include "common/base/durable_file.h"
#include "tests/unit/agent_daemon/state_directory.h"

namespace pgmahout::agent {
namespace {

// A server of a primary that is down; counts what is done to it.
class IdleInstance : public Instance {
 public:
  std::string DataDirectory(const Memory& /*memory*/) const override { return "/nowhere/pgdata.1"; }

  Observation Observe(const Memory& /*memory*/, Duration /*sql_deadline*/) override {
    ++looks;
    Observation seen;
    seen.data.exists = true;
    seen.data.complete = true;
    seen.server = ServerState::kStopped;
    return seen;
  }

  void LookForExisting(bool /*wanted*/) override {}

  bool WaitForPostmasterEnd(Duration /*timeout*/) override { return true; }

  absl::Status Run(const Step& /*step*/,
                   const DesiredState& /*desired*/,
                   const std::function<void(const std::string&)>& /*progress*/) override {
    ++steps;
    return absl::OkStatus();
  }

  absl::Status Kill(Duration /*timeout*/) override { return absl::OkStatus(); }

  void CancelStep() override {}

  std::atomic<int> steps{0};
  std::atomic<int> looks{0};
};

class SilentLink : public Link {
 public:
  void Start(absl::AnyInvocable<void(Received)> /*on_order*/,
             absl::AnyInvocable<void(bool)> /*on_state*/) override {
    started = true;
  }

  void Send(const Report& /*report*/) override {}

  bool started = false;
};

TEST(DamagedState, AgentRefusesToRun) {
  Memory memory;
  memory.epoch = 5;
  memory.cluster = "orders";
  memory.data_number = 1;
  memory.started_epoch = 5;
  const std::string whole = EncodeMemory(memory);
  for (const std::string& text : {std::string(), std::string(whole.size(), '\0'),
                                  whole.substr(0, whole.size() / 2), whole.substr(1)}) {
    const StateDirectory state;
    ASSERT_TRUE(WriteFileDurably(state.File("memory"), text, 0600).ok());
    // Even with a lease that is good for an hour.
    ASSERT_TRUE(
        StoreLease(state.File("lease"), BootId(),
                   Lease{5, SystemClock().Now() + Duration{3'600'000}, Duration{10'000}, {}})
            .ok());
    EventLoop loop;
    IdleInstance instance;
    SilentLink link;
    DaemonConfig config;
    config.state_dir = state.path();
    Daemon daemon(loop, SystemClock(), instance, link, config);
    EXPECT_TRUE(absl::IsDataLoss(daemon.Start()));
    EXPECT_EQ(instance.looks, 0);
    EXPECT_EQ(instance.steps, 0);
    EXPECT_FALSE(link.started);
  }
}

}  // namespace
}  // namespace pgmahout::agent
