// SPDX-License-Identifier: Apache-2.0
// Session: one libpq connection with a deadline for everything it does. Only sockets and numeric
// addresses: a name lookup could block.
//
// Used by one thread. Errors: Unavailable (the server refuses connections, with SQLSTATE as the
// reason where there is one), DeadlineExceeded (it does not answer in time), InvalidArgument (the
// statement failed; the message is PostgreSQL's, the reason its SQLSTATE).
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

using Row = std::vector<std::string>;  // NULL is an empty text
using Rows = std::vector<Row>;
using ConnectionWords = std::vector<std::pair<std::string, std::string>>;  // libpq's keywords

class Session {
 public:
  // Connects to the superuser on the Unix socket in `socket_directory`. `cancelled` may be null;
  // when another thread sets it, whatever waits returns Cancelled within 20 ms.
  static absl::StatusOr<Session> Open(const std::string& socket_directory,
                                      uint16_t port,
                                      const std::string& database,
                                      BootTime deadline,
                                      const std::atomic<bool>* cancelled = nullptr);

  // Connects as `words` say; the address must be numeric, as a name lookup would block.
  static absl::StatusOr<Session> Open(const ConnectionWords& words,
                                      BootTime deadline,
                                      const std::atomic<bool>* cancelled = nullptr);

  // Runs one or several statements; the rows of the last one.
  absl::StatusOr<Rows> Query(const std::string& sql, BootTime deadline);

  // `password` as the server stores it, so that it appears in no statement.
  absl::StatusOr<std::string> ScramVerifier(const std::string& role, const std::string& password);

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  Session(PGconn* connection, const std::atomic<bool>* cancelled)
      : connection_(connection), cancelled_(cancelled) {}

  // Until the socket is ready for `events`.
  absl::Status Wait(short events, BootTime deadline, absl::string_view what) const;

  std::unique_ptr<PGconn, Close> connection_;
  const std::atomic<bool>* cancelled_;
};

}  // namespace pgmahout::agent
