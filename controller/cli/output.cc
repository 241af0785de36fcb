// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/output.h"

#include <yaml-cpp/yaml.h>

#include "common/base/clock.h"
#include "common/spec/yaml_loader.h"

namespace pgmahout::cli {
namespace {

Json ToJson(const v1::MemberStatus& member) {
  Json json;
  json["node"] = member.node();
  json["address"] = member.address();
  json["port"] = member.port();
  json["role"] = member.role();
  json["state"] = member.state();
  json["timeline"] = member.timeline();
  json["receiveLsn"] = member.receive_lsn();
  json["replayLsn"] = member.replay_lsn();
  json["lagBytes"] = member.lag_bytes();
  json["lagSeconds"] = member.lag_seconds();
  json["sync"] = member.sync();
  json["eligible"] = member.eligible();
  json["eligibleReason"] = member.eligible_reason();
  json["postgresVersion"] = member.postgres_version();
  json["agentVersion"] = member.agent_version();
  json["agentConnected"] = member.agent_connected();
  return json;
}

void EmitYaml(const Json& value, YAML::Emitter* out) {
  if (value.is_object()) {
    *out << YAML::BeginMap;
    for (const auto& [key, child] : value.items()) {
      *out << YAML::Key << key << YAML::Value;
      EmitYaml(child, out);
    }
    *out << YAML::EndMap;
  } else if (value.is_array()) {
    *out << YAML::BeginSeq;
    for (const Json& child : value) {
      EmitYaml(child, out);
    }
    *out << YAML::EndSeq;
  } else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (NeedsYamlQuotes(text)) {
      *out << YAML::DoubleQuoted;
    }
    *out << text;
  } else {
    *out << value.dump();
  }
}

}  // namespace

Json ToJson(const v1::ClusterStatus& status) {
  Json json;
  json["name"] = status.name();
  json["tenant"] = status.tenant();
  json["phase"] = status.phase();
  json["phaseReason"] = status.phase_reason();
  json["epoch"] = status.epoch();
  json["primary"] = status.primary();
  json["timeline"] = status.timeline();
  json["systemIdentifier"] = status.system_identifier();
  json["dns"]["primary"] = status.dns().primary();
  json["dns"]["inSync"] = status.dns().in_sync();
  json["dns"]["addresses"] = Json::array();
  for (const std::string& address : status.dns().addresses()) {
    json["dns"]["addresses"].push_back(address);
  }
  json["members"] = Json::array();
  for (const v1::MemberStatus& member : status.members()) {
    json["members"].push_back(ToJson(member));
  }
  return json;
}

Json ToJson(const v1::Node& node) {
  Json json;
  json["name"] = node.name();
  json["address"] = node.address();
  json["cluster"] = node.cluster();
  json["role"] = node.role();
  json["agentVersion"] = node.agent_version();
  json["connected"] = node.connected();
  json["certificateNotAfter"] = TimeText(node.certificate_not_after_ms());
  json["joined"] = TimeText(node.joined_ms());
  return json;
}

Json ToJson(const v1::Token& token) {
  Json json;
  json["id"] = token.id();
  json["node"] = token.node();
  json["state"] = token.state();
  json["expires"] = TimeText(token.expires_ms());
  return json;
}

std::string TimeText(int64_t wall_milliseconds) {
  return wall_milliseconds == 0 ? "" : FormatWallTime(wall_milliseconds);
}

bool IsForScripts(OutputFormat format) {
  return format == OutputFormat::kJson || format == OutputFormat::kYaml;
}

void PrintForScripts(const Json& value, Session* session) {
  if (session->options.output == OutputFormat::kYaml) {
    YAML::Emitter out;
    EmitYaml(value, &out);
    session->streams.out << out.c_str() << "\n";
    return;
  }
  // Bytes that are no UTF-8 become U+FFFD instead of an exception.
  session->streams.out << value.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace pgmahout::cli
