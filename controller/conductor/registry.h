// SPDX-License-Identifier: Apache-2.0
// Registry: which nodes there are, and the one-time tokens they join with. Lives on the loop; each
// change is committed before it is answered, in one short transaction.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/net/pki.h"
#include "controller/store/store.h"
#include "pgmahout/v1/store.pb.h"

namespace pgmahout::controller {

struct Joining {
  std::string token;
  std::string node;
  std::string address;
  std::string csr_pem;
};

struct Joined {
  std::string certificate_pem;
  std::string ca_pem;
};

struct NewToken {
  std::string text;  // shown once; only a hash is kept
  std::string id;
  int64_t expires_ms = 0;  // since the Unix epoch
};

class Registry {
 public:
  Registry(Store& store, const CertificateAuthority& authority, const Clock& clock);

  absl::StatusOr<NewToken> CreateToken(const std::string& node, int64_t ttl_seconds);
  absl::StatusOr<std::map<std::string, v1::StoredToken>> Tokens();
  absl::Status RevokeToken(const std::string& id);
  // "open", "used", "revoked", "expired".
  std::string StateOf(const v1::StoredToken& token) const;

  // Consumes the token in the same transaction that registers the node. PermissionDenied for a
  // token that is unknown, used, revoked, expired or for another node; AlreadyExists for a name
  // that is taken. The same key may repeat its request, so an answer that was lost loses nothing.
  absl::StatusOr<Joined> Join(const Joining& joining);

  // A fresh certificate for a node that is registered.
  absl::StatusOr<Joined> Renew(const std::string& node,
                               const std::string& address,
                               const std::string& csr_pem);

  absl::StatusOr<std::map<std::string, v1::StoredNode>> Nodes();
  // The address that each node's agent has told last.
  absl::StatusOr<std::map<std::string, std::string>> Addresses();
  absl::StatusOr<v1::StoredNode> FindNode(const std::string& node);
  // What an agent said of itself; PermissionDenied if the node is not registered, AlreadyExists if
  // another state directory has used its certificate before.
  absl::Status Seen(const std::string& node,
                    const std::string& address,
                    const std::string& agent_version,
                    const std::string& state_id);
  absl::Status RemoveNode(const std::string& node);

 private:
  absl::StatusOr<v1::StoredToken> CheckToken(const Joining& joining,
                                             const std::string& key,
                                             uint64_t* version);
  absl::StatusOr<std::string> Sign(const std::string& node,
                                   const std::string& address,
                                   const std::string& csr_pem) const;

  Store& store_;
  const CertificateAuthority& authority_;
  const Clock& clock_;
};

}  // namespace pgmahout::controller
