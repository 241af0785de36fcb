// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/memory_file.h"

#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/fingerprint.h"
#include "common/base/status_macros.h"

namespace pgmahout::agent {
namespace {

constexpr absl::string_view kCheckPrefix = "check=";

constexpr char kStartAnew[] =
    "Never bring an older copy of that file back: it would let the node obey orders that are over. "
    "If another member of the cluster has the data: stop PostgreSQL here, move the data "
    "directories "
    "and the state directory away, remove the node (pgmahout node remove NAME) and let it join and "
    "be copied again.";

using Lines = std::map<std::string, std::string>;

std::string Seal(const Lines& lines) {
  std::string text;
  for (const auto& [name, value] : lines) {
    absl::StrAppend(&text, name, "=", value, "\n");
  }
  absl::StrAppend(&text, kCheckPrefix, absl::Hex(Fingerprint(text), absl::kZeroPad16), "\n");
  return text;
}

absl::StatusOr<Lines> Unseal(absl::string_view text) {
  const size_t check_at = text.rfind(kCheckPrefix);
  if (check_at == absl::string_view::npos) {
    return absl::DataLossError("the check sum is missing");
  }
  const absl::string_view body = text.substr(0, check_at);
  const std::string expected =
      absl::StrCat(kCheckPrefix, absl::Hex(Fingerprint(body), absl::kZeroPad16), "\n");
  if (text.substr(check_at) != expected) {
    return absl::DataLossError("the check sum does not match");
  }
  Lines lines;
  for (const auto& line : absl::StrSplit(body, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    lines[parts.first] = parts.second;
  }
  return lines;
}

// Each of them decides what is obeyed or which data is ours: without it nothing can be assumed.
absl::Status RequireAll(const Lines& lines) {
  for (const char* name : {"epoch", "cluster", "system_identifier", "data_number"}) {
    if (lines.count(name) == 0) {
      return absl::DataLossError(absl::StrCat(name, " is missing"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadNumber(const Lines& lines, const std::string& name, uint64_t* value) {
  const auto found = lines.find(name);
  if (found == lines.end()) {
    *value = 0;
    return absl::OkStatus();
  }
  return absl::SimpleAtoi(found->second, value)
             ? absl::OkStatus()
             : absl::DataLossError(absl::StrCat(name, " is no number"));
}

}  // namespace

std::string EncodeMemory(const Memory& memory) {
  return Seal({{"epoch", absl::StrCat(memory.epoch)},
               {"cluster", memory.cluster},
               {"system_identifier", absl::StrCat(memory.system_identifier)},
               {"data_number", absl::StrCat(memory.data_number)},
               {"started_epoch", absl::StrCat(memory.started_epoch)},
               {"rewind_tried_epoch", absl::StrCat(memory.rewind_tried_epoch)},
               {"replaced_epoch", absl::StrCat(memory.replaced_epoch)},
               {"backfilled_epoch", absl::StrCat(memory.backfilled_epoch)},
               {"checkpointed_epoch", absl::StrCat(memory.checkpointed_epoch)},
               {"alone_epoch", absl::StrCat(memory.alone_epoch)},
               {"adopted", memory.adopted ? "1" : "0"}});
}

absl::StatusOr<Memory> DecodeMemory(absl::string_view text) {
  PGM_ASSIGN_OR_RETURN(const Lines lines, Unseal(text));
  PGM_RETURN_IF_ERROR(RequireAll(lines));
  Memory memory;
  memory.cluster = lines.at("cluster");
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "epoch", &memory.epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "system_identifier", &memory.system_identifier));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "data_number", &memory.data_number));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "started_epoch", &memory.started_epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "rewind_tried_epoch", &memory.rewind_tried_epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "replaced_epoch", &memory.replaced_epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "backfilled_epoch", &memory.backfilled_epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "checkpointed_epoch", &memory.checkpointed_epoch));
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "alone_epoch", &memory.alone_epoch));
  uint64_t adopted = 0;
  PGM_RETURN_IF_ERROR(ReadNumber(lines, "adopted", &adopted));
  memory.adopted = adopted != 0;
  return memory;
}

absl::StatusOr<Memory> LoadMemory(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) {
    return Memory{};
  }
  PGM_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Memory> memory = DecodeMemory(*text);
  if (!memory.ok()) {
    return WithInfo(
        Annotate(memory.status(), absl::StrCat("cannot trust the agent's memory \"", path, "\"")),
        ErrorInfo{"memory-damaged",
                  "It says which orders this node has obeyed and which data directory is current. "
                  "PostgreSQL was not touched; as a primary it is stopped when its lease is over.",
                  kStartAnew});
  }
  return memory;
}

absl::Status CheckMemoryIsThere(const std::string& path, const std::string& data_root) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    return absl::OkStatus();
  }
  for (const auto& entry : std::filesystem::directory_iterator(data_root, error)) {
    if (absl::StartsWith(entry.path().filename().string(), "pgdata.")) {
      return WithInfo(
          absl::DataLossError(absl::StrCat("the agent's memory \"", path,
                                           "\" is gone, but there is \"", entry.path().string(),
                                           "\"")),
          ErrorInfo{"memory-lost",
                    "Without it nobody knows which orders this node has obeyed. PostgreSQL was not "
                    "touched.",
                    kStartAnew});
    }
  }
  return absl::OkStatus();
}

absl::Status StoreMemory(const std::string& path, const Memory& memory) {
  return WriteFileDurably(path, EncodeMemory(memory), 0600);
}

std::optional<Lease> LoadLease(const std::string& path, const std::string& boot_id) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return std::nullopt;
  }
  const absl::StatusOr<Lines> lines = Unseal(*text);
  uint64_t epoch = 0;
  uint64_t deadline = 0;
  if (!lines.ok() || lines->count("boot_id") == 0 || lines->at("boot_id") != boot_id ||
      !ReadNumber(*lines, "epoch", &epoch).ok() ||
      !ReadNumber(*lines, "deadline_ms", &deadline).ok()) {
    return std::nullopt;
  }
  Lease lease{epoch, BootTime::FromMilliseconds(static_cast<int64_t>(deadline)), Duration{0}, {}};
  uint64_t length = 0;
  uint64_t number = 0;
  if (ReadNumber(*lines, "length_ms", &length).ok() &&
      ReadNumber(*lines, "witness_number", &number).ok() && lines->count("witnesses") > 0) {
    lease.length = Duration{static_cast<int64_t>(length)};
    lease.quorum.number = static_cast<uint32_t>(number);
    lease.quorum.standbys = absl::StrSplit(lines->at("witnesses"), ',', absl::SkipEmpty());
  }
  return lease;
}

absl::Status StoreLease(const std::string& path, const std::string& boot_id, const Lease& lease) {
  return WriteFileAtomically(path,
                             Seal({{"boot_id", boot_id},
                                   {"epoch", absl::StrCat(lease.epoch)},
                                   {"deadline_ms", absl::StrCat(lease.deadline.milliseconds())},
                                   {"length_ms", absl::StrCat(lease.length.count())},
                                   {"witness_number", absl::StrCat(lease.quorum.number)},
                                   {"witnesses", absl::StrJoin(lease.quorum.standbys, ",")}}),
                             0600);
}

}  // namespace pgmahout::agent
