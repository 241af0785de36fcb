// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/plan.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "controller/dns/dns_name.h"

namespace pgmahout::controller {
namespace {

constexpr uint32_t kMaxTtlSeconds = 2147483647;  // RFC 2181, section 8

absl::Status BadAddress(const std::string& name, const std::string& text) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("cannot publish \"", absl::CHexEscape(text),
                                              "\" for \"", name, "\": not a host's address")),
      {"dns-bad-address", "", "Use an IPv4 or IPv6 address, without port and without zone id."});
}

absl::Status AddAddress(const std::string& text, PlannedName* planned) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(text, error);
  if (error || address.is_unspecified() || address.is_multicast()) {
    return BadAddress(planned->name, text);
  }
  if (address.is_v4()) {
    planned->ipv4.push_back(address.to_string());
    return absl::OkStatus();
  }
  if (address.to_v6().scope_id() != 0 || address.to_v6().is_v4_mapped()) {
    return BadAddress(planned->name, text);
  }
  planned->ipv6.push_back(address.to_string());
  return absl::OkStatus();
}

void SortUnique(std::vector<std::string>* texts) {
  std::sort(texts->begin(), texts->end());
  texts->erase(std::unique(texts->begin(), texts->end()), texts->end());
}

class Planner {
 public:
  explicit Planner(absl::string_view zone) { plan_.zone = std::string(zone); }

  absl::Status Add(const std::string& name, const std::vector<std::string>& addresses) {
    PlannedName planned;
    PGM_ASSIGN_OR_RETURN(planned.name, NormalizeDnsName(name));
    if (!DnsNameIsInZone(planned.name, plan_.zone)) {
      return WithInfo(
          absl::InvalidArgumentError(absl::StrCat("cannot publish \"", planned.name,
                                                  "\": it is not in zone \"", plan_.zone, "\"")),
          {"dns-name-outside-zone", "",
           absl::StrCat("Choose a name that ends in \".", plan_.zone, "\"")});
    }
    for (const PlannedName& other : plan_.names) {
      if (other.name == planned.name) {
        return WithInfo(absl::InvalidArgumentError(absl::StrCat("cannot publish \"", planned.name,
                                                                "\": the name is used twice")),
                        {"dns-name-used-twice", "",
                         "The primary, the standbys and each member need a name of their own."});
      }
    }
    for (const std::string& address : addresses) {
      PGM_RETURN_IF_ERROR(AddAddress(address, &planned));
    }
    SortUnique(&planned.ipv4);
    SortUnique(&planned.ipv6);
    plan_.names.push_back(std::move(planned));
    return absl::OkStatus();
  }

  PublishPlan Finish(const DnsIntent& intent) {
    plan_.ttl_seconds = intent.ttl_seconds;
    plan_.version = NameVersion{intent.epoch, intent.change};
    return std::move(plan_);
  }

 private:
  PublishPlan plan_;
};

}  // namespace

absl::StatusOr<PublishPlan> PlanPublication(const DnsIntent& intent, absl::string_view zone) {
  if (intent.primary_addresses.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot publish \"", intent.primary_name, "\": the primary has no address"));
  }
  if (intent.ttl_seconds > kMaxTtlSeconds) {
    return absl::InvalidArgumentError(absl::StrCat("cannot publish \"", intent.primary_name,
                                                   "\" with a TTL of ", intent.ttl_seconds,
                                                   " s: the limit is ", kMaxTtlSeconds));
  }
  Planner planner(zone);
  PGM_RETURN_IF_ERROR(planner.Add(intent.primary_name, intent.primary_addresses));
  if (!intent.standbys_name.empty()) {
    PGM_RETURN_IF_ERROR(planner.Add(intent.standbys_name, intent.standby_addresses));
  }
  for (const auto& [name, address] : intent.member_names) {
    PGM_RETURN_IF_ERROR(planner.Add(name, {address}));
  }
  return planner.Finish(intent);
}

}  // namespace pgmahout::controller
