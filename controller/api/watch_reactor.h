// SPDX-License-Identifier: Apache-2.0
// The stream behind `pgmahout watch`: a cluster's status now, and again whenever it has changed.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "absl/status/status.h"
#include "common/base/event_loop.h"
#include "controller/conductor/conductor.h"
#include "pgmahout/v1/resource.pb.h"

namespace pgmahout::controller {

// Ends with `refusal` at once unless it is OK. The reactor owns itself.
grpc::ServerWriteReactor<v1::ClusterStatus>* StartWatch(EventLoop& loop,
                                                        Conductor& conductor,
                                                        grpc::CallbackServerContext& context,
                                                        const std::string& cluster,
                                                        const absl::Status& refusal);

}  // namespace pgmahout::controller
