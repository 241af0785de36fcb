// SPDX-License-Identifier: Apache-2.0
#include "common/wire/spec_diff.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Path and value of everything that is set, in the order of the schema.
using Leaves = std::vector<std::pair<std::string, std::string>>;

void Flatten(const Message& message, const std::string& path, Leaves* leaves);

std::string ScalarText(const Message& message, const FieldDescriptor* field) {
  const Reflection* const reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(message, field));
    default:
      return "";
  }
}

void FlattenMap(const Message& message,
                const FieldDescriptor* field,
                const std::string& path,
                Leaves* leaves) {
  std::map<std::string, std::string> sorted;
  const Reflection* const reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    sorted[ScalarText(entry, field->message_type()->map_key())] =
        ScalarText(entry, field->message_type()->map_value());
  }
  for (const auto& [name, value] : sorted) {
    leaves->emplace_back(absl::StrCat(path, ".", name), value);
  }
}

void FlattenList(const Message& message,
                 const FieldDescriptor* field,
                 const std::string& path,
                 Leaves* leaves) {
  const Reflection* const reflection = message.GetReflection();
  const int size = reflection->FieldSize(message, field);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::vector<std::string> items;
    for (int i = 0; i < size; ++i) {
      items.push_back(reflection->GetRepeatedString(message, field, i));
    }
    leaves->emplace_back(path, absl::StrCat("[", absl::StrJoin(items, ", "), "]"));
    return;
  }
  for (int i = 0; i < size; ++i) {
    const Message& item = reflection->GetRepeatedMessage(message, field, i);
    const FieldDescriptor* const name = item.GetDescriptor()->FindFieldByName("name");
    const std::string key = name == nullptr ? absl::StrCat(i) : ScalarText(item, name);
    Flatten(item, absl::StrCat(path, "[", key, "]"), leaves);
  }
}

void Flatten(const Message& message, const std::string& path, Leaves* leaves) {
  const Reflection* const reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    const std::string field_path =
        path.empty() ? field->json_name() : absl::StrCat(path, ".", field->json_name());
    if (field->is_map()) {
      FlattenMap(message, field, field_path, leaves);
    } else if (field->is_repeated()) {
      FlattenList(message, field, field_path, leaves);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Flatten(reflection->GetMessage(message, field), field_path, leaves);
    } else {
      leaves->emplace_back(field_path, ScalarText(message, field));
    }
  }
}

}  // namespace

std::vector<SpecChange> DiffSpecs(const ClusterSpec& before, const ClusterSpec& after) {
  Leaves old_leaves;
  Leaves new_leaves;
  Flatten(ToProto(before), "", &old_leaves);
  Flatten(ToProto(after), "", &new_leaves);
  const std::map<std::string, std::string> old_values(old_leaves.begin(), old_leaves.end());
  const std::map<std::string, std::string> new_values(new_leaves.begin(), new_leaves.end());
  std::vector<SpecChange> changes;
  for (const auto& [path, value] : new_leaves) {
    const auto old_value = old_values.find(path);
    if (old_value == old_values.end()) {
      changes.push_back({path, absl::StrCat("added: ", value)});
    } else if (old_value->second != value) {
      changes.push_back({path, absl::StrCat(old_value->second, " -> ", value)});
    }
  }
  for (const auto& [path, value] : old_leaves) {
    if (new_values.find(path) == new_values.end()) {
      changes.push_back({path, absl::StrCat("removed: ", value)});
    }
  }
  return changes;
}

}  // namespace pgmahout
