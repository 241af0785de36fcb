// SPDX-License-Identifier: Apache-2.0
#include "controller/conductor/secrets.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/net/pki.h"
#include "common/net/scram.h"
#include "pgmahout/v1/store.pb.h"

namespace pgmahout::controller {
namespace {

constexpr char kKind[] = "credential";

std::string KeyOf(const std::string& cluster, const std::string& role) {
  return absl::StrCat(cluster, "/", role);
}

// Binds a sealed password to its place, so that it cannot be moved to another record.
std::string PlaceOf(const std::string& key) {
  return absl::StrCat("pgmahout ", key);
}

absl::StatusOr<v1::StoredCredential> Load(Store& store, const std::string& key) {
  PGM_ASSIGN_OR_RETURN(const Record record, store.Get(kKind, key));
  v1::StoredCredential stored;
  if (!stored.ParseFromString(record.value)) {
    return absl::DataLossError(absl::StrCat("the credential \"", key, "\" is damaged"));
  }
  return stored;
}

}  // namespace

Secrets::Secrets(Store& store, SecretBox box) : store_(store), box_(std::move(box)) {}

absl::StatusOr<std::string> Secrets::NewReplicationPassword(const std::string& name) {
  return box_.Seal(GeneratePassword(), PlaceOf(KeyOf(name, "")));
}

absl::StatusOr<std::string> Secrets::OpenReplicationPassword(const std::string& name,
                                                             const std::string& sealed) const {
  return box_.Open(sealed, PlaceOf(KeyOf(name, "")));
}

absl::StatusOr<std::vector<Put>> Secrets::MissingCredentials(const ClusterSpec& spec) {
  std::vector<Put> puts;
  for (const RoleSpec& role : spec.roles) {
    const std::string key = KeyOf(spec.name, role.name);
    if (!role.login || store_.Get(kKind, key).ok()) {
      continue;
    }
    const std::string password = GeneratePassword();
    v1::StoredCredential stored;
    PGM_ASSIGN_OR_RETURN(*stored.mutable_password_sealed(), box_.Seal(password, PlaceOf(key)));
    PGM_ASSIGN_OR_RETURN(*stored.mutable_verifier(), NewScramVerifier(password));
    puts.push_back(Put{kKind, key, stored.SerializeAsString(), 0});
  }
  return puts;
}

absl::StatusOr<std::vector<RoleCredential>> Secrets::Verifiers(const ClusterSpec& spec) const {
  std::vector<RoleCredential> credentials;
  for (const RoleSpec& role : spec.roles) {
    if (role.login) {
      PGM_ASSIGN_OR_RETURN(const v1::StoredCredential stored,
                           Load(store_, KeyOf(spec.name, role.name)));
      credentials.push_back(RoleCredential{role.name, stored.verifier()});
    }
  }
  return credentials;
}

absl::StatusOr<std::string> Secrets::Password(const std::string& cluster,
                                              const std::string& role) const {
  const std::string key = KeyOf(cluster, role);
  const absl::StatusOr<v1::StoredCredential> stored = Load(store_, key);
  if (absl::IsNotFound(stored.status())) {
    return WithHint(absl::NotFoundError(absl::StrCat("role \"", role, "\" of cluster \"", cluster,
                                                     "\" has no password")),
                    "Only roles with login: true in the spec have one.");
  }
  PGM_RETURN_IF_ERROR(stored.status());
  return box_.Open(stored->password_sealed(), PlaceOf(key));
}

}  // namespace pgmahout::controller
