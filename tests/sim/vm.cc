// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/vm.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pgmahout::sim {

std::string AddressOf(const std::string& node) {
  return absl::StrCat("10.0.0.", node.substr(2));
}

BootTime Vm::Clock(BootTime now) const {
  const int64_t since_boot = (now - booted_at).count();
  return BootTime::FromMilliseconds(clock_at_boot + since_boot +
                                    since_boot * clock_rate_ppm / 1'000'000);
}

void Vm::Load(BootTime now) {
  server.loaded_before = server.loaded.quorum;
  server.loaded = disk.config;
  server.loaded_at = now;
}

size_t Vm::CheckpointBefore(size_t records) const {
  const auto after = std::upper_bound(disk.checkpoints.begin(), disk.checkpoints.end(), records);
  return after == disk.checkpoints.begin() ? 0 : *std::prev(after);
}

void Vm::StartServer(BootTime now) {
  server = Server{};
  if (!disk.starts) {
    return;  // it ends at once
  }
  server.running = true;
  server.started = ++servers_started;
  server.in_recovery = disk.standby_signal;
  if (!server.in_recovery) {
    disk.min_recovery_lsn = Lsn{};
    disk.min_recovery_timeline = 0;
  }
  server.acknowledged = disk.wal.size();  // the clients of before are gone
  disk.flushed = disk.wal.size();         // recovery flushes what it reads
  disk.control_state = disk.standby_signal ? "in archive recovery" : "in production";
  Load(now);
  server.loaded_before = server.loaded.quorum;
}

void Vm::Crash() {
  server.running = false;
  server.stopping = false;
  server.promotion.reset();
  server.archives_at.reset();
  server.receives_from.clear();
  server.confirmations.clear();
  server.sayings.clear();
  server.heard.clear();
}

void Vm::LosePower() {
  Crash();
  disk.wal.resize(disk.flushed);
  std::erase_if(disk.checkpoints, [this](size_t records) { return records > disk.flushed; });
  powered = false;
  connection = 0;
  ended_connection = 0;
  orders = agent::Orders{};  // the lease means nothing after another boot
  witnesses = agent::Witnesses{};
  stream_watch.Reset();
  visit.reset();
  visits_on = 0;
}

}  // namespace pgmahout::sim
