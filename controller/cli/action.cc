// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/action.h"

#include "controller/cli/output.h"

namespace pgmahout::cli {
namespace {

void PrintText(const v1::ActionResponse& response, Session* session) {
  session->streams.out << response.message() << "\n";
  int number = 0;
  for (const std::string& step : response.steps()) {
    session->streams.out << "  " << ++number << ". " << step << "\n";
  }
  if (session->options.dry_run) {
    session->streams.out << "Nothing was changed (--dry-run).\n";
  }
}

}  // namespace

void PrintAction(const std::string& cluster, const v1::ActionResponse& response, Session* session) {
  if (IsForScripts(session->options.output)) {
    Json json;
    json["cluster"] = cluster;
    json["dryRun"] = session->options.dry_run;
    json["message"] = response.message();
    json["epoch"] = response.epoch();
    json["steps"] = Json::array();
    for (const std::string& step : response.steps()) {
      json["steps"].push_back(step);
    }
    PrintForScripts(json, session);
  } else if (session->options.output == OutputFormat::kName) {
    session->streams.out << cluster << "\n";
  } else {
    PrintText(response, session);
  }
  session->streams.out << std::flush;
}

}  // namespace pgmahout::cli
