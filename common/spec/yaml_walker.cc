// SPDX-License-Identifier: Apache-2.0
#include "common/spec/yaml_walker.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/wire/nearest.h"

namespace pgmahout {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDepthMax = 32;
constexpr int kValuesMax = 100'000;  // aliases can make a small file large
constexpr size_t kShownMax = 40;     // of a wrong value, in a message

std::string PlaceName(const std::string& path) {
  return path.empty() ? "at the top level" : absl::StrCat("in ", path);
}

std::string Child(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

std::vector<std::string> FieldNames(const Descriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) {
    names.push_back(type->field(i)->json_name());
  }
  return names;
}

std::string Describe(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return absl::StrCat("\"", node.Scalar().substr(0, kShownMax), "\"");
    default:
      return "nothing";
  }
}

}  // namespace

std::string FormatPlace(const std::string& file, const SourceMark& mark) {
  return absl::StrCat(file, ":", mark.line, ":", mark.column);
}

SourceMark MarkOf(const YAML::Mark& mark) {
  return mark.is_null() ? SourceMark{} : SourceMark{mark.line + 1, mark.column + 1};
}

void YamlWalker::Report(const YAML::Mark& mark, std::string message, std::string hint) {
  problems_->push_back(
      YamlProblem{FormatPlace(file_, MarkOf(mark)), std::move(message), std::move(hint)});
}

void YamlWalker::ReportType(const YAML::Node& node,
                            const std::string& path,
                            absl::string_view expected) {
  Report(node.Mark(), absl::StrCat(path, " must be ", expected, ", not ", Describe(node)));
}

bool YamlWalker::Mark(const std::string& path, const YAML::Node& node) {
  marks_[path] = MarkOf(node.Mark());
  if (++values_ == kValuesMax) {
    Report(node.Mark(), absl::StrCat("more than ", kValuesMax, " values"),
           "Use fewer aliases, or several files.");
  }
  return values_ < kValuesMax;
}

void YamlWalker::Walk(const YAML::Node& node,
                      const std::vector<std::string>& ignored,
                      Message* message) {
  ignored_ = ignored;
  if (!node.IsMap()) {
    Report(node.Mark(), absl::StrCat("a resource must be a mapping, not ", Describe(node)),
           "Start with apiVersion: pgmahout/v1 and kind: Cluster.");
    return;
  }
  ReadMessage(node, "", message);
}

bool YamlWalker::ReportIfTwice(const YAML::Node& key,
                               const std::string& path,
                               std::map<std::string, int>* seen) {
  const auto [it, is_new] = seen->emplace(key.Scalar(), MarkOf(key.Mark()).line);
  if (!is_new) {
    Report(key.Mark(), absl::StrCat("\"", key.Scalar(), "\" is there twice ", PlaceName(path)),
           absl::StrCat("The first one is on line ", it->second, "; keep one."));
  }
  return !is_new;
}

const FieldDescriptor* YamlWalker::FindField(const YAML::Node& key,
                                             const std::string& path,
                                             const Descriptor* type,
                                             std::map<std::string, int>* seen) {
  if (!key.IsScalar()) {
    Report(key.Mark(), absl::StrCat("a field name ", PlaceName(path), " must be text"));
    return nullptr;
  }
  if (ReportIfTwice(key, path, seen)) {
    return nullptr;
  }
  const std::string& name = key.Scalar();
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i)->json_name() == name) {
      return type->field(i);
    }
  }
  const bool is_ignored =
      path.empty() && std::find(ignored_.begin(), ignored_.end(), name) != ignored_.end();
  if (!is_ignored) {
    Report(key.Mark(), absl::StrCat("unknown field \"", name, "\" ", PlaceName(path)),
           name == "<<" ? "Merge keys are not supported; repeat the fields."
                        : AllowedHint(name, FieldNames(type)));
  }
  return nullptr;
}

void YamlWalker::ReadMessage(const YAML::Node& node, const std::string& path, Message* message) {
  if (!node.IsMap()) {
    ReportType(node, path, "a mapping");
    return;
  }
  if (++depth_ > kDepthMax) {
    Report(node.Mark(), absl::StrCat(path, " is nested deeper than ", kDepthMax, " levels"));
    --depth_;
    return;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : node) {
    const FieldDescriptor* const field =
        FindField(entry.first, path, message->GetDescriptor(), &seen);
    if (field == nullptr) {
      continue;
    }
    const std::string field_path = Child(path, field->json_name());
    if (!Mark(field_path, entry.second)) {
      break;
    }
    // "spec:" with nothing behind it is the same as leaving it out; its place is the key's.
    if (entry.second.IsNull()) {
      marks_[field_path] = MarkOf(entry.first.Mark());
    } else {
      ReadField(entry.second, field_path, field, message);
    }
  }
  --depth_;
}

void YamlWalker::ReadField(const YAML::Node& node,
                           const std::string& path,
                           const FieldDescriptor* field,
                           Message* message) {
  if (field->is_map()) {
    ReadMap(node, path, field, message);
  } else if (field->is_repeated()) {
    ReadList(node, path, field, message);
  } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    ReadMessage(node, path, message->GetReflection()->MutableMessage(message, field));
  } else {
    ReadScalar(node, path, field, message);
  }
}

void YamlWalker::ReadMap(const YAML::Node& node,
                         const std::string& path,
                         const FieldDescriptor* field,
                         Message* message) {
  if (!node.IsMap()) {
    ReportType(node, path, "a mapping of names to values");
    return;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Report(entry.first.Mark(), absl::StrCat("a name ", PlaceName(path), " must be text"));
      continue;
    }
    const std::string entry_path = Child(path, entry.first.Scalar());
    if (ReportIfTwice(entry.first, path, &seen)) {
      continue;
    }
    if (!Mark(entry_path, entry.second)) {
      break;
    }
    if (entry.second.IsNull()) {
      ReportType(entry.first, entry_path, "followed by a value");
      continue;
    }
    Message* const to = message->GetReflection()->AddMessage(message, field);
    to->GetReflection()->SetString(to, field->message_type()->map_key(), entry.first.Scalar());
    ReadScalar(entry.second, entry_path, field->message_type()->map_value(), to);
  }
}

void YamlWalker::ReadList(const YAML::Node& node,
                          const std::string& path,
                          const FieldDescriptor* field,
                          Message* message) {
  if (!node.IsSequence()) {
    ReportType(node, path, "a list");
    return;
  }
  size_t index = 0;
  for (const auto& item : node) {
    const std::string item_path = absl::StrCat(path, "[", index++, "]");
    if (!Mark(item_path, item)) {
      break;
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadMessage(item, item_path, message->GetReflection()->AddMessage(message, field));
    } else {
      ReadScalar(item, item_path, field, message);
    }
  }
}

void YamlWalker::ReadScalar(const YAML::Node& node,
                            const std::string& path,
                            const FieldDescriptor* field,
                            Message* message) {
  const Reflection* const reflection = message->GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      // Any scalar: people write 500 and true where PostgreSQL's parameters are text.
      if (!node.IsScalar()) {
        ReportType(node, path, "text");
      } else if (field->is_repeated()) {
        reflection->AddString(message, field, node.Scalar());
      } else {
        reflection->SetString(message, field, node.Scalar());
      }
      return;
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value)) {
        ReportType(node, path, "true or false");
        return;
      }
      reflection->SetBool(message, field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (!node.IsScalar() || !absl::SimpleAtoi(node.Scalar(), &value)) {
        ReportType(node, path, "a whole number");
        return;
      }
      reflection->SetUInt32(message, field, value);
      return;
    }
    default:
      ReportType(node, path, absl::StrCat("a ", field->cpp_type_name(), " (not supported)"));
  }
}

}  // namespace pgmahout
