// SPDX-License-Identifier: Apache-2.0
#include "controller/daemon/admin_files.h"

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace pgmahout::controller {
namespace {

constexpr int kAdminDays = 365;
constexpr int64_t kDayMilliseconds = int64_t{24} * 3600 * 1000;

bool IsFresh(const std::string& path, const Clock& clock) {
  const absl::StatusOr<std::string> certificate = ReadFile(path);
  if (!certificate.ok()) {
    return false;
  }
  const absl::StatusOr<int64_t> not_after = CertificateNotAfter(*certificate);
  return not_after.ok() &&
         *not_after - clock.WallMilliseconds() > kAdminDays / 3 * kDayMilliseconds;
}

}  // namespace

absl::Status EnsureAdminFiles(const std::string& state_dir,
                              const std::string& listen,
                              const CertificateAuthority& authority,
                              const Clock& clock) {
  const std::string directory = state_dir + "/admin";
  PGM_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  if (!IsFresh(directory + "/admin.crt", clock)) {
    CertificateTerms terms;
    terms.identity = Identity{IdentityKind::kAdmin, "root"};
    terms.days = kAdminDays;
    terms.now_ms = clock.WallMilliseconds();
    PGM_ASSIGN_OR_RETURN(const KeyAndCertificate issued, authority.Issue(terms));
    PGM_RETURN_IF_ERROR(WriteFileDurably(directory + "/admin.key", issued.key_pem, 0600));
    PGM_RETURN_IF_ERROR(WriteFileDurably(directory + "/ca.crt", authority.certificate_pem(), 0644));
    PGM_RETURN_IF_ERROR(WriteFileDurably(directory + "/admin.crt", issued.certificate_pem, 0644));
    LogInfo("made an admin certificate", {{"directory", directory}});
  }
  return WriteFileDurably(directory + "/config.yaml",
                          absl::StrCat("# Written by pgmahout-controller at each start.\n"
                                       "currentContext: default\n"
                                       "contexts:\n"
                                       "  default:\n"
                                       "    controller: ",
                                       listen,
                                       "\n"
                                       "    ca: ca.crt\n"
                                       "    certificate: admin.crt\n"
                                       "    key: admin.key\n"),
                          0600);
}

}  // namespace pgmahout::controller
