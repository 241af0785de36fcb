// SPDX-License-Identifier: Apache-2.0
// DNS messages: the questions and updates that go out, and what came back. The wire format and TSIG
// are ldns's; its types stay inside this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "controller/dns/ldns_api.h"
#include "controller/dns/plan.h"
#include "controller/dns/tsig_key.h"

namespace pgmahout::controller {

template <auto kFree>
struct LdnsFree {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using DnsPacket = std::unique_ptr<ldns_pkt, LdnsFree<ldns_pkt_free>>;
using DnsRecords = std::unique_ptr<ldns_rr_list, LdnsFree<ldns_rr_list_deep_free>>;

// A message ready to be sent, and what its reply is checked against.
struct DnsRequest {
  DnsPacket packet;
  std::vector<uint8_t> wire;
};

struct DnsReply {
  DnsPacket packet;
  ldns_pkt_rcode rcode = LDNS_RCODE_NOERROR;
  int tsig_error = 0;          // RFC 8945: 16 BADSIG, 17 BADKEY, 18 BADTIME
  bool authenticated = false;  // signed with the request's key
};

// The records of one type at one name.
struct DnsAnswer {
  std::vector<std::string> values;  // sorted; addresses as text, a TXT's strings joined
  uint32_t ttl_seconds = 0;         // the lowest of them
  DnsRecords records;
};

// A question about one name, signed if `key` is not null. `name` must be normalized.
absl::StatusOr<DnsRequest> MakeQuery(const std::string& name,
                                     ldns_rr_type type,
                                     const TsigKey* key);

// One UPDATE, signed with `key`: it replaces all A and AAAA records of each planned name and the
// primary name's TXT, all or nothing, and only if the TXT RRset at the primary's name is exactly
// `held` (null or empty: if there is none). ResourceExhausted if it does not fit into one message.
absl::StatusOr<DnsRequest> MakeUpdate(const PublishPlan& plan,
                                      const ldns_rr_list* held,
                                      const TsigKey& key);

// Whether `wire` answers `request`: id, opcode and, where it repeats one, the question.
bool IsReplyTo(const DnsRequest& request, absl::Span<const uint8_t> wire);

// Reads the reply to a request signed with `key` (null: not signed). Unavailable if it is not a DNS
// message. Whether the signature is right is only noted: some errors come without one.
absl::StatusOr<DnsReply> DecodeReply(const DnsRequest& request,
                                     absl::Span<const uint8_t> wire,
                                     const TsigKey* key);

// What `reply` says of `name`; no values if it says that there are none. FailedPrecondition if the
// server has no authority over the name, or the name is an alias.
absl::StatusOr<DnsAnswer> ReadAnswer(const DnsReply& reply,
                                     const std::string& name,
                                     ldns_rr_type type);

}  // namespace pgmahout::controller
