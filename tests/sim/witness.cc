// SPDX-License-Identifier: Apache-2.0
// A witness of the simulation: its visits to the primary, what goes wrong around it, and what must
// work with it.
#include "absl/strings/str_cat.h"
#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

// A server learns after some seconds only (keepalives) that a connection was given up, ms.
constexpr uint32_t kLingering = 8'000;

}  // namespace

// One round trip over a connection that it keeps: what it says arrives in its own time, what it has
// read counts from its next look on. One that comes to nothing may cost the connection.
void Simulation::Visit(Vm& witness) {
  agent::World world = See(witness);
  const std::string saying = agent::EchoOf(world);
  const auto found = saying.empty() ? vms_.end() : vms_.find(world.desired->upstream);
  if (found == vms_.end()) {
    witness.visits_on = 0;
    return;
  }
  Vm& primary = found->second;
  if (!primary.Commits() || !primary.Acts(now_) || now_ < primary.hung_until ||
      !BothWays(witness.name, primary.name) || Random(3) == 0) {
    witness.visits_on = Random(4) == 0 ? 0 : witness.visits_on;
    return;
  }
  if (witness.visits_on == 0) {
    witness.visits_on = ++connections_;
  }
  primary.server.sayings.push_back(
      Saying{Soon(60, 1'500), witness.name, witness.visits_on, saying});
  witness.visit =
      agent::Visit{world.now, LsnAt(primary.disk.flushed), primary.server.loaded.wished_epoch};
}

// Also what it said on connections that it has given up since, until the server notes that.
void Simulation::TakeEchoes(Vm& primary) {
  Server& server = primary.server;
  std::erase_if(server.heard,
                [this](const Heard& one) { return one.noted.has_value() && now_ >= *one.noted; });
  for (std::deque<Saying>& waiting = server.sayings;
       !waiting.empty() && waiting.front().due <= now_; waiting.pop_front()) {
    if (primary.IsPrimary() && Reaches(waiting.front().from, primary.name)) {
      Hear(server, waiting.front());
    }
  }
}

void Simulation::Hear(Server& server, const Saying& saying) {
  for (Heard& one : server.heard) {
    if (one.connection == saying.connection) {
      one.text = saying.text;
      return;
    }
  }
  for (Heard& one : server.heard) {
    if (one.from == saying.from && !one.noted.has_value()) {
      one.noted = now_ + Duration{Random(kLingering)};
    }
  }
  server.heard.push_back(Heard{saying.from, saying.connection, saying.text, std::nullopt});
}

// The controller and the standby on one side, the primary on the other; the witness is on either,
// or hears both. Sometimes the primary is lost for good while it goes on alone.
void Simulation::Divide() {
  const std::string primary = state_.durable.primary;
  const Duration duration{3'000 + Random(20'000)};
  const uint32_t side = Random(3);
  Say(absl::StrCat("the controller and ", primary, " lose each other, the witness hears ",
                   side == 0   ? "both"
                   : side == 1 ? "the primary"
                               : "the controller"));
  const auto cut = [this, duration](const std::string& one, const std::string& other) {
    const Duration late{Random(3) == 0 ? Random(2'000) : 0};  // not all ends at once
    CutMembers(one, other, duration - late);
  };
  for (const std::string& node : state_.durable.spec.nodes) {
    if (node != primary) {
      cut(primary, node);
      if (side == 1) {
        cut(witness_, node);
      }
    }
  }
  cut(primary, "ctl");
  if (side == 1) {
    cut(witness_, "ctl");
  } else if (side == 2) {
    cut(witness_, primary);
  }
  if (Random(3) == 0) {
    isolate_at_[primary] = now_ + Duration{3'000 + Random(15'000)};
  }
}

void Simulation::ApplyWitness() {
  ClusterSpec spec = state_.durable.spec;
  spec.witness = spec.witness.empty() ? witness_ : "";
  Apply(spec);
}

// Both at once, or one after the other. With the witness the primary goes on alone; and it is still
// the primary when all come back. No message is slow: a witness that is heard too late has a fenced
// primary, as it should.
void Simulation::LoseStandbyAndController() {
  const controller::Durable durable = state_.durable;
  if (!broken_.empty()) {
    return;
  }
  is_calm_ = true;
  EndController("for a while", Duration{60'000});
  if (Random(2) == 0) {
    Advance(Duration{Random(25'000)}, /*with_faults=*/false);
  }
  for (const std::string& node : durable.spec.nodes) {
    if (node != durable.primary) {
      Say(absl::StrCat(node, " loses power for good"));
      vms_.at(node).LosePower();
    }
  }
  Advance(Duration{12'000}, /*with_faults=*/false);
  const size_t before = committed_;
  Advance(Duration{10'000}, /*with_faults=*/false);
  is_calm_ = false;
  const bool may_commit = durable.spec.synchronous.durability != DataDurability::kRequired;
  if (broken_.empty() && may_commit != (committed_ > before)) {
    Break(
        absl::StrCat("I10: with the witness alone writes ", may_commit ? "have stopped" : "go on"));
  }
  BringControllerBack();
  Advance(Duration{Random(20'000)}, /*with_faults=*/false);
  HealAll();
  AwaitHealthy(kHealing, "the standby and the controller came back");
  // With a short detectAfter one look that comes late has it given up (without a loss).
  const bool is_patient = durable.spec.failover.detect_after > Duration{1'000};
  if (broken_.empty() && may_commit && is_patient && state_.durable.primary != durable.primary) {
    Break("I10: who went on alone is no longer primary");
  }
}

}  // namespace pgmahout::sim
