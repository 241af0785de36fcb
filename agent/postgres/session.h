// SPDX-License-Identifier: Apache-2.0
// Session: one libpq connection with a deadline for everything it does. Only sockets and numeric
// addresses: a name lookup could block.
//
// Used by one thread. Errors: Unavailable (the server refuses connections, with SQLSTATE as the
// reason where there is one), DeadlineExceeded (it does not answer in time), InvalidArgument (the
// statement failed; the message is PostgreSQL's).
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout::agent {

using Row = std::vector<std::string>;  // NULL is an empty text
using Rows = std::vector<Row>;

class Session {
 public:
  // Connects to the superuser on the Unix socket in `socket_directory`.
  static absl::StatusOr<Session> Open(const std::string& socket_directory,
                                      uint16_t port,
                                      const std::string& database,
                                      BootTime deadline);

  // Runs one or several statements; the rows of the last one.
  absl::StatusOr<Rows> Query(const std::string& sql, BootTime deadline);

 private:
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  explicit Session(PGconn* connection) : connection_(connection) {}

  std::unique_ptr<PGconn, Close> connection_;
};

}  // namespace pgmahout::agent
