// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent_postgres/certificates.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/durable_file.h"
#include "common/base/subprocess.h"

namespace pgmahout::agent {
namespace {

void OpenSsl(std::vector<std::string> arguments) {
  Command command;
  command.argv = {"/usr/bin/openssl"};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  PGM_CHECK(RunCommandOrFail(std::move(command)).ok());
}

std::vector<std::string> NewKey(const std::string& file) {
  return {"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file};
}

}  // namespace

void MakeAuthority(const std::string& directory) {
  std::vector<std::string> arguments = NewKey(directory + "/ca.key");
  for (const std::string& word : std::vector<std::string>{
           "-x509", "-days", "2", "-subj", "/CN=test CA", "-out", directory + "/ca.crt"}) {
    arguments.push_back(word);
  }
  OpenSsl(arguments);
}

CertificateFiles MakeCertificate(const std::string& authority_directory,
                                 const std::string& node,
                                 const std::string& address) {
  const std::string stem = absl::StrCat(authority_directory, "/", node);
  std::vector<std::string> request = NewKey(stem + ".key");
  for (const std::string& word :
       std::vector<std::string>{"-subj", "/CN=" + node, "-out", stem + ".csr"}) {
    request.push_back(word);
  }
  OpenSsl(request);
  PGM_CHECK(
      WriteFileAtomically(stem + ".ext", absl::StrCat("subjectAltName=IP:", address, "\n"), 0600)
          .ok());
  OpenSsl({"x509", "-req", "-in", stem + ".csr", "-CA", authority_directory + "/ca.crt", "-CAkey",
           authority_directory + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile",
           stem + ".ext", "-out", stem + ".crt"});
  return CertificateFiles{stem + ".crt", stem + ".key", authority_directory + "/ca.crt"};
}

}  // namespace pgmahout::agent
