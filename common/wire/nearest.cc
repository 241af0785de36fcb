// SPDX-License-Identifier: Apache-2.0
#include "common/wire/nearest.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pgmahout {
namespace {

constexpr size_t kComparedMax = 64;  // longer words are no slip of a known name

// A slip changes about a third of a word; in a short one a single letter.
size_t SlipMax(absl::string_view word) {
  return std::max<size_t>(1, word.size() / 3);
}

}  // namespace

size_t EditDistance(absl::string_view a, absl::string_view b) {
  const std::string x = absl::AsciiStrToLower(a.substr(0, kComparedMax));
  const std::string y = absl::AsciiStrToLower(b.substr(0, kComparedMax));
  std::vector<std::vector<size_t>> cost(x.size() + 1, std::vector<size_t>(y.size() + 1));
  for (size_t i = 0; i <= x.size(); ++i) {
    for (size_t j = 0; j <= y.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const size_t replaced = cost[i - 1][j - 1] + (x[i - 1] == y[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[x.size()][y.size()];
}

std::string NearestWord(absl::string_view word, const std::vector<std::string>& allowed) {
  std::string nearest;
  size_t nearest_distance = SlipMax(word) + 1;
  for (const std::string& candidate : allowed) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < nearest_distance) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  // "db" for "dbname", "replica" for "replicas": the start of a name is a hint too.
  if (nearest.empty() && word.size() >= 3) {
    for (const std::string& candidate : allowed) {
      if (absl::StartsWithIgnoreCase(candidate, word) ||
          absl::StartsWithIgnoreCase(word, candidate)) {
        return candidate;
      }
    }
  }
  return nearest;
}

std::string AllowedHint(absl::string_view word, const std::vector<std::string>& allowed) {
  const std::string nearest = NearestWord(word, allowed);
  const std::string list = absl::StrCat("Allowed: ", absl::StrJoin(allowed, ", "), ".");
  return nearest.empty() ? list : absl::StrCat("Did you mean \"", nearest, "\"? ", list);
}

}  // namespace pgmahout
