// SPDX-License-Identifier: Apache-2.0
// The order file: how the agent feeds its guard. It holds one order, and each write replaces it.
//
// Written to a temporary name and renamed, so a reader sees one whole order, the old or the new
// one. Not fsynced: after another boot a BootTime means nothing, and the boot id inside says so. It
// belongs on a tmpfs (/run), where a hung disk can stop neither the writer nor the reader.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"

namespace pgmahout::guard {

struct GuardOrder {
  // False: PostgreSQL may run whatever the time is (a standby, or nothing that could write).
  bool armed = false;
  std::string data_directory;  // absolute; every process that works in it is the server's
  std::string cgroup;          // absolute path of its cgroup v2 directory; empty: none known
  BootTime deadline;           // from here on no process of the server may run
  uint64_t epoch = 0;          // for the report

  friend bool operator==(const GuardOrder&, const GuardOrder&) = default;
};

// Where the agent writes. One writer at a time: the temporary name is fixed.
class GuardFile {
 public:
  // `path` is absolute and its directory exists. Leaves the file as it is.
  static absl::StatusOr<GuardFile> Open(const std::string& path);

  // Replaces the order. InvalidArgument, and the file untouched, for an order that no guard could
  // obey. A write that failed renews nothing: the deadline before it still counts.
  //
  // The guard sees an order within kGuardPoll: arm it at least that long before its deadline, and
  // before PostgreSQL may write. Before each round of kills it reads the order again, so a server
  // may be started once an order that allows it was written.
  absl::Status Write(const GuardOrder& order);

 private:
  GuardFile(std::string path, std::string boot_id);

  std::string path_;
  std::string boot_id_;
};

// How soon a guard sees a new order at the latest, while it gets the CPU.
inline constexpr Duration kGuardPoll{200};

// The order in `path`. Errors: NotFound (no file), FailedPrecondition (an order of another boot,
// which is none), DataLoss (damaged).
absl::StatusOr<GuardOrder> ReadGuardOrder(const std::string& path, const std::string& boot_id);

// The same for the text of the file.
absl::StatusOr<GuardOrder> DecodeGuardOrder(absl::string_view text, const std::string& boot_id);
std::string EncodeGuardOrder(const GuardOrder& order, const std::string& boot_id);

}  // namespace pgmahout::guard
