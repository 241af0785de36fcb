// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/reply_error.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

// What one code means. In the texts, $K is the key, $Z the zone, $S the server.
struct Meaning {
  int code;
  absl::string_view name;
  absl::StatusCode status;
  absl::string_view reason;
  absl::string_view hint;
};

constexpr std::array kTsigMeanings = {
    Meaning{16, "NOTAUTH (BADSIG)", absl::StatusCode::kPermissionDenied, "dns-bad-signature",
            "The secret of key \"$K\" differs between this controller and server $S; configure "
            "the same one."},
    Meaning{17, "NOTAUTH (BADKEY)", absl::StatusCode::kPermissionDenied, "dns-unknown-key",
            "Server $S does not know key \"$K\" with this algorithm; include the key file in its "
            "configuration."},
    Meaning{18, "NOTAUTH (BADTIME)", absl::StatusCode::kFailedPrecondition, "dns-clock-differs",
            "The clocks of this machine and of server $S differ by more than 300 s; synchronize "
            "them."},
    Meaning{22, "NOTAUTH (BADTRUNC)", absl::StatusCode::kPermissionDenied, "dns-bad-signature",
            "Server $S wants longer signatures for key \"$K\"; check the key's algorithm."},
};

constexpr std::array kMeanings = {
    Meaning{LDNS_RCODE_FORMERR, "FORMERR", absl::StatusCode::kFailedPrecondition,
            "dns-not-understood",
            "Server $S does not understand the message; does it support RFC 2136 and TSIG?"},
    Meaning{LDNS_RCODE_SERVFAIL, "SERVFAIL", absl::StatusCode::kUnavailable, "dns-server-fails",
            "Look into the log of server $S: it may be unable to write the zone's journal."},
    Meaning{LDNS_RCODE_NOTIMPL, "NOTIMP", absl::StatusCode::kFailedPrecondition,
            "dns-not-understood", "Server $S does not support dynamic updates (RFC 2136)."},
    Meaning{LDNS_RCODE_REFUSED, "REFUSED", absl::StatusCode::kPermissionDenied, "dns-refused",
            "Check that server $S serves zone \"$Z\", answers queries from here, and allows the "
            "update; in BIND: zone \"$Z\" { ... update-policy { grant $K zonesub A AAAA TXT; }; "
            "};"},
    Meaning{LDNS_RCODE_NOTAUTH, "NOTAUTH", absl::StatusCode::kFailedPrecondition,
            "dns-no-authority",
            "Server $S is not the primary server of zone \"$Z\"; check the zone, and put its "
            "primary server first."},
    Meaning{LDNS_RCODE_NOTZONE, "NOTZONE", absl::StatusCode::kFailedPrecondition,
            "dns-name-outside-zone",
            "Server $S says that a name is not in zone \"$Z\"; choose names inside it."},
};

// RFC 2136, section 2.2: what a server says when a prerequisite does not hold.
bool IsPrerequisiteFailure(ldns_pkt_rcode rcode) {
  return rcode == LDNS_RCODE_YXDOMAIN || rcode == LDNS_RCODE_YXRRSET || rcode == LDNS_RCODE_NXRRSET;
}

std::string Fill(absl::string_view text, const DnsExchangeContext& context) {
  std::string filled;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      filled.push_back(text[i]);
      continue;
    }
    const char which = text[++i];
    absl::StrAppend(&filled, which == 'K'   ? context.key_name
                             : which == 'Z' ? context.zone
                                            : context.server);
  }
  return filled;
}

absl::Status Explain(const Meaning& meaning, const DnsExchangeContext& context) {
  return WithInfo(absl::Status(meaning.status, meaning.name),
                  {std::string(meaning.reason), "", Fill(meaning.hint, context)});
}

// A server that does not prove its key may be anybody: nothing good follows from what it says.
absl::Status NotSigned(const DnsExchangeContext& context) {
  return WithInfo(
      absl::PermissionDeniedError("the answer is not signed with our key"),
      {"dns-answer-not-signed", "",
       absl::StrCat("Check that server ", context.server, " has key \"", context.key_name,
                    "\", and that nothing between it and this machine answers in its place.")});
}

absl::Status BareStatus(const DnsReply& reply, const DnsExchangeContext& context) {
  if (reply.tsig_error != 0) {
    for (const Meaning& meaning : kTsigMeanings) {
      if (meaning.code == reply.tsig_error) {
        return Explain(meaning, context);
      }
    }
    return absl::PermissionDeniedError(absl::StrCat("NOTAUTH (TSIG error ", reply.tsig_error, ")"));
  }
  for (const Meaning& meaning : kMeanings) {
    if (meaning.code == reply.rcode) {
      return Explain(meaning, context);
    }
  }
  if (!context.key_name.empty() && !reply.authenticated) {
    return NotSigned(context);
  }
  if (reply.rcode == LDNS_RCODE_NOERROR || reply.rcode == LDNS_RCODE_NXDOMAIN) {
    return absl::OkStatus();
  }
  if (IsPrerequisiteFailure(reply.rcode)) {
    return absl::AbortedError("the records were changed by someone else meanwhile");
  }
  return absl::FailedPreconditionError(
      absl::StrCat("response code ", static_cast<int>(reply.rcode)));
}

}  // namespace

absl::Status AtServer(const absl::Status& status, const DnsExchangeContext& context) {
  return Annotate(status, absl::StrCat("cannot ", context.verb, " \"", context.name,
                                       "\" in zone \"", context.zone, "\" at ", context.server));
}

absl::Status ReplyStatus(const DnsReply& reply, const DnsExchangeContext& context) {
  return AtServer(BareStatus(reply, context), context);
}

}  // namespace pgmahout::controller
