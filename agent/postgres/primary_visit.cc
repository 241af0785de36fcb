// SPDX-License-Identifier: Apache-2.0
#include "agent/postgres/primary_visit.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/core/config_file.h"
#include "common/base/status_macros.h"
#include "common/pg/quote.h"

namespace pgmahout::agent {
namespace {

// The last ones make the server give up a connection that was cut within seconds.
constexpr char kOptions[] =
    "-c search_path=pg_catalog -c client_connection_check_interval=1000 -c tcp_keepalives_idle=2 "
    "-c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=5000";

ConnectionWords WordsOf(const PrimaryAddress& where, const std::string& echo) {
  return {{"host", where.member.address}, {"port", absl::StrCat(where.member.port)},
          {"dbname", "postgres"},         {"user", std::string(kReplicationRole)},
          {"password", where.password},   {"application_name", echo},
          {"sslmode", "verify-ca"},       {"sslrootcert", where.ca_file},
          {"keepalives_idle", "2"},       {"tcp_user_timeout", "5000"},
          {"options", kOptions}};
}

std::string QueryFor(const std::string& echo) {
  return absl::StrCat(
      "SET application_name = ", QuoteLiteral(echo),
      "; SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_current_wal_flush_lsn()::text END, "
      "coalesce(current_setting(",
      QuoteLiteral(kWishParameter), ", true), '')");
}

absl::StatusOr<Visit> Read(Session& session,
                           const std::string& echo,
                           BootTime now,
                           BootTime deadline) {
  PGM_ASSIGN_OR_RETURN(const Rows rows, session.Query(QueryFor(echo), deadline));
  if (rows.size() != 1 || rows[0].size() != 2) {
    return absl::InternalError("the server's answer has another shape than was asked for");
  }
  if (rows[0][0].empty()) {
    return absl::FailedPreconditionError("the server there is a standby");
  }
  Visit visit;
  visit.at = now;
  visit.lsn = ParseLsn(rows[0][0]).value_or(Lsn{});
  if (!rows[0][1].empty() && !absl::SimpleAtoi(rows[0][1], &visit.wished_epoch)) {
    return absl::InternalError(absl::StrCat(kWishParameter, " is \"", rows[0][1], "\""));
  }
  return visit;
}

}  // namespace

absl::StatusOr<Visit> PrimaryVisit::Go(const PrimaryAddress& where,
                                       const std::string& echo,
                                       Duration timeout) {
  const BootTime now = clock_.Now();
  const BootTime deadline = now + timeout;
  if (!session_.has_value() || where_ != where) {
    session_.reset();
    PGM_ASSIGN_OR_RETURN(Session session, Session::Open(WordsOf(where, echo), deadline));
    session_.emplace(std::move(session));
    where_ = where;
  }
  absl::StatusOr<Visit> visit = Read(*session_, echo, now, deadline);
  if (!visit.ok()) {
    session_.reset();
  }
  return visit;
}

}  // namespace pgmahout::agent
