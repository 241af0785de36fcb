// SPDX-License-Identifier: Apache-2.0
// Numbers of timelines. PostgreSQL numbers a new one after the last of the history files that it
// finds in an unbroken row ("Timelines", PostgreSQL docs section 26.3.5). While the primary changes
// it looks into pg_wal only. So what must not be taken is put there before a promotion: histories
// that the archive has, and a placeholder for each other number that an earlier candidate may have
// begun. The archive gets these too (BackfillArchive), or a recovery from it would end at the gap.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "agent/postgres/step_run.h"

namespace pgmahout::agent {

// Before a promotion from `timeline` by `run.step`: what step.new_timeline forbids is taken (I9).
absl::Status TakeTimelineNumbers(const StepRun& run, uint32_t timeline);

// Whether the history at `path` only keeps a number from being taken.
bool IsTimelinePlaceholder(const std::string& path);

// Before the server of `data_directory` starts: placeholders of a promotion that did not come about
// go. As the latest timeline a standby would refuse one: it is nobody's child.
absl::Status RemoveVainPlaceholders(const std::string& data_directory);

}  // namespace pgmahout::agent
