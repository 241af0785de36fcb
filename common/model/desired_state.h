// SPDX-License-Identifier: Apache-2.0
// DesiredState: what the controller says should be true on one node. State, not a command: a newer
// one replaces an older one, and saying it twice changes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/model/cluster_spec.h"
#include "common/pg/lsn.h"

namespace pgmahout {

// What this node should be.
enum class Assignment {
  kNone,       // no member of any cluster
  kBootstrap,  // run initdb and be the first primary
  kPrimary,    // be writable at `epoch`, while the lease lasts
  kStandby,    // follow `upstream`
  kPrepare,    // vote: stop receiving WAL, then report how far the WAL reaches
  kStop,       // no PostgreSQL process may run here; for a switchover: a clean, caught-up stop
  kWitness,    // no member and no PostgreSQL: remember epochs, and who may go on alone
  kPreview,    // member of no cluster: change nothing, tell what adoption would mean
  kAdopt,      // take over the primary that runs here and be the first primary with it
};

// "ANY number (standbys)" of synchronous_standby_names. number 0 means asynchronous; `standbys` are
// then the members that stream, as witnesses for a primary that hears no controller.
struct Quorum {
  uint32_t number = 0;
  std::vector<std::string> standbys;  // node names, sorted
  // The node that may let the primary go on alone, so that commits wait for nobody, while neither
  // the controller nor enough standbys are heard. Empty: nobody may.
  std::string witness{};

  friend bool operator==(const Quorum&, const Quorum&) = default;
};

// How many of the standbys must be attached to a primary, so that too few are left to vote for
// another one. Synchronous: who confirms commits. Else, with the primary, a majority of m members:
// m=2: 1, m=3: 1, m=4: 2, m=5: 2.
inline size_t WitnessesNeeded(const Quorum& quorum) {
  return quorum.number > 0 ? quorum.number : (quorum.standbys.size() + 1) / 2;
}

struct Member {
  std::string node;
  std::string address;
  uint16_t port = 0;

  friend bool operator==(const Member&, const Member&) = default;
};

// A password role with its SCRAM verifier; the agents never see the application's password.
struct RoleCredential {
  std::string role;
  std::string verifier;

  friend bool operator==(const RoleCredential&, const RoleCredential&) = default;
};

struct DesiredState {
  std::string cluster;
  std::string tenant;
  uint64_t epoch = 0;
  uint64_t system_identifier = 0;  // 0: not known yet, before there is a primary
  Assignment assignment = Assignment::kNone;
  // kStandby: the node to follow; kWitness: the primary, or who was; kPreview: who would be.
  std::string upstream;
  // kStandby: where the upstream's timeline left its parent; WAL of ours beyond it has diverged.
  // 0, 0/0: never forked, or not known. The parent may be more than one below (new_timeline).
  uint32_t upstream_timeline = 0;
  uint32_t parent_timeline = 0;
  Lsn fork_lsn;
  Quorum quorum;                // kPrimary, and what a later primary starts with
  std::vector<Member> members;  // all of the cluster, this node included; sorted by node
  Member witness;               // no member; empty: the cluster has none
  ClusterSpec spec;
  std::string replication_password;
  std::vector<RoleCredential> credentials;
  // This node may rebuild its data from the upstream, keeping the old directory until the new one
  // streams. Never set for a node that may hold the most advanced copy (I7).
  bool may_rebuild = false;
  bool clean_stop = false;  // kStop: a switchover; checkpoint first, so that the stop is short
  // kPrimary: the lowest number that a timeline begun by this order may have. Each epoch has its
  // own, so that two candidates never begin timelines of one number, which PostgreSQL could not
  // tell apart. 0: no matter which.
  uint32_t new_timeline = 0;
  // kPrepare: vote although this node was primary before. A person has named it and accepts that
  // what others have beyond it is lost.
  bool former_primary_votes = false;
  // Pause or maintenance: a server that is stopped stays so, and no data directory is changed. What
  // runs is configured and fenced as ever.
  bool hands_off = false;
  // kStandby, single-use: copy the upstream anew if the data directory is still pgdata.<this>. With
  // may_rebuild, system_identifier, upstream_timeline and epoch it names exactly what is given up.
  // 0: no such order.
  uint64_t rebuild_directory = 0;
  // kStandby, single-use: restart the server if it is still the one that was started then
  // (Report::server_started). 0: no such order.
  uint64_t restart_server = 0;
  // The cluster was made of running servers: one that runs here is taken over as it is.
  bool adopt = false;

  friend bool operator==(const DesiredState&, const DesiredState&) = default;
};

// One message from the controller; always the answer to one of the agent's heartbeats (I5).
struct Order {
  uint64_t answers = 0;  // that heartbeat's number
  uint64_t controller_incarnation = 0;
  // Drawn anew each time the store is opened: tells controllers on two copies of one store apart.
  uint64_t controller_opening = 0;  // 0: not known
  uint64_t epoch = 0;
  uint64_t generation = 0;                // of the desired state that is in force
  Duration lease{0};                      // granted from the moment the heartbeat was sent; 0: none
  std::map<std::string, Lsn> member_lsn;  // how far each member has received, for slots
};

}  // namespace pgmahout
