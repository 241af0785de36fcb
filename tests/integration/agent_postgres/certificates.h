// SPDX-License-Identifier: Apache-2.0
// A certificate authority and node certificates for tests, made by the openssl program.
#pragma once

#include <string>

namespace pgmahout::agent {

struct CertificateFiles {
  std::string certificate;
  std::string key;
  std::string authority;
};

// Makes ca.crt and ca.key in `directory`. Aborts the test program if openssl fails.
void MakeAuthority(const std::string& directory);

// A certificate for the IP `address`, signed by the authority in `authority_directory`.
CertificateFiles MakeCertificate(const std::string& authority_directory,
                                 const std::string& node,
                                 const std::string& address);

}  // namespace pgmahout::agent
