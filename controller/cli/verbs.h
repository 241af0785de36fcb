// SPDX-License-Identifier: Apache-2.0
// The verbs of `pgmahout`. Each reads its arguments from the session's options, prints data on
// stdout and the rest on stderr, and returns the error that decides the exit code.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "controller/cli/session.h"

namespace pgmahout::cli {

absl::Status Apply(Session* session);
absl::Status Diff(Session* session);

absl::Status ClusterList(Session* session);
absl::Status ClusterShow(Session* session);
absl::Status ClusterSwitchover(Session* session);
absl::Status ClusterFailover(Session* session);
absl::Status ClusterPause(Session* session);
absl::Status ClusterResume(Session* session);
absl::Status ClusterReinit(Session* session);
absl::Status ClusterRestart(Session* session);
absl::Status ClusterAdopt(Session* session);
absl::Status ClusterRelease(Session* session);
absl::Status ClusterDelete(Session* session);
absl::Status ClusterHistory(Session* session);
absl::Status ClusterExplain(Session* session);
absl::Status ClusterEvents(Session* session);
absl::Status ClusterCredentials(Session* session);
absl::Status Watch(Session* session);

absl::Status NodeList(Session* session);
absl::Status NodeShow(Session* session);
absl::Status NodeMaintenance(Session* session);
absl::Status NodeRemove(Session* session);

absl::Status TokenCreate(Session* session);
absl::Status TokenList(Session* session);
absl::Status TokenRevoke(Session* session);

absl::Status Version(Session* session);
absl::Status CompletionBash(Session* session);

}  // namespace pgmahout::cli
