// SPDX-License-Identifier: Apache-2.0
// PostgreSQL's error anatomy survives every hand it goes through.
#include "common/base/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace pgmahout {
namespace {

absl::Status Sample() {
  return WithInfo(absl::NotFoundError("no cluster \"orders\""),
                  ErrorInfo{"not-found", "The store has two clusters.", "See pgmahout get."});
}

TEST(ErrorInfo, ComesBackAsItWasAttached) {
  const ErrorInfo info = InfoOf(Sample());
  EXPECT_EQ(info.reason, "not-found");
  EXPECT_EQ(info.detail, "The store has two clusters.");
  EXPECT_EQ(info.hint, "See pgmahout get.");
}

TEST(ErrorInfo, TravelsAsBytes) {
  const absl::Status received =
      DecodeInfo(absl::NotFoundError("no cluster \"orders\""), EncodeInfo(Sample()));
  EXPECT_EQ(received, Sample());
}

TEST(ErrorInfo, OfAPlainStatusIsEmpty) {
  EXPECT_EQ(EncodeInfo(absl::InternalError("x")), "");
  EXPECT_EQ(InfoOf(absl::InternalError("x")).hint, "");
  EXPECT_EQ(InfoOf(DecodeInfo(absl::InternalError("x"), "garbage")).detail, "");
}

TEST(ErrorInfo, DoesNotStickToOk) {
  EXPECT_TRUE(WithInfo(absl::OkStatus(), ErrorInfo{"r", "d", "h"}).ok());
  EXPECT_TRUE(DecodeInfo(absl::OkStatus(), EncodeInfo(Sample())).ok());
  EXPECT_TRUE(Annotate(absl::OkStatus(), "reading").ok());
}

TEST(ErrorInfo, LaterPartsAreAddedToEarlierOnes) {
  const ErrorInfo info = InfoOf(WithHint(Sample(), "Create it first."));
  EXPECT_EQ(info.reason, "not-found");
  EXPECT_EQ(info.detail, "The store has two clusters.");
  EXPECT_EQ(info.hint, "Create it first.");
}

TEST(Annotate, SaysWhatWasTriedAndKeepsTheRest) {
  const absl::Status status = Annotate(Sample(), "cannot apply \"x.yaml\"");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "cannot apply \"x.yaml\": no cluster \"orders\"");
  EXPECT_EQ(InfoOf(status).hint, "See pgmahout get.");
}

TEST(FormatError, PrintsWhatIsThere) {
  EXPECT_EQ(FormatError(Sample()),
            "error:  no cluster \"orders\"\n"
            "detail: The store has two clusters.\n"
            "hint:   See pgmahout get.\n");
  EXPECT_EQ(FormatError(absl::InternalError("broken")), "error:  broken\n");
}

TEST(ErrnoStatus, TellsTheObjectAndTheReason) {
  const absl::Status status = ErrnoStatus(EACCES, "cannot open \"/x\"");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "cannot open \"/x\": Permission denied");
  EXPECT_EQ(ErrnoStatus(ENOENT, "").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(EEXIST, "").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoStatus(ENOSPC, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoStatus(EIO, "").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace pgmahout
