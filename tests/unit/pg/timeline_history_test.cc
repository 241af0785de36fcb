// SPDX-License-Identifier: Apache-2.0
// Which timeline a position belongs to.
#include "common/pg/timeline_history.h"

#include <gtest/gtest.h>

namespace pgmahout {
namespace {

const std::map<uint32_t, Lsn> kEnds{{1, Lsn{0x100}}, {3, Lsn{0x300}}};

TEST(TimelineOf, APositionBehindTheForkIsOfTheTimelineItself) {
  EXPECT_EQ(TimelineOf(Lsn{0x301}, 4, kEnds), 4U);
  EXPECT_EQ(TimelineOf(Lsn{0x300}, 4, kEnds), 4U);
}

TEST(TimelineOf, WhatHasNotReachedTheForkIsItsAncestors) {
  EXPECT_EQ(TimelineOf(Lsn{0x2FF}, 4, kEnds), 3U);
  EXPECT_EQ(TimelineOf(Lsn{0x100}, 4, kEnds), 3U);
  EXPECT_EQ(TimelineOf(Lsn{0xFF}, 4, kEnds), 1U);
}

TEST(TimelineOf, ATimelineThatWasLeftBeforeItBeganHidesNothing) {
  const std::map<uint32_t, Lsn> ends{{1, Lsn{0x300}}, {3, Lsn{0x200}}};  // 4 was begun short of 3
  EXPECT_EQ(TimelineOf(Lsn{0x250}, 4, ends), 4U);
  EXPECT_EQ(TimelineOf(Lsn{0x1FF}, 4, ends), 1U);
}

TEST(TimelineOf, NothingIsGuessed) {
  EXPECT_EQ(TimelineOf(Lsn{0x50}, 4, {}), 4U);
  EXPECT_EQ(TimelineOf(Lsn{}, 4, kEnds), 4U);
}

}  // namespace
}  // namespace pgmahout
