// SPDX-License-Identifier: Apache-2.0
#include "controller/conductor/registry.h"

#include <arpa/inet.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/model/join_token.h"
#include "common/pg/names.h"

namespace pgmahout::controller {
namespace {

constexpr char kNodeKind[] = "node";
constexpr char kTokenKind[] = "token";
constexpr int kNodeCertificateDays = 90;
constexpr int64_t kTokenTtlMax = int64_t{7} * 24 * 3600;  // seconds

// One answer for every bad token: a guesser learns nothing.
absl::Status BadToken() {
  return WithHint(absl::PermissionDeniedError(
                      "the join token is unknown, used, revoked, expired, or for another node"),
                  "Make a new one: pgmahout token create --node NAME");
}

bool IsIpAddress(const std::string& text) {
  in6_addr buffer{};
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

// A certificate speaks for every name in it, and agents know the controller by this one.
constexpr char kControllerName[] = "pgmahout-controller";

absl::Status CheckNodeName(const std::string& node) {
  PGM_RETURN_IF_ERROR(CheckObjectName("node name", node));
  if (node == kControllerName) {
    return WithHint(
        absl::InvalidArgumentError(absl::StrCat("node name \"", node, "\" is reserved")),
        "Agents take whoever has a certificate with that name for their controller.");
  }
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> Parse(const Record& record) {
  T message;
  if (!message.ParseFromString(record.value)) {
    return absl::DataLossError(
        absl::StrCat("the record ", record.kind, " \"", record.key, "\" is damaged"));
  }
  return message;
}

template <typename T>
absl::StatusOr<std::map<std::string, T>> ListAll(Store& store, const std::string& kind) {
  PGM_ASSIGN_OR_RETURN(const std::vector<Record> records, store.List(kind));
  std::map<std::string, T> result;
  for (const Record& record : records) {
    PGM_ASSIGN_OR_RETURN(result[record.key], Parse<T>(record));
  }
  return result;
}

}  // namespace

Registry::Registry(Store& store, const CertificateAuthority& authority, const Clock& clock)
    : store_(store), authority_(authority), clock_(clock) {}

// ---- Tokens ----

absl::StatusOr<NewToken> Registry::CreateToken(const std::string& node, int64_t ttl_seconds) {
  PGM_RETURN_IF_ERROR(CheckNodeName(node));
  if (ttl_seconds <= 0 || ttl_seconds > kTokenTtlMax) {
    return WithHint(absl::InvalidArgumentError("the token's life is out of range"),
                    "Use 1 second to 7 days.");
  }
  JoinToken token;
  token.id = RandomHex(6);
  token.secret = RandomHex(24);
  PGM_ASSIGN_OR_RETURN(token.pin, SpkiPinOf(authority_.certificate_pem()));
  v1::StoredToken stored;
  stored.set_node(node);
  stored.set_secret_sha256(Sha256Hex(token.secret));
  stored.set_expires_ms(clock_.WallMilliseconds() + ttl_seconds * 1000);
  Transaction transaction;
  transaction.puts.push_back(Put{kTokenKind, token.id, stored.SerializeAsString(), 0});
  PGM_RETURN_IF_ERROR(store_.Commit(transaction));
  return NewToken{FormatJoinToken(token), token.id, stored.expires_ms()};
}

absl::StatusOr<std::map<std::string, v1::StoredToken>> Registry::Tokens() {
  return ListAll<v1::StoredToken>(store_, kTokenKind);
}

absl::Status Registry::RevokeToken(const std::string& id) {
  absl::StatusOr<Record> record = store_.Get(kTokenKind, id);
  if (absl::IsNotFound(record.status())) {
    return WithHint(absl::NotFoundError(absl::StrCat("token \"", id, "\" does not exist")),
                    "See pgmahout token list.");
  }
  PGM_RETURN_IF_ERROR(record.status());
  PGM_ASSIGN_OR_RETURN(v1::StoredToken stored, Parse<v1::StoredToken>(*record));
  stored.set_revoked(true);
  Transaction transaction;
  transaction.puts.push_back(Put{kTokenKind, id, stored.SerializeAsString(), record->version});
  return store_.Commit(transaction);
}

std::string Registry::StateOf(const v1::StoredToken& token) const {
  if (token.revoked()) {
    return "revoked";
  }
  if (!token.used_by_key_sha256().empty()) {
    return "used";
  }
  return token.expires_ms() <= clock_.WallMilliseconds() ? "expired" : "open";
}

// ---- Joining ----

absl::StatusOr<v1::StoredToken> Registry::CheckToken(const Joining& joining,
                                                     const std::string& key,
                                                     uint64_t* version) {
  const auto token = ParseJoinToken(joining.token);
  if (!token.has_value()) {
    return BadToken();
  }
  const absl::StatusOr<Record> record = store_.Get(kTokenKind, token->id);
  if (absl::IsNotFound(record.status())) {
    return BadToken();
  }
  PGM_RETURN_IF_ERROR(record.status());
  PGM_ASSIGN_OR_RETURN(v1::StoredToken stored, Parse<v1::StoredToken>(*record));
  *version = record->version;
  const bool secret_matches = ConstantTimeEquals(stored.secret_sha256(), Sha256Hex(token->secret));
  const std::string state = StateOf(stored);
  const bool usable = state == "open" || (state == "used" && stored.used_by_key_sha256() == key);
  if (!secret_matches || stored.node() != joining.node || !usable) {
    return BadToken();
  }
  return stored;
}

absl::StatusOr<std::string> Registry::Sign(const std::string& node,
                                           const std::string& address,
                                           const std::string& csr_pem) const {
  // Never a name: the agent chooses the address, and could choose the controller's name.
  if (!IsIpAddress(address)) {
    return WithHint(absl::InvalidArgumentError(
                        absl::StrCat("the address of node \"", node, "\" is no IP address")),
                    "Name the IP address of the VM in agent.yaml: address.");
  }
  CertificateTerms terms;
  terms.identity = Identity{IdentityKind::kNode, node};
  terms.dns_names = {node};
  terms.ip_addresses = {address};
  terms.days = kNodeCertificateDays;
  terms.now_ms = clock_.WallMilliseconds();
  return authority_.SignRequest(csr_pem, terms);
}

absl::StatusOr<Joined> Registry::Join(const Joining& joining) {
  PGM_RETURN_IF_ERROR(CheckNodeName(joining.node));
  PGM_ASSIGN_OR_RETURN(const std::string key, RequestKeyFingerprint(joining.csr_pem));
  const auto token = ParseJoinToken(joining.token);
  uint64_t token_version = 0;
  PGM_ASSIGN_OR_RETURN(v1::StoredToken stored, CheckToken(joining, key, &token_version));
  const bool repeated = !stored.used_by_key_sha256().empty();
  if (!repeated && store_.Get(kNodeKind, joining.node).ok()) {
    return WithHint(
        absl::AlreadyExistsError(absl::StrCat("a node \"", joining.node, "\" has joined already")),
        "Choose another name, or remove the old one first: pgmahout node remove " + joining.node);
  }
  Joined joined;
  joined.ca_pem = authority_.certificate_pem();
  PGM_ASSIGN_OR_RETURN(joined.certificate_pem,
                       Sign(joining.node, joining.address, joining.csr_pem));
  if (repeated) {
    return joined;
  }
  v1::StoredNode node;
  node.set_address(joining.address);
  node.set_joined_ms(clock_.WallMilliseconds());
  PGM_ASSIGN_OR_RETURN(const int64_t not_after, CertificateNotAfter(joined.certificate_pem));
  node.set_certificate_not_after_ms(not_after);
  stored.set_used_by_key_sha256(key);
  Transaction transaction;
  transaction.puts.push_back(Put{kTokenKind, token->id, stored.SerializeAsString(), token_version});
  transaction.puts.push_back(Put{kNodeKind, joining.node, node.SerializeAsString(), 0});
  PGM_RETURN_IF_ERROR(store_.Commit(transaction));
  return joined;
}

absl::StatusOr<Joined> Registry::Renew(const std::string& node,
                                       const std::string& address,
                                       const std::string& csr_pem) {
  PGM_ASSIGN_OR_RETURN(v1::StoredNode stored, FindNode(node));
  Joined joined;
  joined.ca_pem = authority_.certificate_pem();
  PGM_ASSIGN_OR_RETURN(joined.certificate_pem, Sign(node, address, csr_pem));
  PGM_ASSIGN_OR_RETURN(const int64_t not_after, CertificateNotAfter(joined.certificate_pem));
  stored.set_certificate_not_after_ms(not_after);
  Transaction transaction;
  transaction.puts.push_back(Put{kNodeKind, node, stored.SerializeAsString(), std::nullopt});
  PGM_RETURN_IF_ERROR(store_.Commit(transaction));
  return joined;
}

// ---- Nodes ----

absl::StatusOr<std::map<std::string, v1::StoredNode>> Registry::Nodes() {
  return ListAll<v1::StoredNode>(store_, kNodeKind);
}

absl::StatusOr<std::map<std::string, std::string>> Registry::Addresses() {
  PGM_ASSIGN_OR_RETURN(const auto nodes, Nodes());
  std::map<std::string, std::string> addresses;
  for (const auto& [name, node] : nodes) {
    addresses[name] = node.address();
  }
  return addresses;
}

absl::StatusOr<v1::StoredNode> Registry::FindNode(const std::string& node) {
  const absl::StatusOr<Record> record = store_.Get(kNodeKind, node);
  if (absl::IsNotFound(record.status())) {
    return WithHint(absl::NotFoundError(absl::StrCat("node \"", node, "\" does not exist")),
                    "See pgmahout node list.");
  }
  PGM_RETURN_IF_ERROR(record.status());
  return Parse<v1::StoredNode>(*record);
}

absl::Status Registry::Seen(const std::string& node,
                            const std::string& address,
                            const std::string& agent_version,
                            const std::string& state_id) {
  absl::StatusOr<v1::StoredNode> stored = FindNode(node);
  if (absl::IsNotFound(stored.status())) {
    return absl::PermissionDeniedError(
        absl::StrCat("node \"", node, "\" was removed from this controller"));
  }
  PGM_RETURN_IF_ERROR(stored.status());
  if (!stored->state_id().empty() && stored->state_id() != state_id) {
    return WithHint(
        absl::AlreadyExistsError(absl::StrCat("the certificate of node \"", node,
                                              "\" is used from another state directory")),
        "A disk was cloned, or the directory was made anew. Remove the node and join again.");
  }
  if (stored->state_id() == state_id && stored->address() == address &&
      stored->agent_version() == agent_version) {
    return absl::OkStatus();
  }
  stored->set_state_id(state_id);
  stored->set_address(address);
  stored->set_agent_version(agent_version);
  Transaction transaction;
  transaction.puts.push_back(Put{kNodeKind, node, stored->SerializeAsString(), std::nullopt});
  return store_.Commit(transaction);
}

absl::Status Registry::RemoveNode(const std::string& node) {
  PGM_RETURN_IF_ERROR(FindNode(node).status());
  Transaction transaction;
  transaction.erases.push_back(Erase{kNodeKind, node, std::nullopt});
  return store_.Commit(transaction);
}

}  // namespace pgmahout::controller
