// SPDX-License-Identifier: Apache-2.0
// ClusterSpec: what a user wants of one cluster, as plain values with every default filled in.
//
// Both pure cores read it; protobuf messages are turned into it once, at the door
// (common/wire/convert.h), and checked there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace pgmahout {

// One line of pg_hba.conf as fields; never free text.
struct HbaRule {
  std::string type = "hostssl";          // host, hostssl, hostnossl
  std::vector<std::string> databases;    // names, or "all"
  std::vector<std::string> users;        // names, or "all"
  std::string source;                    // CIDR
  std::string method = "scram-sha-256";  // scram-sha-256, cert, reject

  friend bool operator==(const HbaRule&, const HbaRule&) = default;
};

struct DatabaseSpec {
  std::string name;
  std::string owner;
  std::vector<std::string> extensions;

  friend bool operator==(const DatabaseSpec&, const DatabaseSpec&) = default;
};

struct RoleAccess {
  std::string database;
  std::string preset = "readwrite";  // readonly, readwrite

  friend bool operator==(const RoleAccess&, const RoleAccess&) = default;
};

struct RoleSpec {
  std::string name;
  bool login = false;
  std::vector<RoleAccess> access;

  friend bool operator==(const RoleSpec&, const RoleSpec&) = default;
};

enum class DataDurability { kPreferred, kRequired, kOff };

struct SynchronousSpec {
  uint32_t number = 1;  // standbys that must confirm a commit
  DataDurability durability = DataDurability::kPreferred;

  friend bool operator==(const SynchronousSpec&, const SynchronousSpec&) = default;
};

struct FailoverSpec {
  bool automatic = true;
  Duration detect_after{3'000};
  Duration lease_ttl{10'000};
  uint64_t max_lag_bytes = uint64_t{1} << 20;
  bool restart_on_crash = false;             // onCrash: restart in place instead of failing over
  std::map<std::string, uint32_t> priority;  // by node; default 100; 0 is never promoted

  friend bool operator==(const FailoverSpec&, const FailoverSpec&) = default;
};

struct DnsSpec {
  std::string primary;   // fully qualified, with the final dot; empty: no DNS
  std::string standbys;  // likewise, optional
  uint32_t ttl_seconds = 5;

  friend bool operator==(const DnsSpec&, const DnsSpec&) = default;
};

struct ClusterSpec {
  std::string name;
  std::string tenant = "default";
  std::map<std::string, std::string> labels;  // the user's own words; nothing here reads them
  std::vector<std::string> nodes;             // the first one is where initdb runs
  std::string witness;                        // a node without PostgreSQL, no member; empty: none
  uint32_t postgres_major = 14;
  uint16_t port = 5432;
  std::map<std::string, std::string> parameters;
  std::vector<HbaRule> hba;
  SynchronousSpec synchronous;
  FailoverSpec failover;
  DnsSpec dns;
  std::string archive_directory;  // empty: no archive
  std::vector<DatabaseSpec> databases;
  std::vector<RoleSpec> roles;

  friend bool operator==(const ClusterSpec&, const ClusterSpec&) = default;
};

}  // namespace pgmahout
