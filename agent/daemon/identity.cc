// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/identity.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/pki.h"

namespace pgmahout::agent {
namespace {

constexpr size_t kStateIdDigits = 32;
constexpr Duration kRetryPeriod{1'000};
constexpr Duration kLookPeriod{3'600'000};
constexpr int64_t kRenewBeforeMilliseconds = int64_t{30} * 24 * 3600 * 1000;

// Waits on nothing but time, on the main thread, before there is a loop.
void Pause(Duration duration) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, duration);
}

absl::StatusOr<std::string> ReadToken(const EnrollConfig& config, const std::string& token_file) {
  absl::StatusOr<std::string> token =
      token_file.empty() ? absl::NotFoundError("no token") : ReadFile(token_file, 4096);
  if (!absl::IsNotFound(token.status())) {
    return token;
  }
  return WithHint(
      absl::FailedPreconditionError(
          absl::StrCat("node \"", config.node, "\" has not joined a controller yet")),
      absl::StrCat("Make a token (pgmahout token create --node ", config.node,
                   ") and start the agent with --token-file FILE; as a service, put it into "
                   "/etc/credstore/pgmahout.token for that first start."));
}

}  // namespace

StateLock::StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StateLock::~StateLock() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::StatusOr<StateLock> LockState(const std::string& state_dir) {
  const std::string path = absl::StrCat(state_dir, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot open \"", path, "\""));
  }
  StateLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("another agent uses state directory \"", state_dir, "\"")),
                    "Only one agent may run for a node.");
  }
  return lock;
}

absl::Status EnsureIdentity(const EnrollConfig& config, const std::string& token_file) {
  if (HasIdentity(config)) {
    return CheckIdentity(config);
  }
  PGM_ASSIGN_OR_RETURN(const std::string token, ReadToken(config, token_file));
  std::string last_error;
  while (true) {
    const absl::Status status = Join(config, token);
    if (status.ok()) {
      LogInfo("joined the controller", {{"node", config.node}, {"controller", config.controller}});
      return status;
    }
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) {
      return status;
    }
    if (const std::string error(status.message()); error != last_error) {
      LogWarning("cannot join yet", {{"error", error}});
      last_error = error;
    }
    Pause(kRetryPeriod);
  }
}

absl::StatusOr<std::string> LoadStateId(const std::string& state_dir) {
  const std::string path = absl::StrCat(state_dir, "/state-id");
  const absl::StatusOr<std::string> id = ReadFile(path, 256);
  if (!absl::IsNotFound(id.status())) {
    PGM_RETURN_IF_ERROR(id.status());
    if (id->size() == kStateIdDigits && id->find_first_not_of("0123456789abcdef") == id->npos) {
      return *id;
    }
    return WithInfo(
        absl::DataLossError(
            absl::StrCat("\"", path, "\" is damaged: it holds no ", kStateIdDigits, " hex digits")),
        ErrorInfo{"state-id-damaged", "",
                  "The controller knows this node by it. Restore the file from a backup, "
                  "or remove the node and let it join again: pgmahout node remove NAME"});
  }
  const std::string fresh = RandomHex(kStateIdDigits / 2);
  PGM_RETURN_IF_ERROR(WriteFileDurably(path, fresh, 0600));
  return fresh;
}

void KeepIdentityFresh(EventLoop& loop, const EnrollConfig& config) {
  // Renewing blocks, so it has a thread of its own for as long as the process lives.
  auto worker = std::make_shared<Worker>("renew");
  loop.Every(kLookPeriod, [worker, config] {
    worker->Post([config] {
      const absl::StatusOr<std::string> certificate = ReadFile(config.certificate_file);
      const auto not_after =
          certificate.ok() ? CertificateNotAfter(*certificate) : certificate.status();
      if (not_after.ok() &&
          *not_after - SystemClock().WallMilliseconds() > kRenewBeforeMilliseconds) {
        return;
      }
      const absl::Status status = Renew(config);
      if (status.ok()) {
        LogInfo("renewed the certificate of this node");
      } else {
        LogWarning("cannot renew the certificate of this node",
                   {{"error", std::string(status.message())}});
      }
    });
  });
}

}  // namespace pgmahout::agent
