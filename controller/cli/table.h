// SPDX-License-Identifier: Apache-2.0
// Table: columns for people, two spaces apart.
#pragma once

#include <string>
#include <vector>

namespace pgmahout::cli {

class Table {
 public:
  // A name that starts with ">" is aligned to the right: ">TL".
  explicit Table(std::vector<std::string> columns);

  // As many cells as columns. An empty cell is shown as "-".
  void AddRow(std::vector<std::string> cells);

  // Each line starts with `indent` and ends with a newline, without trailing spaces.
  std::string Render(const std::string& indent = "") const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the header is the first
};

}  // namespace pgmahout::cli
