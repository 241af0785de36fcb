// SPDX-License-Identifier: Apache-2.0
// What an agent says of itself before anything else.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/names.h"
#include "common/wire/agent_checks.h"
#include "common/wire/convert.h"

namespace pgmahout {
namespace {

constexpr size_t kIdBytesMax = 128;

bool IsAddress(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
}

absl::Status CheckId(absl::string_view field, const std::string& text) {
  const bool printable = std::all_of(text.begin(), text.end(), absl::ascii_isgraph);
  if (text.size() <= kIdBytesMax && printable) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(field, " must be at most ", kIdBytesMax,
                                                 " printable characters without spaces; it has ",
                                                 text.size(), " bytes"));
}

}  // namespace

absl::Status CheckHello(const v1::Hello& hello) {
  PGM_RETURN_IF_ERROR(CheckObjectName("node name", hello.node()));
  const std::array<std::pair<absl::string_view, const std::string*>, 4> ids = {{
      {"agentVersion", &hello.agent_version()},
      {"bootId", &hello.boot_id()},
      {"instanceId", &hello.instance_id()},
      {"stateId", &hello.state_id()},
  }};
  for (const auto& [field, text] : ids) {
    PGM_RETURN_IF_ERROR(CheckId(field, *text));
  }
  if (!IsAddress(hello.address())) {
    return WithHint(absl::InvalidArgumentError(absl::StrCat(
                        "the address \"", absl::CEscape(hello.address().substr(0, kIdBytesMax)),
                        "\" is no IP address")),
                    "Name the IP address of this VM in agent.yaml: address.");
  }
  return CheckWireList("postgresMajors", hello.postgres_majors_size());
}

}  // namespace pgmahout
