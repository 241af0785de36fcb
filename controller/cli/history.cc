// SPDX-License-Identifier: Apache-2.0
// cluster history and events: what happened, when, and which rule decided it.
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "controller/cli/events.h"
#include "controller/cli/output.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {
namespace {

constexpr uint32_t kPageSize = 10'000;
constexpr size_t kEventsMax = 100'000;
constexpr int64_t kStoryMax = 600'000;  // ms; later events of an epoch are no part of its failover

Json EventJson(const v1::Event& event) {
  Json json;
  json["id"] = event.id();
  json["time"] = TimeText(event.wall_ms());
  json["cluster"] = event.cluster();
  json["node"] = event.node();
  json["epoch"] = event.epoch();
  json["rule"] = event.rule();
  json["message"] = event.message();
  return json;
}

Json HistoryJson(const v1::Event& event, int64_t elapsed) {
  Json json;
  json["time"] = TimeText(event.wall_ms());
  json["epoch"] = event.epoch();
  json["rule"] = event.rule();
  json["node"] = event.node();
  json["message"] = event.message();
  json["elapsedMs"] = elapsed;
  return json;
}

void PrintHistoryTable(const std::vector<v1::Event>& events,
                       const std::vector<int64_t>& elapsed,
                       Session* session) {
  Table table({"TIME", ">+MS", ">EPOCH", "RULE", "NODE", "MESSAGE"});
  for (size_t i = 0; i < events.size(); ++i) {
    table.AddRow(
        {TimeText(events[i].wall_ms()), elapsed[i] > kStoryMax ? "" : absl::StrCat("+", elapsed[i]),
         absl::StrCat(events[i].epoch()), events[i].rule(), events[i].node(), events[i].message()});
  }
  session->streams.out << table.Render();
}

void PrintIds(const std::vector<v1::Event>& events, Session* session) {
  for (const v1::Event& event : events) {
    session->streams.out << event.id() << "\n";
  }
}

}  // namespace

absl::StatusOr<std::vector<v1::Event>> FetchEvents(bool history_only, Session* session) {
  std::vector<v1::Event> events;
  v1::ListEventsRequest request;
  request.set_cluster(session->options.name);
  request.set_limit(kPageSize);
  request.set_history_only(history_only);
  while (events.size() < kEventsMax) {
    PGM_ASSIGN_OR_RETURN(const v1::ListEventsResponse page,
                         session->Read(&AdminStub::ListEvents, request));
    // A page that does not lead further is the last one.
    if (page.events().empty() || page.events().rbegin()->id() <= request.after_id()) {
      break;
    }
    events.insert(events.end(), page.events().begin(), page.events().end());
    request.set_after_id(events.back().id());
  }
  return events;
}

std::vector<int64_t> ElapsedTimes(const std::vector<v1::Event>& events) {
  std::vector<int64_t> elapsed;
  const v1::Event* first = nullptr;
  for (const v1::Event& event : events) {
    if (first == nullptr || event.epoch() != first->epoch()) {
      first = &event;
    }
    const int64_t by_boot = event.boot_ms() - first->boot_ms();
    elapsed.push_back(by_boot >= 0 ? by_boot : event.wall_ms() - first->wall_ms());
  }
  return elapsed;
}

absl::Status ClusterHistory(Session* session) {
  PGM_ASSIGN_OR_RETURN(const std::vector<v1::Event> events, FetchEvents(true, session));
  const std::vector<int64_t> elapsed = ElapsedTimes(events);
  if (IsForScripts(session->options.output)) {
    Json json = Json::array();
    for (size_t i = 0; i < events.size(); ++i) {
      json.push_back(HistoryJson(events[i], elapsed[i]));
    }
    PrintForScripts(json, session);
  } else if (session->options.output == OutputFormat::kName) {
    PrintIds(events, session);
  } else {
    PrintHistoryTable(events, elapsed, session);
  }
  return absl::OkStatus();
}

absl::Status ClusterEvents(Session* session) {
  PGM_ASSIGN_OR_RETURN(std::vector<v1::Event> events, FetchEvents(false, session));
  const uint32_t limit = session->options.limit;
  if (limit != 0 && events.size() > limit) {
    events.erase(events.begin(), events.end() - limit);
  }
  if (IsForScripts(session->options.output)) {
    Json json = Json::array();
    for (const v1::Event& event : events) {
      json.push_back(EventJson(event));
    }
    PrintForScripts(json, session);
  } else if (session->options.output == OutputFormat::kName) {
    PrintIds(events, session);
  } else {
    Table table({"TIME", ">EPOCH", "RULE", "NODE", "MESSAGE"});
    for (const v1::Event& event : events) {
      table.AddRow({TimeText(event.wall_ms()), absl::StrCat(event.epoch()), event.rule(),
                    event.node(), event.message()});
    }
    session->streams.out << table.Render();
  }
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
