// SPDX-License-Identifier: Apache-2.0
// Nothing but the place where headers are precompiled (PGM_COMMON_HEADERS in CMakeLists.txt).
