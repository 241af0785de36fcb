// SPDX-License-Identifier: Apache-2.0
// Datagrams: the other end of a socket to which a program reports: systemd's or journald's.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <string>

namespace pgmahout {

class Datagrams {
 public:
  explicit Datagrams(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }

  ~Datagrams() { close(fd_); }

  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  // "nothing" if none is waiting.
  std::string Next() const {
    std::array<char, 4096> text{};
    const ssize_t got = recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(text.data(), static_cast<size_t>(got));
  }

 private:
  int fd_;
};

}  // namespace pgmahout
