// SPDX-License-Identifier: Apache-2.0
// Simulation: the real Advance() and the real Next() over modelled VMs, network, store and DNS. All
// that happens is drawn from a seed; the invariants of docs/design.md are checked as it happens.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/core/advance.h"
#include "tests/sim/vm.h"

namespace pgmahout::sim {

// After that everything is well again. A standby that cannot be used is waited for for a minute,
// and that minute begins anew with whatever happens to it.
constexpr Duration kHealing{150'000};

// Contracts of adapters that a run may break on purpose, to see that it is noticed.
struct BrokenAdapters {
  bool lease_from_receipt = false;    // the agent counts its lease from the order's arrival
  bool memory_not_durable = false;    // what the agent remembers is lost with the power
  bool effects_before_store = false;  // the controller answers before it has stored
  bool any_order_is_fresh = false;    // answers to heartbeats of earlier connections count
  bool guard_sleeps = false;          // neither agent nor guard fences by the clock
  bool dns_without_prerequisite = false;
  bool old_store_goes_unnoticed = false;  // although an agent has obeyed another controller
};

struct Options {
  uint64_t seed = 1;
  bool trace = false;                        // print all, not only keep the last lines
  std::optional<DataDurability> durability;  // instead of a random one
  bool witness = false;                      // two members and a witness, always
  std::string drill;                         // instead of random faults; one that IsDrill() knows
  BrokenAdapters broken;
};

class Simulation {
 public:
  explicit Simulation(const Options& options);

  // Sets up a cluster, lets faults happen, ends them, and waits until all is well again. What
  // broke; empty: nothing.
  std::string Run();

  static bool IsDrill(const std::string& name);

  Duration virtual_time() const { return now_ - start_; }

  size_t promotions() const { return promotions_; }

  size_t acknowledged() const { return acknowledged_.size(); }

  // The last lines of what happened.
  std::string Trace() const;

 private:
  struct Up {
    BootTime due;
    uint64_t connection;
    uint64_t sequence;
    Report report;
    uint64_t obeyed_incarnation;
    uint64_t obeyed_opening;
  };

  struct Down {
    BootTime due;
    uint64_t connection;
    agent::Received received;
  };

  struct Update {
    BootTime due;
    controller::NameRecords records;
    bool by_twin;
  };

  // A second controller (two_controllers.cc).
  struct Twin {
    controller::ClusterState state;
    controller::Durable stored;
    uint64_t incarnation;
    uint64_t opening;
    BootTime back;
  };

  // ---- Chance (simulation.cc) ----
  uint32_t Random(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  bool Chance(uint32_t per_10000) { return Random(10'000) < per_10000; }

  Vm& AnyVm();  // the primary more often than others
  Vm& Primary();
  void Say(const std::string& line);
  void Break(const std::string& what);
  void Advance(Duration duration, bool with_faults);
  void Step(bool with_faults);

  // ---- Network (messages.cc) ----
  bool ControllerActs() const {
    return now_ >= controller_back_ && !controller_frozen_since_.has_value();
  }

  bool Reaches(const std::string& from, const std::string& to) const {
    const auto cut = cuts_.find({from, to});
    return cut == cuts_.end() || now_ >= cut->second;
  }

  bool BothWays(const std::string& one, const std::string& other) const {
    return Reaches(one, other) && Reaches(other, one);
  }

  BootTime Soon(uint32_t usual_ms, uint32_t rare_ms);
  void Connect(Vm& vm);
  void Disconnect(Vm& vm, bool noticed);
  void KeepConnections();
  void Feed(const controller::Event& event);
  bool Store(const controller::Outcome& outcome);
  void Perform(const controller::Outcome& outcome);
  void RestartController(const std::string& why);
  void EndController(const std::string& why, Duration duration);
  void BringControllerBack();
  void TakeReports(Vm& vm);
  void Deliver(Vm& vm);
  void Obey(Vm& vm, const Down& order);
  void Tell(Vm& vm, const std::string& step);
  void UpdateNames();

  // ---- A second controller on a copy of the store (two_controllers.cc) ----
  void ChangePlaces();
  // Does `act` with the second controller, or with the first one, in place.
  void At(bool twin, const std::function<void()>& act);
  void CopyController();
  void EndTwin();
  void DialTheOther();
  void NoticeOldStore(const Up& message);
  void GoToAnotherControllerAndBack();

  // ---- The witness (witness.cc) ----
  void Visit(Vm& witness);
  void TakeEchoes(Vm& primary);
  void Hear(Server& server, const Saying& saying);
  void Divide();
  void ApplyWitness();
  void LoseStandbyAndController();

  // ---- Agents (agents.cc) ----
  agent::World See(Vm& vm);
  agent::SqlFacts Ask(Vm& vm);
  void Agent(Vm& vm);
  void Carry(Vm& vm, const agent::Step& step);
  void StopFast(Vm& vm, const agent::Step& step);
  void BeginPromotion(Vm& vm, uint32_t lowest);
  void EndPromotion(Vm& vm);
  void Promote(Vm& vm, uint32_t lowest);
  void ArchiveHistories(Vm& vm);
  void Copy(Vm& vm, const agent::Step& step);
  void WriteConfig(Vm& vm, const agent::Step& step);
  void Guard(Vm& vm);

  // ---- PostgreSQL (postgres.cc) ----
  bool CanFollow(const Vm& standby, const Vm& primary) const;
  void Flush(Vm& vm);
  void Replicate(Vm& standby);
  void Receive(Vm& standby, Vm& primary);
  void TakeConfirmations(Vm& primary);
  void Acknowledge(Vm& primary);
  void EndStops(Vm& vm);

  // ---- Slots (slots.cc) ----
  void EnsureSlots(Vm& vm, const agent::SlotPlan& plan);
  void RemoveOldWal(Vm& vm);
  bool SourceHasWalFor(const Vm& rewound, const Vm& source) const;
  void CheckSlots();
  static bool HasSlot(const Vm& vm, const std::string& slot);
  bool IsInUse(const Vm& vm, const std::string& slot) const;
  bool CanSend(const Vm& primary, const Vm& standby) const;

  // ---- Faults (faults.cc) ----
  bool FaultHits(uint32_t per_10000);
  void AcceptLoss();
  void CopyStore();
  void RestoreOldStore();
  void RestoreStore(const controller::Durable& copy);
  void FreezeController();
  void ThawController();
  void FreezeEverything(Duration duration);
  void Fault();
  void FaultOfVm(Vm& vm);
  void FaultOfNetwork(Vm& vm);
  void Operate(Vm& vm);
  void Isolate(Vm& vm, Duration duration);
  void OutliveTheLease(Vm& vm);
  void AskForSwitchover(Vm& vm);
  void DoomedSwitchover(Vm& vm);
  void DoomTheNewPrimary();
  void LoseDuringQuorumChange();
  void LoseThePrimarySoon();
  void CutMembers(const std::string& one, const std::string& other, Duration duration);
  void Planned();
  void ApplySpec(Vm& vm);
  void Apply(const ClusterSpec& spec);
  void HealAll();

  // ---- People who pause, restart and work on servers by hand (care.cc) ----
  bool HasCare() const;

  bool CareHits(uint32_t per_10000) { return care_() % 10'000 < per_10000; }

  Vm& AnyVmForCare();
  void Care();
  void WorkByHand(Vm& vm);
  void EndCare();
  void CheckCare(const controller::Durable& before, const controller::Event& event);
  void CareExam();
  bool NothingIsAskedFor() const;
  void PauseExam();
  void MaintenanceExam();
  void ReinitExam();
  void RestartExam();

  // ---- What must work once all is well (exam.cc) ----
  // Looks every `period`, the first time after the first one. False: it did not come to hold.
  bool Await(const std::function<bool()>& holds, Duration limit, Duration period);
  void AwaitHealthy(Duration limit, const std::string& after);
  void LoseForGood(Vm& vm);
  void Exam();
  void LoseThePrimary();
  void LoseTheController();
  void LoseStandbys();
  void SwitchOver();

  // ---- Drills (drill.cc) ----
  static const std::map<std::string, void (Simulation::*)()>& Drills();
  void Drill();
  void KillServer(const std::string& node);
  void HearAgain(const std::string& node);
  bool AwaitNewPrimary(const std::string& old);
  std::vector<std::string> Standbys() const;
  void LeaveBehindOnOldTimeline();
  void LoseTheSourceOfARewind();
  void RewindInVain();
  void GiveTheWordInVain();
  void GoOnAloneUnheard();
  void HearTheWordOfBefore();
  void AskForTheWordInVain();
  void TakeThePromiseBack();
  void LoseWhoFollowed();
  void BeginOneTimelineTwice();
  void NameTheFormerPrimary();
  void RestoreOldStoreBesideTwoPrimaries();

  // ---- Invariants (invariants.cc) ----
  void BecamePrimary(const Vm& vm, uint64_t epoch, bool promoted);
  void GoesOnAtNewEpoch(const Vm& vm);
  void Acknowledged(const Vm& primary, const Quorum& quorum, uint32_t commit);
  void CheckHoldsAll(const Vm& vm, const std::string& when);
  void CheckCopy(const Vm& vm, const Vm& upstream);
  void CheckFollows(const Vm& vm, const std::string& upstream, const std::string& how);
  void CheckNames(const controller::NameRecords& records);
  void CheckEpoch(uint64_t before);

  const Options options_;
  std::mt19937_64 random_;
  std::mt19937_64 care_;  // of its own, so that seeds without care run as they did before it
  const BootTime start_ = BootTime::FromMilliseconds(100'000'000);
  BootTime now_ = start_;
  // (from, to): until when nothing gets through; "ctl" is the controller.
  std::map<std::pair<std::string, std::string>, BootTime> cuts_;

  controller::ClusterState state_;
  controller::Durable stored_;
  uint64_t highest_stored_epoch_ = 0;  // also by stores that were replaced by an old copy since
  uint64_t incarnation_ = 1;
  uint64_t openings_ = 1;                   // of all stores
  uint64_t opening_ = 1;                    // which of these this one is
  BootTime controller_back_;                // it is down until then
  std::deque<controller::Durable> copies_;  // of the store, the oldest first
  std::optional<BootTime> controller_frozen_since_;
  BootTime controller_thaws_;
  uint64_t connections_ = 0;
  std::optional<Twin> twin_;
  bool twin_acts_ = false;  // it is in place of the first one right now

  std::map<std::string, Vm> vms_;
  std::map<std::string, std::deque<Up>> up_;
  std::map<std::string, std::deque<Down>> down_;
  std::deque<Update> updates_;
  std::map<std::string, BootTime> isolate_at_, crash_at_;  // faults that were planned
  bool gave_up_ = false;  // the controller ended what a person asked for before it was done
  std::string doomed_, left_behind_;  // who is lost once it is primary, and who must not follow it
  controller::NameRecords zone_;
  bool person_decided_ = false;
  bool healed_ = false;  // nothing goes wrong any more
  bool archive_ = false;
  bool is_calm_ = false;  // no message takes longer than usual
  std::string witness_;   // its VM; it may be out of the spec for a while. Empty: there is none
  std::set<uint32_t> archived_timelines_;

  uint32_t next_commit_ = 1;
  size_t committed_ = 0;             // acknowledgements
  std::set<uint32_t> acknowledged_;  // what may never be missing
  std::map<uint64_t, std::string> primary_of_epoch_;
  std::map<uint32_t, uint64_t> epoch_of_timeline_;
  std::map<std::string, uint64_t> era_;  // the epoch at which each server became primary
  uint64_t newest_era_ = 0;
  std::set<uint32_t> newest_history_;  // what the newest primary held when it began
  size_t promotions_ = 0;
  std::deque<std::string> trace_;
  std::string broken_;
};

}  // namespace pgmahout::sim
