// SPDX-License-Identifier: Apache-2.0
// ToYaml: a resource as people write it, in the order of the schema.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "common/spec/yaml_loader.h"

namespace pgmahout {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void EmitText(const std::string& text, YAML::Emitter* out) {
  if (NeedsYamlQuotes(text)) {
    *out << YAML::DoubleQuoted;
  }
  *out << text;
}

void EmitMessage(const Message& message, YAML::Emitter* out);

void EmitSingle(const Message& message, const FieldDescriptor* field, YAML::Emitter* out) {
  const Reflection* const reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      EmitText(reflection->GetString(message, field), out);
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      *out << reflection->GetBool(message, field);
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      *out << reflection->GetUInt32(message, field);
      return;
    default:
      EmitMessage(reflection->GetMessage(message, field), out);
  }
}

// Sorted by name, because protobuf's maps have no order.
void EmitMap(const Message& message, const FieldDescriptor* field, YAML::Emitter* out) {
  const Reflection* const reflection = message.GetReflection();
  std::map<std::string, const Message*> entries;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    entries[entry.GetReflection()->GetString(entry, field->message_type()->map_key())] = &entry;
  }
  *out << YAML::BeginMap;
  for (const auto& [name, entry] : entries) {
    *out << YAML::Key;
    EmitText(name, out);
    *out << YAML::Value;
    EmitSingle(*entry, field->message_type()->map_value(), out);
  }
  *out << YAML::EndMap;
}

void EmitList(const Message& message, const FieldDescriptor* field, YAML::Emitter* out) {
  const Reflection* const reflection = message.GetReflection();
  const bool is_text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (is_text) {
    *out << YAML::Flow;
  }
  *out << YAML::BeginSeq;
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (is_text) {
      EmitText(reflection->GetRepeatedString(message, field, i), out);
    } else {
      EmitMessage(reflection->GetRepeatedMessage(message, field, i), out);
    }
  }
  *out << YAML::EndSeq;
}

void EmitMessage(const Message& message, YAML::Emitter* out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  *out << YAML::BeginMap;
  for (const FieldDescriptor* const field : fields) {
    *out << YAML::Key << field->json_name() << YAML::Value;
    if (field->is_map()) {
      EmitMap(message, field, out);
    } else if (field->is_repeated()) {
      EmitList(message, field, out);
    } else {
      EmitSingle(message, field, out);
    }
  }
  *out << YAML::EndMap;
}

}  // namespace

bool NeedsYamlQuotes(const std::string& text) {
  static const auto* const kWords = new std::vector<std::string>(
      {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"});
  const std::string word = absl::AsciiStrToLower(text);
  double number = 0;
  return text.empty() || absl::SimpleAtod(text, &number) ||
         std::find(kWords->begin(), kWords->end(), word) != kWords->end();
}

std::string ToYaml(const v1::Cluster& cluster) {
  YAML::Emitter out;
  EmitMessage(cluster, &out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace pgmahout
