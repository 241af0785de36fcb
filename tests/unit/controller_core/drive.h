// SPDX-License-Identifier: Apache-2.0
// Drive: a cluster for tests of the controller's decisions. Toy nodes obey DesiredFor() at once and
// report like an agent; time passes only when a test says so. Every outcome is checked against the
// invariants that hold in all scenarios.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/core/advance.h"

namespace pgmahout::controller {

constexpr uint64_t kSystemIdentifier = 7423474350493388827;

// A WAL position in MiB; one acknowledged write of a toy primary moves it on by one.
constexpr Lsn Wal(uint64_t mib) {
  return Lsn{mib << 20};
}

// A cluster "orders" on db1..db<nodes>, with DNS names and any 1 of the standbys, preferred.
ClusterSpec SpecOf(int nodes);

// One VM: its agent and its server, as crude as the controller's decisions allow.
struct ToyNode {
  bool heard = true;    // its agent's heartbeats arrive, and the answers come back
  bool obeys = true;    // it does what it is told
  bool streams = true;  // as standby it can reach its upstream
  bool votes = true;
  bool promotes = true;
  bool copies = true;        // an ordered base backup comes to its end
  bool was_primary = false;  // its data has no standby.signal
  uint64_t started_epoch = 0;
  uint64_t servers = 0;  // how many were started
  std::string follows;
  Lsn lsn;
  Report report;
};

class Drive {
 public:
  explicit Drive(ClusterSpec spec = SpecOf(3));

  // A cluster on which every member streams and every older quorum is settled.
  static Drive Healthy(ClusterSpec spec = SpecOf(3));

  // ---- What happens ----
  void Feed(const Event& event);
  // Time passes in steps of 100 ms: ticks, and a heartbeat per second and node, or at a change.
  void Pass(Duration duration);

  // Until `condition` holds; false if it does not within `limit`.
  template <typename Condition>
  bool PassUntil(Condition condition, Duration limit = Duration{20'000}) {
    for (Duration passed{0}; passed < limit && !condition(); passed += kStep) {
      Pass(kStep);
    }
    return condition();
  }

  void Commit();                         // one more MiB of WAL, to everybody who streams
  void Crash(const std::string& node);   // PostgreSQL is gone, its agent lives
  void KillVm(const std::string& node);  // both are gone
  void BootVm(const std::string& node);  // the agent is back, PostgreSQL is not started
  void Cut(const std::string& node);     // from the controller only
  void Heal(const std::string& node);
  void Join(const std::string& node);  // a node that was added to the spec
  void RestartController();
  void RestoreStore(const Durable& copy);    // and the controller starts with it
  void FreezeController(Duration duration);  // nothing is heard meanwhile; nodes go on
  void SetNamesAnswer(bool ok, const std::string& error = "");  // of the DNS server from now on

  void HoldNames() { answer_names_ = false; }  // the DNS server does not answer

  // ---- What came of it ----
  const ClusterState& state() const { return state_; }

  const Durable& durable() const { return state_.durable; }

  BootTime now() const { return now_; }

  ToyNode& node(const std::string& name) { return nodes_.at(name); }

  DesiredState Desired(const std::string& node) const { return DesiredFor(state_, node); }

  std::string PhaseName() const;
  std::string PhaseReason() const;

  bool IsHealthy() const { return PhaseName() == "Healthy"; }

  bool IsRunning(const std::string& primary) const;
  // Whether the rule fired since the last Forget().
  bool Fired(const std::string& rule) const;
  std::string MessageOf(const std::string& rule) const;

  void Forget() { entries_.clear(); }

  const std::vector<NameRecords>& published() const { return published_; }

  const std::map<std::string, Duration>& leases() const { return leases_; }  // of the last outcome

  static constexpr Duration kStep{100};

 private:
  void Take(Outcome outcome);
  void CheckInvariants(const Outcome& outcome) const;
  void Heartbeat(const std::string& name, bool due);
  void Obey(const std::string& name);
  void BePrimary(const std::string& name, const DesiredState& desired);
  void BeStandby(const std::string& name, const DesiredState& desired);
  void Prepare(ToyNode& toy, const DesiredState& desired);
  void StopServer(ToyNode& toy, bool clean);
  void StartServer(ToyNode& toy, ServerRole role);
  bool Serves(const std::string& name) const;

  BootTime now_ = BootTime::FromMilliseconds(1'000'000);
  ClusterState state_;
  std::map<std::string, ToyNode> nodes_;
  std::map<std::string, Report> last_sent_;
  std::map<std::string, uint64_t> sequence_;
  std::vector<Entry> entries_;
  std::vector<NameRecords> published_;
  std::map<std::string, Duration> leases_;
  std::vector<NameRecords> to_answer_;
  bool answer_names_ = true;
  NamesPublished names_answer_{0, 0, true, "", {}};
};

}  // namespace pgmahout::controller
