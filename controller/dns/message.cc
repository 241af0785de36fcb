// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/message.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

constexpr uint16_t kFudgeSeconds = 300;  // RFC 8945, section 10
// Of records, before names are compressed; what goes around them fits into the rest of the 65535
// bytes. ldns aborts the process when a message outgrows those.
constexpr size_t kMaxRecordBytes = 60000;
constexpr size_t kTsigFields = 7;
constexpr size_t kTsigMac = 3;
constexpr size_t kTsigError = 5;

using Rdf = std::unique_ptr<ldns_rdf, LdnsFree<ldns_rdf_deep_free>>;

// Our names and addresses were checked before, so only a lack of memory can fail here.
Rdf MakeRdf(ldns_rdf_type type, const std::string& text) {
  Rdf rdf(ldns_rdf_new_frm_str(type, text.c_str()));
  PGM_CHECK(rdf != nullptr);
  return rdf;
}

// A record without data, as prerequisites and deletions are: its class tells which.
ldns_rr* BareRecord(const std::string& name, ldns_rr_type type, ldns_rr_class rr_class) {
  ldns_rr* record = ldns_rr_new();
  PGM_CHECK(record != nullptr);
  ldns_rr_set_owner(record, MakeRdf(LDNS_RDF_TYPE_DNAME, name).release());
  ldns_rr_set_type(record, type);
  ldns_rr_set_class(record, rr_class);
  ldns_rr_set_ttl(record, 0);
  return record;
}

void Append(const DnsRecords& list, ldns_rr* record) {
  PGM_CHECK(record != nullptr && ldns_rr_list_push_rr(list.get(), record));
}

DnsRecords NewRecords() {
  DnsRecords records(ldns_rr_list_new());
  PGM_CHECK(records != nullptr);
  return records;
}

// RFC 2136, section 2.4: nothing there (class NONE), or exactly these records (the zone's class).
DnsRecords Prerequisite(const std::string& name, const ldns_rr_list* held) {
  DnsRecords records = NewRecords();
  const size_t count = held == nullptr ? 0 : ldns_rr_list_rr_count(held);
  if (count == 0) {
    Append(records, BareRecord(name, LDNS_RR_TYPE_TXT, LDNS_RR_CLASS_NONE));
  }
  for (size_t i = 0; i < count; ++i) {
    ldns_rr* record = ldns_rr_clone(ldns_rr_list_rr(held, i));
    PGM_CHECK(record != nullptr);
    ldns_rr_set_ttl(record, 0);
    Append(records, record);
  }
  return records;
}

struct NewValue {
  ldns_rr_type type;
  ldns_rdf_type field;
  std::string text;
};

// Deletes the RRset (class ANY) and adds the new values. Servers apply them in this order.
void Replace(const PublishPlan& plan,
             const std::string& name,
             const std::vector<ldns_rr_type>& types,
             const std::vector<NewValue>& values,
             const DnsRecords& updates) {
  for (const ldns_rr_type type : types) {
    Append(updates, BareRecord(name, type, LDNS_RR_CLASS_ANY));
  }
  for (const NewValue& value : values) {
    ldns_rr* record = BareRecord(name, value.type, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(record, plan.ttl_seconds);
    PGM_CHECK(ldns_rr_push_rdf(record, MakeRdf(value.field, value.text).release()));
    Append(updates, record);
  }
}

DnsRecords Updates(const PublishPlan& plan) {
  DnsRecords updates = NewRecords();
  for (const PlannedName& planned : plan.names) {
    std::vector<NewValue> values;
    for (const std::string& address : planned.ipv4) {
      values.push_back({LDNS_RR_TYPE_A, LDNS_RDF_TYPE_A, address});
    }
    for (const std::string& address : planned.ipv6) {
      values.push_back({LDNS_RR_TYPE_AAAA, LDNS_RDF_TYPE_AAAA, address});
    }
    Replace(plan, planned.name, {LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA}, values, updates);
  }
  Replace(plan, plan.primary_name(), {LDNS_RR_TYPE_TXT},
          {{LDNS_RR_TYPE_TXT, LDNS_RDF_TYPE_STR, FormatNameVersion(plan.version)}}, updates);
  return updates;
}

size_t RecordBytes(const DnsRecords& records) {
  size_t bytes = 0;
  for (size_t i = 0; i < ldns_rr_list_rr_count(records.get()); ++i) {
    bytes += ldns_rr_uncompressed_size(ldns_rr_list_rr(records.get(), i));
  }
  return bytes;
}

absl::StatusOr<DnsRequest> Encode(DnsPacket packet, const TsigKey* key) {
  PGM_CHECK(packet != nullptr);
  ldns_pkt_set_random_id(packet.get());
  if (key != nullptr) {
    const ldns_status signature =
        ldns_pkt_tsig_sign(packet.get(), key->name.c_str(), key->secret_base64.c_str(),
                           kFudgeSeconds, (key->algorithm + ".").c_str(), nullptr);
    if (signature != LDNS_STATUS_OK) {
      return absl::InternalError(absl::StrCat("cannot sign a DNS message with key \"", key->name,
                                              "\": ", ldns_get_errorstr_by_id(signature)));
    }
  }
  uint8_t* bytes = nullptr;
  size_t size = 0;
  const ldns_status encoding = ldns_pkt2wire(&bytes, packet.get(), &size);
  const std::unique_ptr<uint8_t, LdnsFree<std::free>> owner(bytes);
  if (encoding != LDNS_STATUS_OK) {
    return absl::InternalError(
        absl::StrCat("cannot encode a DNS message: ", ldns_get_errorstr_by_id(encoding)));
  }
  return DnsRequest{std::move(packet), std::vector<uint8_t>(bytes, bytes + size)};
}

bool SameQuestion(const ldns_pkt* a, const ldns_pkt* b) {
  const ldns_rr_list* ours = ldns_pkt_question(a);
  const ldns_rr_list* theirs = ldns_pkt_question(b);
  if (ldns_rr_list_rr_count(theirs) == 0) {
    // A server may leave the question out of an error or of the answer to an update.
    return ldns_pkt_get_opcode(b) == LDNS_PACKET_UPDATE ||
           ldns_pkt_get_rcode(b) != LDNS_RCODE_NOERROR;
  }
  const ldns_rr* asked = ldns_rr_list_rr(ours, 0);
  const ldns_rr* answered = ldns_rr_list_rr(theirs, 0);
  return ldns_rr_list_rr_count(theirs) == 1 &&
         ldns_rr_get_type(asked) == ldns_rr_get_type(answered) &&
         ldns_dname_compare(ldns_rr_owner(asked), ldns_rr_owner(answered)) == 0;
}

absl::StatusOr<DnsPacket> Decode(absl::Span<const uint8_t> wire) {
  ldns_pkt* packet = nullptr;
  const ldns_status status = ldns_wire2pkt(&packet, wire.data(), wire.size());
  if (status != LDNS_STATUS_OK) {
    return absl::UnavailableError(
        absl::StrCat("the answer is not a DNS message: ", ldns_get_errorstr_by_id(status)));
  }
  return DnsPacket(packet);
}

std::string AddressText(const ldns_rdf* field) {
  const std::unique_ptr<char, LdnsFree<std::free>> text(ldns_rdf2str(field));
  PGM_CHECK(text != nullptr);
  return text.get();
}

// The strings of a TXT record, joined.
std::string JoinedStrings(const ldns_rr* record) {
  std::string text;
  for (size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
    const ldns_rdf* field = ldns_rr_rdf(record, i);
    // The first byte is the string's length.
    if (ldns_rdf_size(field) > 1) {
      text.append(reinterpret_cast<const char*>(ldns_rdf_data(field)) + 1,
                  ldns_rdf_size(field) - 1);
    }
  }
  return text;
}

void AddValue(const ldns_rr* record, DnsAnswer* answer) {
  if (ldns_rr_get_type(record) == LDNS_RR_TYPE_TXT) {
    answer->values.push_back(JoinedStrings(record));
  } else if (ldns_rr_rd_count(record) == 1) {
    answer->values.push_back(AddressText(ldns_rr_rdf(record, 0)));
  }
  const bool is_first = ldns_rr_list_rr_count(answer->records.get()) == 0;
  answer->ttl_seconds =
      is_first ? ldns_rr_ttl(record) : std::min(answer->ttl_seconds, ldns_rr_ttl(record));
  Append(answer->records, ldns_rr_clone(record));
}

absl::Status NoAuthority() {
  return WithInfo(absl::FailedPreconditionError("the server has no authority over the name"),
                  {"dns-no-authority", "It answers from a cache, or refers to other servers.",
                   "Name the authoritative servers of the zone, and no resolver."});
}

absl::Status IsAlias() {
  return WithInfo(absl::FailedPreconditionError("the name is an alias (CNAME)"),
                  {"dns-alias", "", "Remove the CNAME record, or choose another name."});
}

}  // namespace

absl::StatusOr<DnsRequest> MakeQuery(const std::string& name,
                                     ldns_rr_type type,
                                     const TsigKey* key) {
  DnsPacket packet(
      ldns_pkt_query_new(MakeRdf(LDNS_RDF_TYPE_DNAME, name).release(), type, LDNS_RR_CLASS_IN, 0));
  return Encode(std::move(packet), key);
}

absl::StatusOr<DnsRequest> MakeUpdate(const PublishPlan& plan,
                                      const ldns_rr_list* held,
                                      const TsigKey& key) {
  const DnsRecords prerequisite = Prerequisite(plan.primary_name(), held);
  const DnsRecords updates = Updates(plan);
  const size_t bytes = RecordBytes(prerequisite) + RecordBytes(updates);
  if (bytes > kMaxRecordBytes) {
    return WithHint(
        absl::ResourceExhaustedError(
            absl::StrCat("an update of ", bytes, " bytes does not fit into one DNS message")),
        absl::StrCat("Publish fewer addresses: up to ", kMaxRecordBytes, " bytes of records fit."));
  }
  DnsPacket packet(ldns_update_pkt_new(MakeRdf(LDNS_RDF_TYPE_DNAME, plan.zone).release(),
                                       LDNS_RR_CLASS_IN, prerequisite.get(), updates.get(),
                                       nullptr));
  return Encode(std::move(packet), &key);
}

bool IsReplyTo(const DnsRequest& request, absl::Span<const uint8_t> wire) {
  const absl::StatusOr<DnsPacket> packet = Decode(wire);
  if (!packet.ok()) {
    return false;
  }
  const ldns_pkt* asked = request.packet.get();
  const ldns_pkt* answer = packet->get();
  return ldns_pkt_qr(answer) && ldns_pkt_id(answer) == ldns_pkt_id(asked) &&
         ldns_pkt_get_opcode(answer) == ldns_pkt_get_opcode(asked) && SameQuestion(asked, answer);
}

absl::StatusOr<DnsReply> DecodeReply(const DnsRequest& request,
                                     absl::Span<const uint8_t> wire,
                                     const TsigKey* key) {
  DnsReply reply;
  PGM_ASSIGN_OR_RETURN(reply.packet, Decode(wire));
  reply.rcode = ldns_pkt_get_rcode(reply.packet.get());
  ldns_rr* tsig = ldns_pkt_tsig(reply.packet.get());
  const ldns_rr* asked = ldns_pkt_tsig(request.packet.get());
  // Damaged bytes may lack fields.
  if (key == nullptr || asked == nullptr || tsig == nullptr ||
      ldns_rr_rd_count(tsig) != kTsigFields) {
    return reply;
  }
  reply.tsig_error = ldns_rdf2native_int16(ldns_rr_rdf(tsig, kTsigError));
  // The signature covers the request's, so an answer to another request does not pass, and an old
  // one needs no look at the clock.
  reply.authenticated =
      ldns_pkt_tsig_verify(reply.packet.get(), wire.data(), wire.size(), key->name.c_str(),
                           key->secret_base64.c_str(), ldns_rr_rdf(asked, kTsigMac));
  // ldns takes the record out of the packet meanwhile, and forgets it where it cannot go on.
  if (ldns_pkt_tsig(reply.packet.get()) == nullptr) {
    ldns_pkt_set_tsig(reply.packet.get(), tsig);
  }
  return reply;
}

absl::StatusOr<DnsAnswer> ReadAnswer(const DnsReply& reply,
                                     const std::string& name,
                                     ldns_rr_type type) {
  DnsAnswer answer;
  answer.records = NewRecords();
  if (!ldns_pkt_aa(reply.packet.get())) {
    return NoAuthority();
  }
  const Rdf owner = MakeRdf(LDNS_RDF_TYPE_DNAME, name);
  const ldns_rr_list* section = ldns_pkt_answer(reply.packet.get());
  for (size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(section, i);
    if (ldns_dname_compare(ldns_rr_owner(record), owner.get()) != 0) {
      continue;
    }
    if (ldns_rr_get_type(record) == LDNS_RR_TYPE_CNAME) {
      return IsAlias();
    }
    if (ldns_rr_get_type(record) == type) {
      AddValue(record, &answer);
    }
  }
  std::sort(answer.values.begin(), answer.values.end());
  return answer;
}

}  // namespace pgmahout::controller
