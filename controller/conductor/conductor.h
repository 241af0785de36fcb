// SPDX-License-Identifier: Apache-2.0
// Conductor: drives every cluster: takes events in, asks Advance(), stores what is durable, then
// performs the effects (I6). It owns all clusters and lives on the loop; nothing here blocks.
//
// One event of a cluster at a time: while its records are on their way to disk, further events of
// the same cluster wait. So no effect can ever show what is not durable yet.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/event_loop.h"
#include "controller/conductor/adoption_previews.h"
#include "controller/conductor/agents.h"
#include "controller/conductor/names_router.h"
#include "controller/conductor/secrets.h"
#include "controller/core/advance.h"
#include "controller/core/status.h"
#include "controller/store/async_store.h"
#include "controller/store/store.h"

namespace pgmahout::controller {

using Reply = absl::AnyInvocable<void(absl::Status)>;

// One agent that is connected now.
struct ConnectedAgent {
  AgentStream* stream = nullptr;
  AgentHello hello;
  std::string cluster;  // empty: member of none
  BootTime last_heard;
  // While it is member of none: the highest epoch it has obeyed, and whether it is not done yet
  // with letting go of a server.
  uint64_t epoch = 0;
  bool letting_go = false;
};

// Counters for /metrics.
struct Counters {
  uint64_t reports = 0;
  uint64_t orders = 0;
  uint64_t commits = 0;
  uint64_t commit_failures = 0;
  uint64_t agents_refused = 0;
  uint64_t joins = 0;
  uint64_t joins_refused = 0;
  std::map<std::string, uint64_t> rules;  // by name
};

class Conductor : public AgentListener {
 public:
  Conductor(
      EventLoop& loop, const Clock& clock, Store& store, Secrets& secrets, NamesRouter& names);
  ~Conductor() override;

  // Reads all clusters from the store and begins to tick. `addresses`: where each node was last;
  // while its agent has not come back yet, the others go on to let it in. `restored`: somebody says
  // that the store is an old copy; no cluster gets orders until all its members have reported.
  absl::Status Start(const NodeAddresses& addresses, bool restored);

  // What Arrived() would refuse: AlreadyExists while another process of the node talks.
  absl::Status CheckArrival(const AgentHello& hello) const;

  // AgentListener
  absl::Status Arrived(AgentStream* stream, const AgentHello& hello) override;
  void Reported(AgentStream* stream, uint64_t sequence, Report report) override;
  void Gone(AgentStream* stream) override;
  void Refused(const std::string& node, const absl::Status& reason) override;

  // Creates the cluster or changes it. Done when it is durable.
  void Apply(ClusterSpec spec, Reply reply);
  // What Apply would refuse.
  absl::Status CheckApply(const ClusterSpec& spec) const;

  void Switchover(const std::string& cluster, const std::string& target, bool dry_run, Reply reply);
  void Failover(const std::string& cluster,
                const FailoverRequested& request,
                bool dry_run,
                Reply reply);
  // Pause, maintenance, reinit and restart: any of the ...Requested events of the core.
  void Request(const std::string& cluster, Event request, bool dry_run, Reply reply);
  // Makes a cluster whose first primary is the server that runs on `primary`. FailedPrecondition
  // unless a preview of the same was complete and without refusals a moment ago.
  void Adopt(ClusterSpec spec, const std::string& primary, Reply reply);
  // What the agents say of it up to now; goes on asking them for a while.
  absl::StatusOr<AdoptionView> PreviewAdoption(const ClusterSpec& spec, const std::string& primary);

  // Forgets the cluster; the agents let go of PostgreSQL, which runs on.
  void Delete(const std::string& cluster, Reply reply);

  // nullptr if there is none.
  const ClusterState* Find(const std::string& cluster) const;
  std::vector<std::string> Names() const;

  const std::map<std::string, ConnectedAgent>& agents() const { return agents_; }

  Counters& counters() { return counters_; }

  const Counters& counters() const { return counters_; }

  BootTime Now() const { return clock_.Now(); }

 private:
  struct Cluster;

  void Enqueue(const std::string& cluster, Event event, Reply reply = nullptr);
  void NoticeStandstill();
  void NoticeOldStore(const std::string& node, const Report& report);
  void RunNext(Cluster& cluster);
  void Finish(const std::string& name, Outcome outcome, Reply reply, const absl::Status& stored);
  Transaction Record(const Outcome& outcome) const;
  void Perform(Cluster& cluster, const Effect& effect);
  void Send(Cluster& cluster, const Answer& answer);
  void Publish(Cluster& cluster, const PublishNames& publish);
  void AttachAgents(Cluster& cluster);
  absl::Status CheckNodes(const ClusterSpec& spec) const;
  // `adopted_primary`: empty for initdb.
  void StoreSpec(ClusterSpec spec, const std::string& adopted_primary, Reply reply);
  void Create(ClusterSpec spec, const std::string& adopted_primary, Reply reply);
  uint64_t FirstEpoch(const ClusterSpec& spec) const;
  void AnswerIdle(const std::string& node,
                  ConnectedAgent& agent,
                  uint64_t sequence,
                  const Report& report);
  void RefreshSecrets(Cluster& cluster);

  EventLoop& loop_;
  const Clock& clock_;
  BootTime awake_at_;  // when the loop last ran
  Store& store_;
  Secrets& secrets_;
  NamesRouter& names_;
  AsyncStore async_store_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
  std::map<std::string, ConnectedAgent> agents_;  // by node
  AdoptionPreviews previews_;
  Counters counters_;
};

}  // namespace pgmahout::controller
