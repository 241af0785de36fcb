// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/spec_file.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"

namespace pgmahout::cli {
namespace {

constexpr size_t kFileBytesMax = (size_t{1} << 20) + 1;  // LoadYaml says what the limit is

absl::StatusOr<std::string> ReadSpecFile(Session* session) {
  if (session->options.file == "-") {
    return std::string(std::istreambuf_iterator<char>(session->streams.in), {});
  }
  absl::StatusOr<std::string> text = ReadFile(session->options.file, kFileBytesMax);
  if (!text.ok()) {
    // Whatever the reason, it is the argument that is wrong.
    return absl::InvalidArgumentError(text.status().message());
  }
  return text;
}

}  // namespace

void PrintProblem(const std::string& where,
                  const std::string& message,
                  const std::string& hint,
                  Session* session) {
  session->streams.err << where << ": " << message << "\n";
  if (!hint.empty()) {
    session->streams.err << "    " << hint << "\n";
  }
}

absl::Status InvalidFile(const std::string& file, size_t problems) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("invalid spec in ", file, ": ", problems,
                                              problems == 1 ? " problem" : " problems")),
      ErrorInfo{"invalid-spec", "", "Nothing was changed."});
}

absl::StatusOr<std::vector<ClusterDocument>> LoadDocuments(Session* session) {
  PGM_ASSIGN_OR_RETURN(const std::string text, ReadSpecFile(session));
  const std::string name = session->options.file == "-" ? "stdin" : session->options.file;
  std::vector<YamlProblem> problems;
  auto documents = LoadYaml(text, name, &problems);
  if (!documents.ok()) {
    for (const YamlProblem& problem : problems) {
      PrintProblem(problem.where, problem.message, problem.hint, session);
    }
    return InvalidFile(name, problems.size());
  }
  return documents;
}

}  // namespace pgmahout::cli
