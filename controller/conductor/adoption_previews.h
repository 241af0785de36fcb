// SPDX-License-Identifier: Apache-2.0
// AdoptionPreviews: what agents were asked about servers that may be adopted, and what they said.
// In memory only, and for as long as somebody asks. On the loop.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/model/adoption.h"
#include "controller/core/cluster_state.h"

namespace pgmahout::controller {

// What is known of one adoption now.
struct AdoptionView {
  std::map<std::string, AdoptionPlan> plans;  // of the nodes that have answered
  bool complete = false;                      // all have, lately
};

class AdoptionPreviews {
 public:
  // Asks on behalf of `state`, which CreateAdopted() made; its members' addresses are known. What
  // was said about another spec or primary is forgotten, and what was said before a pause.
  void Ask(ClusterState state, BootTime now);

  // What `node` is to be told, if it is asked now; `epoch` is the highest it has obeyed.
  std::optional<DesiredState> QuestionFor(const std::string& node, uint64_t epoch, BootTime now);

  // The answer to QuestionFor().
  void Take(const std::string& node, const AdoptionPlan& plan, BootTime now);

  // About this very spec and primary; nothing complete if nobody asks about it.
  AdoptionView Find(const ClusterSpec& spec, const std::string& primary, BootTime now) const;

  void Forget(const std::string& cluster) { previews_.erase(cluster); }

 private:
  struct Answer {
    AdoptionPlan plan;
    BootTime at;
  };

  struct Preview {
    ClusterState state;
    BootTime asked_at;  // last
    BootTime until;
    std::map<std::string, Answer> answers;  // by node
  };

  // The one that asks `node` now; nullptr if none does.
  Preview* Asking(const std::string& node, BootTime now);

  std::map<std::string, Preview> previews_;  // by cluster
};

}  // namespace pgmahout::controller
