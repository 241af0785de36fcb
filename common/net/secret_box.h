// SPDX-License-Identifier: Apache-2.0
// SecretBox: seals small secrets for the store with AES-256-GCM. The key lies in a file of its own,
// so a copy of the store alone gives nothing away.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pgmahout {

class SecretBox {
 public:
  // The key in `path` (mode 0600), made if there is none. A damaged one is refused, never replaced.
  static absl::StatusOr<SecretBox> LoadOrCreate(const std::string& path);

  // Text that only Open with the same `place` turns back: a sealed secret cannot be moved to
  // another record.
  absl::StatusOr<std::string> Seal(absl::string_view secret, absl::string_view place) const;

  // DataLoss if the text was changed, moved, or sealed with another key.
  absl::StatusOr<std::string> Open(absl::string_view sealed, absl::string_view place) const;

 private:
  explicit SecretBox(std::string key) : key_(std::move(key)) {}

  std::string key_;  // 32 bytes
};

}  // namespace pgmahout
