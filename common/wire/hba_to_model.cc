// SPDX-License-Identifier: Apache-2.0
// Client rules of a spec: fields that can be written into pg_hba.conf without a second thought.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/pg/names.h"
#include "common/wire/spec_parts.h"

namespace pgmahout {
namespace {

struct Cidr {
  int family = AF_INET;
  std::array<unsigned char, 16> bytes{};
  int bits_max = 32;
  int bits = 0;
};

std::optional<Cidr> ParseCidr(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) {
    return std::nullopt;
  }
  Cidr cidr;
  const std::string address = text.substr(0, slash);
  if (absl::StrContains(address, ":")) {
    cidr.family = AF_INET6;
    cidr.bits_max = 128;
  }
  const std::string mask = text.substr(slash + 1);
  const bool mask_is_digits =
      !mask.empty() && mask.find_first_not_of("0123456789") == std::string::npos;
  if (inet_pton(cidr.family, address.c_str(), cidr.bytes.data()) != 1 || !mask_is_digits ||
      !absl::SimpleAtoi(mask, &cidr.bits) || cidr.bits > cidr.bits_max) {
    return std::nullopt;
  }
  return cidr;
}

// The same network with every bit outside the mask cleared.
std::string NetworkOf(Cidr cidr) {
  for (int bit = cidr.bits; bit < cidr.bits_max; ++bit) {
    const auto index = static_cast<size_t>(bit / 8);
    cidr.bytes[index] = static_cast<unsigned char>(cidr.bytes[index] & ~(0x80 >> (bit % 8)));
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(cidr.family, cidr.bytes.data(), text.data(), text.size());
  return absl::StrCat(text.data(), "/", cidr.bits);
}

bool HasHostBits(const Cidr& cidr) {
  const std::optional<Cidr> network = ParseCidr(NetworkOf(cidr));
  return !network.has_value() || network->bytes != cidr.bytes;
}

void CheckSource(const HbaRule& rule, const std::string& path, Violations* violations) {
  const std::optional<Cidr> cidr = ParseCidr(rule.source);
  if (!cidr.has_value()) {
    violations->Add(path, absl::StrCat("invalid address range \"", rule.source, "\""),
                    "Write an address and a mask length: 10.20.0.0/16, 10.20.0.7/32 or "
                    "fd00:20::/64.");
    return;
  }
  if (HasHostBits(*cidr)) {
    violations->Add(path, absl::StrCat("\"", rule.source, "\" has bits set outside its mask"),
                    absl::StrCat("Did you mean ", NetworkOf(*cidr), "?"));
  }
  // Everybody and unencrypted is how databases are lost.
  if (cidr->bits == 0 && rule.type != "hostssl" && rule.method != "reject") {
    violations->Add(path,
                    absl::StrCat("\"", rule.source, "\" with type ", rule.type,
                                 " would accept unencrypted connections from everywhere"),
                    "Use type hostssl, or name the network of the clients.");
  }
}

// pg_hba.conf gives a meaning to these first characters even inside quotes, and has no way to
// write a quote.
bool HasHbaMeaning(absl::string_view name) {
  return absl::StartsWith(name, "+") || absl::StartsWith(name, "@") ||
         absl::StartsWith(name, "/") || absl::StrContains(name, "\"");
}

absl::Status CheckHbaDatabase(absl::string_view name) {
  if (name == "all" || name == "postgres") {
    return absl::OkStatus();
  }
  if (name == "replication") {
    return WithHint(absl::InvalidArgumentError("database \"replication\" means WAL streaming here"),
                    "Leave it out: pgmahout allows replication from the members only.");
  }
  return HasHbaMeaning(name)
             ? WithHint(absl::InvalidArgumentError(absl::StrCat("invalid database \"", name, "\"")),
                        "Use database names, or all.")
             : CheckDatabaseName(name);
}

absl::Status CheckHbaUser(absl::string_view name) {
  if (name == "all") {
    return absl::OkStatus();
  }
  return HasHbaMeaning(name)
             ? WithHint(absl::InvalidArgumentError(absl::StrCat("invalid user \"", name, "\"")),
                        "Use role names, or all.")
             : CheckRoleName(name);
}

template <typename Names, typename Check>
void CheckNames(const Names& names,
                const std::string& path,
                absl::string_view what,
                const Check& check,
                Violations* violations) {
  if (names.empty()) {
    violations->Add(path, absl::StrCat("a rule needs at least one ", what),
                    absl::StrCat("Name the ", what, "s, or write all."));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    violations->AddIfError(absl::StrCat(path, "[", i, "]"), check(names[i]));
  }
}

}  // namespace

HbaRule HbaToModel(const v1::HbaRule& proto, const std::string& path, Violations* violations) {
  HbaRule rule;
  rule.type = proto.type().empty() ? rule.type : proto.type();
  rule.method = proto.method().empty() ? rule.method : proto.method();
  rule.databases.assign(proto.databases().begin(), proto.databases().end());
  rule.users.assign(proto.users().begin(), proto.users().end());
  rule.source = proto.source();

  violations->CheckWord(path + ".type", rule.type, {"hostssl", "host", "hostnossl"});
  violations->CheckWord(path + ".method", rule.method, {"scram-sha-256", "cert", "reject"});
  if (rule.method == "cert" && rule.type != "hostssl") {
    violations->Add(path + ".method", "method cert works with type hostssl only",
                    "Set type: hostssl.");
  }
  CheckNames(rule.databases, path + ".databases", "database", CheckHbaDatabase, violations);
  CheckNames(rule.users, path + ".users", "user", CheckHbaUser, violations);
  CheckSource(rule, path + ".source", violations);
  return rule;
}

}  // namespace pgmahout
