// SPDX-License-Identifier: Apache-2.0
// ExecArguments: what execve() takes, made before fork(). After it, in a process with threads, only
// async-signal-safe calls are allowed (POSIX fork), so no memory can be asked for.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace pgmahout {

class ExecArguments {
 public:
  // `environment` is added to the inherited one and wins over it.
  ExecArguments(std::vector<std::string> argv,
                const std::vector<std::pair<std::string, std::string>>& environment);
  ExecArguments(const ExecArguments&) = delete;
  ExecArguments& operator=(const ExecArguments&) = delete;

  // Becomes the program argv[0]; returns, with errno set, only where that is not possible.
  // Async-signal-safe.
  void Exec() const;

 private:
  std::vector<std::string> argv_text_, environment_text_;
  std::vector<char*> argv_, environment_;  // into the texts; null-terminated
};

}  // namespace pgmahout
