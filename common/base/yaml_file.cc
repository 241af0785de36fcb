// SPDX-License-Identifier: Apache-2.0
#include "common/base/yaml_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout {

struct YamlFile::Entry {
  YAML::Node node;
  std::set<std::string> asked;  // dotted keys
};

namespace {

YAML::Node Find(const YAML::Node& root, const std::string& key) {
  YAML::Node node = YAML::Clone(root);
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(key, '.'))) {
    if (!node.IsMap() || !node[part]) {
      return YAML::Node(YAML::NodeType::Undefined);
    }
    node.reset(node[part]);
  }
  return node;
}

std::string At(const std::string& path, const YAML::Node& node) {
  return absl::StrCat(path, ":", node.Mark().line + 1);
}

void CollectUnknown(const YAML::Node& node,
                    const std::string& prefix,
                    const std::set<std::string>& asked,
                    const std::string& path,
                    std::vector<std::string>* errors) {
  for (const auto& pair : node) {
    const std::string key = absl::StrCat(prefix, prefix.empty() ? "" : ".", pair.first.Scalar());
    if (asked.contains(key)) {
      continue;
    }
    const bool is_parent = std::any_of(asked.begin(), asked.end(), [&key](const std::string& one) {
      return one.rfind(key + ".", 0) == 0;
    });
    if (is_parent && pair.second.IsMap()) {
      CollectUnknown(pair.second, key, asked, path, errors);
    } else {
      errors->push_back(absl::StrCat(At(path, pair.first), ": unknown key \"", key, "\""));
    }
  }
}

}  // namespace

absl::StatusOr<YamlFile> YamlFile::Load(const std::string& path) {
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, size_t{1} << 20));
  YamlFile file;
  file.path_ = path;
  file.root_ = std::make_shared<Entry>();
  try {
    file.root_->node = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.mark.line + 1, ": ", error.msg));
  }
  if (!file.root_->node.IsMap()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected a map of keys"));
  }
  return file;
}

std::string YamlFile::Text(const std::string& key, const std::string& fallback) {
  root_->asked.insert(key);
  const YAML::Node node = Find(root_->node, key);
  if (!node.IsDefined() || node.IsNull()) {
    return fallback;
  }
  if (!node.IsScalar()) {
    errors_.push_back(absl::StrCat(At(path_, node), ": \"", key, "\" must be a single value"));
    return fallback;
  }
  return node.Scalar();
}

std::map<std::string, std::string> YamlFile::TextMap(const std::string& key) {
  root_->asked.insert(key);
  const YAML::Node node = Find(root_->node, key);
  std::map<std::string, std::string> result;
  if (!node.IsDefined() || node.IsNull()) {
    return result;
  }
  if (!node.IsMap()) {
    errors_.push_back(absl::StrCat(At(path_, node), ": \"", key, "\" must be a map"));
    return result;
  }
  for (const auto& pair : node) {
    if (!pair.second.IsScalar()) {
      errors_.push_back(absl::StrCat(At(path_, pair.second), ": \"", key, ".", pair.first.Scalar(),
                                     "\" must be a single value"));
      continue;
    }
    result[pair.first.Scalar()] = pair.second.Scalar();
  }
  return result;
}

std::vector<std::map<std::string, std::string>> YamlFile::MapList(const std::string& key) {
  root_->asked.insert(key);
  const YAML::Node node = Find(root_->node, key);
  std::vector<std::map<std::string, std::string>> result;
  if (!node.IsDefined() || node.IsNull()) {
    return result;
  }
  if (!node.IsSequence()) {
    errors_.push_back(absl::StrCat(At(path_, node), ": \"", key, "\" must be a list"));
    return result;
  }
  for (const YAML::Node& item : node) {
    std::map<std::string, std::string> values;
    if (!item.IsMap()) {
      errors_.push_back(absl::StrCat(At(path_, item), ": each entry of \"", key, "\" is a map"));
      continue;
    }
    for (const auto& pair : item) {
      std::vector<std::string> parts;
      for (const YAML::Node& part : pair.second) {
        parts.push_back(part.Scalar());
      }
      values[pair.first.Scalar()] =
          pair.second.IsScalar() ? pair.second.Scalar() : absl::StrJoin(parts, ",");
    }
    result.push_back(std::move(values));
  }
  return result;
}

absl::Status YamlFile::Finish(const std::vector<std::string>& required) const {
  std::vector<std::string> errors = errors_;
  CollectUnknown(root_->node, "", root_->asked, path_, &errors);
  for (const std::string& key : required) {
    const YAML::Node node = Find(root_->node, key);
    if (!node.IsDefined() || node.IsNull()) {
      errors.push_back(absl::StrCat(path_, ": \"", key, "\" is missing"));
    }
  }
  if (errors.empty()) {
    return absl::OkStatus();
  }
  return WithInfo(absl::InvalidArgumentError(errors.front()),
                  ErrorInfo{"invalid-config", absl::StrJoin(errors, "\n        "),
                            absl::StrCat("Known keys: ", absl::StrJoin(root_->asked, ", "), ".")});
}

}  // namespace pgmahout
