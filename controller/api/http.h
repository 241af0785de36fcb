// SPDX-License-Identifier: Apache-2.0
// The controller's HTTP endpoint: /healthz, /metrics, and /targets for Prometheus' http_sd.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "controller/api/http_snapshot.h"

namespace pgmahout::controller {

class ControllerHttp {
 public:
  // Listens on "host:port". The error names the address that cannot be used.
  static absl::StatusOr<std::unique_ptr<ControllerHttp>> Start(const std::string& listen,
                                                               const Clock& clock = SystemClock());

  virtual ~ControllerHttp() = default;

  // Thread-safe, does not block. /healthz answers 503 when the last one is older than 5 s: then the
  // loop hangs.
  virtual void Update(ControllerSnapshot snapshot) = 0;
};

}  // namespace pgmahout::controller
