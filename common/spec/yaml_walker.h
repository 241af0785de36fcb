// SPDX-License-Identifier: Apache-2.0
// YamlWalker: fills a protobuf message from a YAML node by reflection. Private to common/spec.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <vector>

#include "common/spec/yaml_loader.h"

namespace pgmahout {

// One walk over one document. Goes on after a problem, so that all are found. May throw what
// yaml-cpp throws.
class YamlWalker {
 public:
  YamlWalker(std::string file, std::vector<YamlProblem>* problems)
      : file_(std::move(file)), problems_(problems) {}

  // Fields of the top level in `ignored` are skipped.
  void Walk(const YAML::Node& node,
            const std::vector<std::string>& ignored,
            google::protobuf::Message* message);

  const std::map<std::string, SourceMark>& marks() const { return marks_; }

  void Report(const YAML::Mark& mark, std::string message, std::string hint = "");

 private:
  void ReadMessage(const YAML::Node& node,
                   const std::string& path,
                   google::protobuf::Message* message);
  void ReadField(const YAML::Node& node,
                 const std::string& path,
                 const google::protobuf::FieldDescriptor* field,
                 google::protobuf::Message* message);
  void ReadMap(const YAML::Node& node,
               const std::string& path,
               const google::protobuf::FieldDescriptor* field,
               google::protobuf::Message* message);
  void ReadList(const YAML::Node& node,
                const std::string& path,
                const google::protobuf::FieldDescriptor* field,
                google::protobuf::Message* message);
  // Sets or, for a repeated field, adds.
  void ReadScalar(const YAML::Node& node,
                  const std::string& path,
                  const google::protobuf::FieldDescriptor* field,
                  google::protobuf::Message* message);
  // The fields a mapping may have here, by JSON name; reports a key that is none of them or is
  // there twice, and returns nullptr for it.
  const google::protobuf::FieldDescriptor* FindField(const YAML::Node& key,
                                                     const std::string& path,
                                                     const google::protobuf::Descriptor* type,
                                                     std::map<std::string, int>* seen);
  bool ReportIfTwice(const YAML::Node& key,
                     const std::string& path,
                     std::map<std::string, int>* seen);
  // Remembers where `path` is; false when the limit of values is reached.
  bool Mark(const std::string& path, const YAML::Node& node);
  void ReportType(const YAML::Node& node, const std::string& path, absl::string_view expected);

  std::string file_;
  std::vector<YamlProblem>* problems_;
  std::vector<std::string> ignored_;
  std::map<std::string, SourceMark> marks_;
  int depth_ = 0;
  int values_ = 0;
};

// "orders.yaml:7:5"
std::string FormatPlace(const std::string& file, const SourceMark& mark);
SourceMark MarkOf(const YAML::Mark& mark);

}  // namespace pgmahout
