// SPDX-License-Identifier: Apache-2.0
// What a server's answer means for an attempt: the response code and the TSIG error as a Status.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controller/dns/message.h"

namespace pgmahout::controller {

// Who was asked for what; names it in errors.
struct DnsExchangeContext {
  std::string verb;  // "read", "update"
  std::string name;
  std::string zone;
  std::string server;    // "192.0.2.1:53"
  std::string key_name;  // empty: the request was not signed
};

// `status` with "cannot update "orders-rw.db.example." in zone "db.example." at 192.0.2.1:53"
// before its message.
absl::Status AtServer(const absl::Status& status, const DnsExchangeContext& context);

// OK if the server did what it was asked (or says that the name does not exist) and, for a signed
// request, proved that it has the key. Aborted: a prerequisite of the update does not hold, and the
// server proved to say so; nothing was changed. Otherwise as DnsPublisher tells.
absl::Status ReplyStatus(const DnsReply& reply, const DnsExchangeContext& context);

}  // namespace pgmahout::controller
