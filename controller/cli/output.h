// SPDX-License-Identifier: Apache-2.0
// What scripts read: JSON and YAML with fields in a fixed order, all of them always present.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "controller/cli/session.h"
#include "pgmahout/v1/admin.pb.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout::cli {

using Json = nlohmann::ordered_json;

// The contract of `cluster show -o json` (docs/cli.md). Numbers are numbers; the system identifier
// is text, because it does not fit into a double.
Json ToJson(const v1::ClusterStatus& status);
Json ToJson(const v1::Node& node);
Json ToJson(const v1::Token& token);

// "2026-11-21T05:16:08.123Z"; empty for 0, which means that nobody knows.
std::string TimeText(int64_t wall_milliseconds);

bool IsForScripts(OutputFormat format);  // json or yaml

// Prints `value` on stdout as JSON or YAML. Only for such formats.
void PrintForScripts(const Json& value, Session* session);

}  // namespace pgmahout::cli
