// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/session.h"

#include <poll.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};

// The second: a server that is busy with a statement notices that we have given it up.
constexpr char kOptions[] = "-c search_path=pg_catalog -c client_connection_check_interval=1000";
constexpr Duration kLookForCancel{20};
constexpr Duration kLongest{60'000};

using Result = std::unique_ptr<PGresult, Clear>;

std::string MessageOf(const char* text) {
  return std::string(absl::StripAsciiWhitespace(text == nullptr ? "" : text));
}

Rows RowsOf(const PGresult* result) {
  Rows rows;
  for (int row = 0; row < PQntuples(result); ++row) {
    Row& values = rows.emplace_back();
    for (int column = 0; column < PQnfields(result); ++column) {
      values.emplace_back(PQgetvalue(result, row, column),
                          static_cast<size_t>(PQgetlength(result, row, column)));
    }
  }
  return rows;
}

absl::Status FailureOf(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  return WithInfo(
      absl::InvalidArgumentError(primary == nullptr ? MessageOf(PQresultErrorMessage(result))
                                                    : std::string(primary)),
      ErrorInfo{state == nullptr ? "" : state, detail == nullptr ? "" : detail, ""});
}

}  // namespace

absl::StatusOr<Session> Session::Open(const std::string& socket_directory,
                                      uint16_t port,
                                      const std::string& database,
                                      BootTime deadline,
                                      const std::atomic<bool>* cancelled) {
  return Open({{"host", socket_directory},
               {"port", absl::StrCat(port)},
               {"dbname", database},
               {"user", "postgres"},
               {"application_name", "pgmahout-agent"},
               {"options", kOptions}},
              deadline, cancelled);
}

absl::StatusOr<Session> Session::Open(const ConnectionWords& words,
                                      BootTime deadline,
                                      const std::atomic<bool>* cancelled) {
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : words) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  Session session(PQconnectStartParams(names.data(), values.data(), 0), cancelled);
  PGconn* connection = session.connection_.get();
  if (connection == nullptr) {
    return absl::ResourceExhaustedError("out of memory for a connection");
  }
  // "already exists, skipping" is no news; libpq would print it.
  PQsetNoticeReceiver(
      connection, [](void*, const PGresult*) {}, nullptr);
  while (PQstatus(connection) != CONNECTION_BAD) {
    const PostgresPollingStatusType step = PQconnectPoll(connection);
    if (step == PGRES_POLLING_OK) {
      PQsetnonblocking(connection, 1);
      return session;
    }
    if (step == PGRES_POLLING_FAILED) {
      break;
    }
    const short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    PGM_RETURN_IF_ERROR(session.Wait(events, deadline, "connecting"));
  }
  return absl::UnavailableError(MessageOf(PQerrorMessage(connection)));
}

absl::StatusOr<Rows> Session::Query(const std::string& sql, BootTime deadline) {
  PGconn* connection = connection_.get();
  if (PQsendQuery(connection, sql.c_str()) == 0) {
    return absl::UnavailableError(MessageOf(PQerrorMessage(connection)));
  }
  while (PQflush(connection) == 1) {
    PGM_RETURN_IF_ERROR(Wait(POLLIN | POLLOUT, deadline, "sending a statement"));
  }
  Rows rows;
  absl::Status failure;
  while (true) {
    while (PQisBusy(connection) == 1) {
      PGM_RETURN_IF_ERROR(Wait(POLLIN, deadline, "a statement"));
      if (PQconsumeInput(connection) == 0) {
        return absl::UnavailableError(MessageOf(PQerrorMessage(connection)));
      }
    }
    const Result result(PQgetResult(connection));
    if (result == nullptr) {
      break;
    }
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_TUPLES_OK) {
      rows = RowsOf(result.get());
    } else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY && failure.ok()) {
      failure = FailureOf(result.get());
    }
  }
  PGM_RETURN_IF_ERROR(failure);
  return rows;
}

absl::StatusOr<std::string> Session::ScramVerifier(const std::string& role,
                                                   const std::string& password) {
  char* verifier =
      PQencryptPasswordConn(connection_.get(), password.c_str(), role.c_str(), "scram-sha-256");
  if (verifier == nullptr) {
    return absl::InternalError(MessageOf(PQerrorMessage(connection_.get())));
  }
  std::string text(verifier);
  PQfreemem(verifier);
  return text;
}

// libpq may use another socket after each step, so it is asked each time.
absl::Status Session::Wait(short events, BootTime deadline, absl::string_view what) const {
  while (true) {
    if (cancelled_ != nullptr && cancelled_->load()) {
      return absl::CancelledError(absl::StrCat("cancelled while waiting for ", what));
    }
    const Duration left = deadline - SystemClock().Now();
    if (left <= Duration{0}) {
      return absl::DeadlineExceededError(absl::StrCat("PostgreSQL did not answer in time: ", what));
    }
    const Duration slice = std::min(left, cancelled_ == nullptr ? kLongest : kLookForCancel);
    pollfd wait{PQsocket(connection_.get()), events, 0};
    if (poll(&wait, 1, static_cast<int>(slice.count())) > 0) {
      return absl::OkStatus();
    }
  }
}

}  // namespace pgmahout::agent
