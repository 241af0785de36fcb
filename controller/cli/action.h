// SPDX-License-Identifier: Apache-2.0
// What an action said, for a person or a script.
#pragma once

#include <string>

#include "controller/cli/session.h"
#include "pgmahout/v1/admin.pb.h"

namespace pgmahout::cli {

// Prints the message, and the steps of a dry run, on stdout.
void PrintAction(const std::string& cluster, const v1::ActionResponse& response, Session* session);

}  // namespace pgmahout::cli
