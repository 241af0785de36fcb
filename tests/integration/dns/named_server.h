// SPDX-License-Identifier: Apache-2.0
// A real BIND 9 for tests: named on 127.0.0.1 and a free port, in a directory of its own, with one
// dynamic zone and TSIG keys.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace pgmahout::controller {

inline constexpr char kZone[] = "db.example.";
inline constexpr char kKeyName[] = "pgmahout";
inline constexpr char kKeySecret[] = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";
inline constexpr char kReadOnlyKeyName[] = "reader";  // same secret; may update nothing

class NamedServer {
 public:
  // `zone_records` are lines of a zone file, added to SOA and NS. With `primary` (not owned) the
  // server is a secondary of it, which transfers the zone each time it starts. Start() runs it.
  explicit NamedServer(std::string zone_records = "", const NamedServer* primary = nullptr);
  ~NamedServer();  // kills named and removes its directory
  NamedServer(const NamedServer&) = delete;
  NamedServer& operator=(const NamedServer&) = delete;

  // Returns when the server answers for the zone; aborts the test program if it never does. After
  // Stop() it continues on the same port with the same zone.
  void Start();
  // SIGTERM, then SIGKILL; returns when the process is gone.
  void Stop();
  // SIGSTOP and SIGCONT: packets are accepted and nobody answers.
  void Freeze();
  void Thaw();

  uint16_t port() const { return port_; }

  std::string address() const;  // "127.0.0.1:5353"

  // What dig says: the records' values, sorted. Quotes of TXT records are kept.
  std::vector<std::string> Dig(const std::string& name, const std::string& type) const;

 private:
  void WriteConfiguration();
  bool StartOnce();
  bool Answers() const;

  const std::string zone_records_;
  const NamedServer* const primary_;
  std::string directory_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace pgmahout::controller
