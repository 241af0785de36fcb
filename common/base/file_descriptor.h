// SPDX-License-Identifier: Apache-2.0
// FileDescriptor: closes what open(2) and its like have returned. Holds also what they return when
// they fail: a negative number, which nobody closes.
#pragma once

#include <unistd.h>

#include <utility>

namespace pgmahout {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}

  ~FileDescriptor() { Close(); }

  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }

  void Close() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_;
};

}  // namespace pgmahout
