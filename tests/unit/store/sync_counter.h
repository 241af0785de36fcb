// SPDX-License-Identifier: Apache-2.0
// Stands between SQLite and the kernel: counts fsync and fdatasync of this program, and can make
// them fail as a broken disk does.
#pragma once

namespace pgmahout::controller {

// Calls since the program started.
int SyncCount();

// While `fail` is set, every call returns EIO.
void FailSyncs(bool fail);

// While `skip` is set, calls succeed at once; for tests that open stores by the hundred.
void SkipSyncs(bool skip);

}  // namespace pgmahout::controller
