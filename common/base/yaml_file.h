// SPDX-License-Identifier: Apache-2.0
// YamlFile: a small configuration file of a daemon: known keys only, errors with file and line.
// Specs of clusters are read by common/spec, against their protobuf schema.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pgmahout {

class YamlFile {
 public:
  static absl::StatusOr<YamlFile> Load(const std::string& path);

  // A scalar at "postgres.dataRoot"; `fallback` where there is none.
  std::string Text(const std::string& key, const std::string& fallback = "");
  // A map of scalars at `key`.
  std::map<std::string, std::string> TextMap(const std::string& key);
  // A list of maps at `key`; lists inside them are joined by ",".
  std::vector<std::map<std::string, std::string>> MapList(const std::string& key);

  // Everything that was wrong: keys nobody asked for, values of another type, missing `required`.
  absl::Status Finish(const std::vector<std::string>& required) const;

 private:
  struct Entry;
  std::string path_;
  std::shared_ptr<Entry> root_;
  std::vector<std::string> errors_;
};

}  // namespace pgmahout
