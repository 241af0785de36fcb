// SPDX-License-Identifier: Apache-2.0
// Release: what a server is left with when nobody guards it any more: its configuration as it runs,
// with nothing in it that needs somebody.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pgmahout::agent {

// `config` as RenderConfig made it, for a server that is on its own: no standby has to confirm
// commits, and a new first line says whose file it is now. It has a pgmahout.config_id of its own.
std::string RenderReleased(absl::string_view config);

bool IsReleased(absl::string_view config);

// The rules for a server that is on its own. `hba` is what RenderHba made, `before` what it had
// replaced, empty if there was nothing: then our rules stay. Else the rules before, behind those by
// which the members' replication goes on. Rules that are no longer ours come back unchanged.
std::string RenderReleasedHba(absl::string_view hba, absl::string_view before);

// Whether RenderHba made these rules.
bool IsOurHba(absl::string_view hba);

}  // namespace pgmahout::agent
