// SPDX-License-Identifier: Apache-2.0
#include "common/spec/yaml_loader.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/error.h"
#include "common/spec/yaml_walker.h"
#include "common/wire/nearest.h"

namespace pgmahout {
namespace {

constexpr size_t kFileBytesMax = size_t{1} << 20;
const char* const kKind = "Cluster";

absl::Status StatusOf(const std::vector<YamlProblem>& problems) {
  if (problems.empty()) {
    return absl::OkStatus();
  }
  const std::string detail =
      absl::StrJoin(problems, "\n", [](std::string* out, const YamlProblem& problem) {
        absl::StrAppend(out, problem.where, ": ", problem.message);
      });
  const YamlProblem& first = problems.front();
  return WithInfo(absl::InvalidArgumentError(absl::StrCat(first.where, ": ", first.message)),
                  ErrorInfo{"invalid-yaml", problems.size() > 1 ? detail : "", first.hint});
}

// How many bytes follow a first byte of UTF-8; -1 for a byte that is none.
int ContinuationBytes(unsigned char first) {
  if (first < 0x80) {
    return 0;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    return 1;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    return 2;
  }
  return first >= 0xF0 && first <= 0xF4 ? 3 : -1;
}

// Where `text` stops being UTF-8, or npos. Enough for the wire, which refuses anything else.
size_t FindInvalidUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const int more = ContinuationBytes(static_cast<unsigned char>(text[i]));
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) {
      return i;
    }
    const size_t start = i++;
    for (int k = 0; k < more; ++k, ++i) {
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
        return start;
      }
    }
  }
  return absl::string_view::npos;
}

bool CheckText(absl::string_view text,
               const std::string& file,
               std::vector<YamlProblem>* problems) {
  if (text.size() > kFileBytesMax) {
    problems->push_back({FormatPlace(file, {}), "the file is larger than 1 MiB",
                         "Use several files, one cluster each."});
    return false;
  }
  const size_t bad = FindInvalidUtf8(text);
  if (bad != absl::string_view::npos) {
    SourceMark mark;
    for (const char c : text.substr(0, bad)) {
      mark.column = c == '\n' ? 1 : mark.column + 1;
      mark.line += c == '\n' ? 1 : 0;
    }
    problems->push_back({FormatPlace(file, mark), "the file is not UTF-8", "Save it as UTF-8."});
    return false;
  }
  return true;
}

// A resource of another kind gets one problem, not one for each of its fields.
bool CheckKind(const YAML::Node& node, YamlWalker* walker) {
  const YAML::Node kind = node.IsMap() ? node["kind"] : YAML::Node(YAML::NodeType::Undefined);
  if (!kind.IsDefined() || !kind.IsScalar() || kind.Scalar() == kKind) {
    return true;
  }
  walker->Report(kind.Mark(), absl::StrCat("unknown kind \"", kind.Scalar(), "\""),
                 AllowedHint(kind.Scalar(), {kKind}));
  return false;
}

void LoadDocuments(absl::string_view text,
                   const std::string& file,
                   std::vector<ClusterDocument>* documents,
                   std::vector<YamlProblem>* problems) {
  for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
    if (node.IsNull()) {
      continue;
    }
    YamlWalker walker(file, problems);
    if (!CheckKind(node, &walker)) {
      continue;
    }
    ClusterDocument document;
    walker.Walk(node, {"status"}, &document.cluster);
    document.file = file;
    document.start = MarkOf(node.Mark());
    document.marks = walker.marks();
    documents->push_back(std::move(document));
  }
}

}  // namespace

std::string ClusterDocument::Locate(absl::string_view path) const {
  std::string around(path);
  while (!around.empty()) {
    const auto it = marks.find(around);
    if (it != marks.end()) {
      return FormatPlace(file, it->second);
    }
    const size_t cut = around.find_last_of(".[");
    around.resize(cut == std::string::npos ? 0 : cut);
  }
  return FormatPlace(file, start);
}

absl::StatusOr<std::vector<ClusterDocument>> LoadYaml(absl::string_view text,
                                                      const std::string& file,
                                                      std::vector<YamlProblem>* problems) {
  std::vector<ClusterDocument> documents;
  std::vector<YamlProblem> found;
  if (CheckText(text, file, &found)) {
    try {
      LoadDocuments(text, file, &documents, &found);
    } catch (const YAML::Exception& exception) {
      found.push_back({FormatPlace(file, MarkOf(exception.mark)),
                       absl::StrCat("invalid YAML: ", exception.msg), ""});
    }
    if (found.empty() && documents.empty()) {
      found.push_back({FormatPlace(file, {}), "the file holds no resource",
                       "Start with apiVersion: pgmahout/v1 and kind: Cluster."});
    }
  }
  absl::Status status = StatusOf(found);
  if (problems != nullptr) {
    *problems = std::move(found);
  }
  if (!status.ok()) {
    return status;
  }
  return documents;
}

}  // namespace pgmahout
