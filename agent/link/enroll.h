// SPDX-License-Identifier: Apache-2.0
// Enroll: how a node gets its certificate: once with a one-time token, later by renewing it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

struct EnrollConfig {
  std::string controller;  // host:port
  std::string node;
  std::string address;
  std::string certificate_file, key_file, ca_file;
};

// Whether this node has joined: it has a certificate. CheckIdentity() tells whether it can be used.
bool HasIdentity(const EnrollConfig& config);

// Whether the three files are whole and belong together, and the certificate is this node's. Its
// hint says how to get out of it.
absl::Status CheckIdentity(const EnrollConfig& config);

// Trades `token` for a certificate and stores the three files durably (the key with mode 0600; it
// never leaves this machine). Blocks up to about 20 s. PermissionDenied: the token is not good or
// the controller is not the one it was made by; Unavailable: nobody answers.
absl::Status Join(const EnrollConfig& config, const std::string& token);

// A new certificate for the same key, in place of the old one. Blocks up to about 10 s.
absl::Status Renew(const EnrollConfig& config);

}  // namespace pgmahout::agent
