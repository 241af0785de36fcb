// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/contexts.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/wire/nearest.h"

namespace pgmahout::cli {
namespace {

constexpr size_t kFileBytesMax = size_t{1} << 20;

absl::Status Wrong(const std::string& path,
                   const YAML::Mark& mark,
                   absl::string_view message,
                   absl::string_view hint) {
  return WithHint(absl::InvalidArgumentError(absl::StrCat(path, ":", mark.line + 1, ": ", message)),
                  hint);
}

// Every key of `node` is one of `allowed`.
absl::Status CheckKeys(const std::string& path,
                       const YAML::Node& node,
                       const std::vector<std::string>& allowed) {
  if (!node.IsMap()) {
    return Wrong(path, node.Mark(), "expected a mapping",
                 absl::StrCat("Allowed: ", absl::StrJoin(allowed, ", "), "."));
  }
  for (const auto& entry : node) {
    const std::string key = entry.first.as<std::string>("");
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      return Wrong(path, entry.first.Mark(), absl::StrCat("unknown field \"", key, "\""),
                   AllowedHint(key, allowed));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> RequiredText(const std::string& path,
                                         const YAML::Node& context,
                                         const std::string& key) {
  const YAML::Node value = context[key];
  if (!value.IsDefined() || !value.IsScalar() || value.Scalar().empty()) {
    return Wrong(path, context.Mark(), absl::StrCat("the context lacks \"", key, "\""),
                 "A context has controller (host:port), ca, certificate and key.");
  }
  return value.Scalar();
}

std::string RelativeTo(const std::string& file, const std::string& path) {
  const size_t slash = file.rfind('/');
  return path.front() == '/' || slash == std::string::npos
             ? path
             : absl::StrCat(file.substr(0, slash + 1), path);
}

absl::StatusOr<Context> ReadContext(const std::string& path,
                                    const YAML::Node& node,
                                    const std::string& name) {
  PGM_RETURN_IF_ERROR(CheckKeys(path, node, {"controller", "ca", "certificate", "key"}));
  Context context;
  context.name = name;
  PGM_ASSIGN_OR_RETURN(context.controller, RequiredText(path, node, "controller"));
  const size_t colon = context.controller.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(context.controller.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return Wrong(path, node["controller"].Mark(),
                 absl::StrCat("invalid controller address \"", context.controller, "\""),
                 "Write host:port, for example ctl.example:7432.");
  }
  PGM_ASSIGN_OR_RETURN(const std::string ca, RequiredText(path, node, "ca"));
  PGM_ASSIGN_OR_RETURN(const std::string certificate, RequiredText(path, node, "certificate"));
  PGM_ASSIGN_OR_RETURN(const std::string key, RequiredText(path, node, "key"));
  context.ca = RelativeTo(path, ca);
  context.certificate = RelativeTo(path, certificate);
  context.key = RelativeTo(path, key);
  return context;
}

absl::StatusOr<Context> FindContext(const std::string& path,
                                    const YAML::Node& file,
                                    const std::string& wanted) {
  PGM_RETURN_IF_ERROR(CheckKeys(path, file, {"currentContext", "contexts"}));
  const std::string name = wanted.empty() ? file["currentContext"].as<std::string>("") : wanted;
  const YAML::Node contexts = file["contexts"];
  std::vector<std::string> names;
  if (contexts.IsDefined() && contexts.IsMap()) {
    for (const auto& entry : contexts) {
      names.push_back(entry.first.as<std::string>(""));
    }
  }
  if (name.empty()) {
    return WithHint(absl::InvalidArgumentError(absl::StrCat(path, " has no currentContext")),
                    names.empty() ? "Add a context; docs/cli.md shows one."
                                  : absl::StrCat("Set it, or say --context ", names.front(), "."));
  }
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat("context \"", name, "\" is not in ", path)),
        AllowedHint(name, names));
  }
  return ReadContext(path, contexts[name], name);
}

}  // namespace

absl::StatusOr<Context> LoadContext(const std::string& path, const std::string& name) {
  const absl::StatusOr<std::string> text = ReadFile(path, kFileBytesMax);
  if (!text.ok()) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat("no contexts: ", text.status().message())),
        "The controller writes admin/config.yaml into its state directory; copy that directory, "
        "or name the file with --config or $PGMAHOUT_CONFIG.");
  }
  try {
    return FindContext(path, YAML::Load(*text), name);
  } catch (const YAML::Exception& exception) {
    return Wrong(path, exception.mark, absl::StrCat("invalid YAML: ", exception.msg), "");
  }
}

}  // namespace pgmahout::cli
