// SPDX-License-Identifier: Apache-2.0
// Nothing but the place where headers of tests are precompiled (tests/CMakeLists.txt).
