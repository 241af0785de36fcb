// SPDX-License-Identifier: Apache-2.0
// A plain HTTP/1.1 client for the tests: sends raw bytes, returns what came back. Deadline 10 s.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace pgmahout::testing {

struct RawResponse {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

// A connected socket; -1 if nobody listens.
inline int ConnectTo(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

inline RawResponse Exchange(uint16_t port, const std::string& request) {
  RawResponse response;
  const int fd = ConnectTo(port);
  if (fd < 0) {
    return response;
  }
  send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  close(fd);
  const size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos || text.size() < 12) {
    return response;
  }
  response.status = std::atoi(text.substr(9, 3).c_str());
  response.head = text.substr(0, end + 2);
  response.body = text.substr(end + 4);
  return response;
}

inline RawResponse Ask(uint16_t port, const std::string& method, const std::string& target) {
  return Exchange(port, absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: test\r\n\r\n"));
}

// A port nobody listened on a moment ago.
inline uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace pgmahout::testing
