// SPDX-License-Identifier: Apache-2.0
#include "controller/conductor/conductor.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/base/fingerprint.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/wire/convert.h"
#include "controller/conductor/cluster.h"
#include "controller/conductor/durable_codec.h"

namespace pgmahout::controller {
namespace {

constexpr Duration kTickPeriod{100};
constexpr Duration kStoodStill{1'000};  // ten ticks are missing: nobody watched
constexpr Duration kPublishTimeout{5'000};
constexpr size_t kQueueMax = 10'000;
// No copy of a store is older than that many starts. An agent that claims more talks nonsense.
constexpr uint64_t kIncarnationsBelieved = 100'000;
// An agent speaks once a second at least.
constexpr Duration kAgentIsGoneAfter{3'000};

}  // namespace

// The same bytes for the same state.
uint64_t GenerationOf(const v1::DesiredState& desired) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  desired.SerializeToCodedStream(&coded);
  coded.Trim();
  return Fingerprint(bytes);
}

Conductor::Conductor(
    EventLoop& loop, const Clock& clock, Store& store, Secrets& secrets, NamesRouter& names)
    : loop_(loop),
      clock_(clock),
      store_(store),
      secrets_(secrets),
      names_(names),
      async_store_(store) {}

Conductor::~Conductor() = default;

absl::Status Conductor::Start(const NodeAddresses& addresses, bool restored) {
  awake_at_ = clock_.Now();
  PGM_ASSIGN_OR_RETURN(const std::vector<controller::Record> records, store_.List(kClusterKind));
  for (const controller::Record& record : records) {
    absl::StatusOr<Durable> durable = DecodeDurable(record.value);
    if (!durable.ok()) {
      return Annotate(durable.status(), absl::StrCat("cannot read cluster \"", record.key, "\""));
    }
    auto cluster = std::make_unique<Cluster>();
    cluster->name = record.key;
    cluster->version = record.version;
    cluster->state = Restore(*std::move(durable), clock_.Now(), addresses);
    PGM_ASSIGN_OR_RETURN(cluster->replication_password,
                         secrets_.OpenReplicationPassword(
                             record.key, cluster->state.durable.replication_password_sealed));
    PGM_ASSIGN_OR_RETURN(cluster->credentials, secrets_.Verifiers(cluster->state.durable.spec));
    clusters_[record.key] = std::move(cluster);
    if (restored) {
      Enqueue(record.key, StoreIsOld{"it was started with --restored", store_.incarnation()});
    }
  }
  loop_.Every(kTickPeriod, [this] {
    NoticeStandstill();
    for (const std::string& name : Names()) {
      Cluster& cluster = *clusters_.at(name);
      if (!cluster.busy && cluster.queue.empty()) {
        Enqueue(name, Tick{});
      }
    }
  });
  return absl::OkStatus();
}

// ---- Agents ----

// One node is one agent. The same process may dial again, and another one takes over from a stream
// on which nothing comes any more; whoever talks is not pushed aside.
absl::Status Conductor::CheckArrival(const AgentHello& hello) const {
  const auto found = agents_.find(hello.node);
  if (found == agents_.end()) {
    return absl::OkStatus();
  }
  const ConnectedAgent& present = found->second;
  const bool same_state = present.hello.state_id == hello.state_id;
  const bool same_process = present.hello.instance_id == hello.instance_id;
  if (same_state && (same_process || clock_.Now() - present.last_heard >= kAgentIsGoneAfter)) {
    return absl::OkStatus();
  }
  return WithHint(
      absl::AlreadyExistsError(absl::StrCat(
          "node \"", hello.node, "\" is connected already, from ", present.hello.address,
          same_state ? ", by another agent process" : ", with another state directory")),
      "Two VMs use one name, or a disk was cloned. Join the second one under its own name.");
}

absl::Status Conductor::Arrived(AgentStream* stream, const AgentHello& hello) {
  PGM_RETURN_IF_ERROR(CheckArrival(hello));
  if (const auto present = agents_.find(hello.node); present != agents_.end()) {
    present->second.stream->Close(absl::AbortedError("the same agent has connected again"));
  }
  ConnectedAgent agent{stream, hello, "", clock_.Now()};
  for (const auto& [name, cluster] : clusters_) {
    if (HasAgent(cluster->state, hello.node)) {
      agent.cluster = name;
    }
  }
  agents_[hello.node] = agent;
  LogInfo("agent connected", {{"node", hello.node}, {"address", hello.address}});
  if (!agent.cluster.empty()) {
    Enqueue(agent.cluster, AgentConnected{hello.node, hello.address});
  }
  return absl::OkStatus();
}

void Conductor::Reported(AgentStream* stream, uint64_t sequence, Report report) {
  const auto found = std::find_if(agents_.begin(), agents_.end(), [stream](const auto& entry) {
    return entry.second.stream == stream;
  });
  if (found == agents_.end()) {
    return;  // replaced meanwhile
  }
  ++counters_.reports;
  found->second.last_heard = clock_.Now();
  auto& [node, agent] = *found;
  NoticeOldStore(node, report);
  if (agent.cluster.empty()) {
    AnswerIdle(node, agent, sequence, report);
    return;
  }
  Enqueue(agent.cluster, AgentReported{node, sequence, std::move(report)});
}

// An agent ignores whoever was started before the controller it has obeyed last, and whoever opened
// another copy of the store under the same number. One that is told so by an agent may read an old
// copy of the store. It takes a higher number, so that from now on it is the one to obey; the
// other, if it still runs, learns that in the same way.
void Conductor::NoticeOldStore(const std::string& node, const Report& report) {
  const uint64_t present = store_.incarnation();
  const bool is_other = report.obeyed_incarnation == present && report.obeyed_opening != 0 &&
                        report.obeyed_opening != store_.opening();
  if (report.obeyed_incarnation <= present && !is_other) {
    return;
  }
  if (report.obeyed_incarnation - present > kIncarnationsBelieved) {
    Refused(node, absl::InvalidArgumentError(absl::StrCat(
                      "it claims to have obeyed a controller that opened the store as number ",
                      report.obeyed_incarnation, "; this one is number ", present)));
    return;
  }
  const std::string evidence =
      absl::StrCat(node, " has obeyed ", is_other ? "another" : "a",
                   " controller that opened the store as number ", report.obeyed_incarnation,
                   "; this one is number ", present);
  LogWarning("the store was restored from a copy", {{"evidence", evidence}});
  const absl::Status raised = store_.RaiseIncarnation(report.obeyed_incarnation + 1);
  if (!raised.ok()) {
    LogWarning("the store will seem to be old again at the next start",
               {{"error", std::string(raised.message())}});
  }
  for (const std::string& name : Names()) {
    Enqueue(name, StoreIsOld{evidence, store_.incarnation()});
  }
}

void Conductor::Gone(AgentStream* stream) {
  for (auto entry = agents_.begin(); entry != agents_.end(); ++entry) {
    if (entry->second.stream == stream) {
      LogInfo("agent disconnected", {{"node", entry->first}});
      if (!entry->second.cluster.empty()) {
        Enqueue(entry->second.cluster, AgentDisconnected{entry->first});
      }
      agents_.erase(entry);
      return;
    }
  }
}

void Conductor::Refused(const std::string& node, const absl::Status& reason) {
  ++counters_.agents_refused;
  LogWarning("an agent is refused", {{"node", node}, {"error", std::string(reason.message())}});
  for (const auto& [name, cluster] : clusters_) {
    if (cluster->state.members.contains(node)) {
      Enqueue(name, AgentRefused{node, std::string(reason.message())});
      return;  // a node is member of one cluster; Enqueue may have changed the map
    }
  }
}

void Conductor::AttachAgents(Cluster& cluster) {
  for (auto& [node, agent] : agents_) {
    const bool is_member = HasAgent(cluster.state, node);
    if (is_member && agent.cluster != cluster.name) {
      agent.cluster = cluster.name;
      Enqueue(cluster.name, AgentConnected{node, agent.hello.address});
    } else if (!is_member && agent.cluster == cluster.name) {
      agent.cluster.clear();
    }
  }
}

// ---- Events ----

// Called before anything else that happens: after a standstill of the whole process, what waited in
// its sockets looks as if everybody had been silent.
void Conductor::NoticeStandstill() {
  const BootTime now = clock_.Now();
  const Duration missed = now - awake_at_;
  awake_at_ = now;
  if (missed < kStoodStill) {
    return;
  }
  for (const auto& [name, cluster] : clusters_) {
    cluster->queue.emplace_front(WatchInterrupted{missed}, nullptr);
    RunNext(*cluster);
  }
}

void Conductor::Enqueue(const std::string& name, Event event, Reply reply) {
  const auto found = clusters_.find(name);
  if (found == clusters_.end()) {
    if (reply) {
      reply(NoSuchCluster(name));
    }
    return;
  }
  Cluster& cluster = *found->second;
  if (cluster.queue.size() >= kQueueMax && std::holds_alternative<AgentReported>(event)) {
    return;  // the next heartbeat says the same
  }
  NoticeStandstill();
  cluster.queue.emplace_back(std::move(event), std::move(reply));
  RunNext(cluster);
}

Transaction Conductor::Record(const Outcome& outcome) const {
  Transaction transaction;
  const std::string& name = outcome.state.durable.spec.name;
  const Cluster& cluster = *clusters_.at(name);
  if (outcome.durable_changed) {
    transaction.puts.push_back(
        Put{kClusterKind, name, EncodeDurable(outcome.state.durable), cluster.version});
  }
  for (const Entry& entry : outcome.entries) {
    StoredEvent event;
    event.wall_ms = clock_.WallMilliseconds();
    event.boot_ms = clock_.Now().milliseconds();
    event.cluster = name;
    event.node = entry.node;
    event.epoch = entry.epoch;
    event.rule = entry.rule;
    event.message = entry.message;
    event.history = entry.history;
    transaction.events.push_back(std::move(event));
  }
  return transaction;
}

void Conductor::RunNext(Cluster& cluster) {
  while (!cluster.busy && !cluster.queue.empty()) {
    auto [event, reply] = std::move(cluster.queue.front());
    cluster.queue.pop_front();
    Outcome outcome = Advance(cluster.state, event, clock_.Now());
    if (!outcome.durable_changed && outcome.entries.empty()) {
      Finish(cluster.name, std::move(outcome), std::move(reply), absl::OkStatus());
      continue;
    }
    cluster.busy = true;
    ++counters_.commits;
    auto shared = std::make_shared<std::pair<Outcome, Reply>>(std::move(outcome), std::move(reply));
    async_store_.Commit(
        Record(shared->first), [this, name = cluster.name, shared](const absl::Status& stored) {
          loop_.Post([this, name, shared, stored] {
            const auto found = clusters_.find(name);
            if (found == clusters_.end()) {
              return;
            }
            found->second->busy = false;
            NoticeStandstill();
            Finish(name, std::move(shared->first), std::move(shared->second), stored);
            RunNext(*found->second);
          });
        });
  }
}

// The outcome becomes the state only once it is durable: a failed commit leaves everything as it
// was, and the next tick or report decides again.
void Conductor::Finish(const std::string& name,
                       Outcome outcome,
                       Reply reply,
                       const absl::Status& stored) {
  Cluster& cluster = *clusters_.at(name);
  if (!stored.ok()) {
    ++counters_.commit_failures;
    LogError("cannot store a decision; it is taken back",
             {{"cluster", name}, {"error", std::string(stored.message())}});
    if (reply) {
      reply(stored);
    }
    return;
  }
  if (outcome.durable_changed) {
    ++cluster.version;
  }
  cluster.state = std::move(outcome.state);
  for (const Entry& entry : outcome.entries) {
    ++counters_.rules[entry.rule];
    LogInfo(absl::StrCat(entry.rule, ": ", entry.message),
            {{"cluster", name}, {"node", entry.node}, {"epoch", absl::StrCat(entry.epoch)}});
  }
  for (const Effect& effect : outcome.effects) {
    Perform(cluster, effect);
  }
  if (reply) {
    reply(absl::OkStatus());
  }
}

// ---- Effects ----

void Conductor::Perform(Cluster& cluster, const Effect& effect) {
  if (const auto* answer = std::get_if<Answer>(&effect); answer != nullptr) {
    Send(cluster, *answer);
  } else {
    Publish(cluster, std::get<PublishNames>(effect));
  }
}

void Conductor::Send(Cluster& cluster, const Answer& answer) {
  const auto agent = agents_.find(answer.node);
  if (agent == agents_.end()) {
    return;
  }
  DesiredState desired = DesiredFor(cluster.state, answer.node);
  desired.replication_password = cluster.replication_password;
  if (desired.assignment != Assignment::kWitness) {
    desired.credentials = cluster.credentials;
  }
  v1::DesiredState proto = ToProto(desired);

  Order order;
  order.answers = answer.sequence;
  order.controller_incarnation = store_.incarnation();
  order.controller_opening = store_.opening();
  order.epoch = desired.epoch;
  order.generation = GenerationOf(proto);
  order.lease = answer.lease;
  for (const auto& [node, member] : cluster.state.members) {
    if (member.report.has_value() && member.report->receive_lsn.valid()) {
      order.member_lsn[node] = member.report->receive_lsn;
    }
  }
  v1::ControllerMessage message = ToProto(order);
  const bool is_witness = answer.node == cluster.state.durable.spec.witness;
  const MemberView& member =
      is_witness ? cluster.state.witness : cluster.state.members.at(answer.node);
  if (!member.report.has_value() || member.report->generation != order.generation) {
    *message.mutable_desired() = std::move(proto);
  }
  ++counters_.orders;
  agent->second.stream->Send(std::move(message));
}

void Conductor::Publish(Cluster& cluster, const PublishNames& publish) {
  const ClusterSpec& spec = cluster.state.durable.spec;
  const NameRecords& records = publish.records;
  NamesPublished result{records.epoch, records.change, false, "", {}};
  DnsPublisher* publisher = names_.For(spec.dns.primary);
  if (publisher == nullptr) {
    result.error = absl::StrCat("no DNS zone is configured for ", spec.dns.primary,
                                "; add it to dns: in controller.yaml");
    loop_.Post([this, name = cluster.name, result] { Enqueue(name, result); });
    return;
  }
  DnsIntent intent;
  intent.primary_name = spec.dns.primary;
  intent.standbys_name = spec.dns.standbys;
  intent.primary_addresses = records.primary_addresses;
  intent.standby_addresses = records.standby_addresses;
  intent.ttl_seconds = spec.dns.ttl_seconds;
  intent.epoch = records.epoch;
  intent.change = records.change;
  publisher->Publish(
      std::move(intent), kPublishTimeout,
      [this, name = cluster.name, result](absl::StatusOr<DnsReadback> answer) mutable {
        result.ok = answer.ok();
        if (answer.ok()) {
          result.answered = answer->primary_addresses;
        } else {
          const std::string detail = InfoOf(answer.status()).detail;
          result.error =
              absl::StrCat(answer.status().message(), detail.empty() ? "" : ": ", detail);
        }
        loop_.Post([this, name, result] { Enqueue(name, result); });
      });
}

}  // namespace pgmahout::controller
