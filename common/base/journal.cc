// SPDX-License-Identifier: Apache-2.0
#include "common/base/journal.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace pgmahout {
namespace {

// Room for a burst while journald is slow, as libsystemd asks for.
constexpr int kSendBuffer = 8 << 20;
constexpr size_t kNameLongest = 64;

// Letters, digits and underscores, no digit and no underscore first.
std::string FieldName(absl::string_view key) {
  std::string name;
  for (const char c : key.substr(0, kNameLongest)) {
    name += absl::ascii_isalnum(static_cast<unsigned char>(c))
                ? absl::ascii_toupper(static_cast<unsigned char>(c))
                : '_';
  }
  const bool is_plain = !name.empty() && absl::ascii_isupper(static_cast<unsigned char>(name[0]));
  const bool is_taken = name == "MESSAGE" || name == "PRIORITY" || name == "SYSLOG_IDENTIFIER";
  if (!is_plain || is_taken) {
    name = absl::StrCat("PGMAHOUT_", name).substr(0, kNameLongest);
  }
  return name;
}

void Append(absl::string_view name, absl::string_view value, std::string* entry) {
  if (value.find('\n') == absl::string_view::npos) {
    absl::StrAppend(entry, name, "=", value, "\n");
    return;
  }
  // Values of several lines: the length as 64 bits, little-endian.
  absl::StrAppend(entry, name, "\n");
  for (uint64_t rest = value.size(), i = 0; i < sizeof rest; ++i, rest >>= 8) {
    *entry += static_cast<char>(rest & 0xff);
  }
  absl::StrAppend(entry, value, "\n");
}

}  // namespace

std::string FormatJournalEntry(int priority, absl::string_view message, const LogFields& fields) {
  std::string entry;
  Append("MESSAGE", message, &entry);
  Append("PRIORITY", absl::StrCat(priority), &entry);
  Append("SYSLOG_IDENTIFIER", program_invocation_short_name, &entry);
  for (const auto& [key, value] : fields) {
    Append(FieldName(key), value, &entry);
  }
  return entry;
}

bool StderrIsJournal(absl::string_view stream) {
  struct stat info {};

  return fstat(STDERR_FILENO, &info) == 0 && stream == absl::StrCat(info.st_dev, ":", info.st_ino);
}

Journal::Journal(const std::string& socket)
    : socket_(socket), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (fd_ >= 0) {
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  }
}

Journal::~Journal() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

// Not connected: journald may be replaced at any time.
Journal::Sent Journal::Send(absl::string_view entry) {
  sockaddr_un address{};
  if (fd_ < 0 || socket_.size() >= sizeof address.sun_path) {
    return Sent::kUnreachable;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  if (sendto(fd_, entry.data(), entry.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), length) >= 0) {
    return Sent::kYes;
  }
  return errno == EAGAIN || errno == ENOBUFS ? Sent::kLost : Sent::kUnreachable;
}

}  // namespace pgmahout
