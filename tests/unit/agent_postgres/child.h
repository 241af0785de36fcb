// SPDX-License-Identifier: Apache-2.0
// Processes and directories that stand for a server in tests without one.
#pragma once

#include <sys/types.h>

#include <string>

namespace pgmahout::agent {

// Below /tmp; removed with this object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

  void Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

// A process that sleeps in `directory`, in a session of its own like a postmaster, and is not there
// any more when this object is gone.
class Child {
 public:
  explicit Child(const std::string& directory);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }

  // Waits until it has ended; the signal that ended it, 0 if none did.
  int WaitForSignal();

 private:
  pid_t pid_ = 0;
  bool waited_for_ = false;
};

}  // namespace pgmahout::agent
