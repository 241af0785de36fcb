// SPDX-License-Identifier: Apache-2.0
#include "common/net/secret_box.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "absl/strings/escaping.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/net/temporary_directory.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "correct horse battery staple";
constexpr char kPlace[] = "cluster/orders/replication";

class SecretBoxTest : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path() + "/secrets.key"; }

  SecretBox Load() const {
    auto box = SecretBox::LoadOrCreate(path());
    EXPECT_TRUE(box.ok()) << box.status();
    return *std::move(box);
  }

  testing::TemporaryDirectory directory_;
};

TEST_F(SecretBoxTest, OpensWhatItSealedAlsoAfterARestart) {
  const std::string sealed = *Load().Seal(kSecret, kPlace);
  EXPECT_THAT(sealed, Not(HasSubstr("horse")));
  const auto opened = Load().Open(sealed, kPlace);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, kSecret);
}

TEST_F(SecretBoxTest, CarriesEmptyAndBinarySecrets) {
  const SecretBox box = Load();
  for (const std::string& secret :
       {std::string(), std::string("\0\xff\n", 3), std::string(100'000, 'x')}) {
    const auto opened = box.Open(*box.Seal(secret, kPlace), kPlace);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(*opened, secret);
  }
  EXPECT_EQ(*box.Open(*box.Seal(kSecret, ""), ""), kSecret);
}

TEST_F(SecretBoxTest, NeverSealsTheSameTextTwice) {
  const SecretBox box = Load();
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(seen.insert(*box.Seal(kSecret, kPlace)).second);
  }
}

TEST_F(SecretBoxTest, NoticesEveryChangedByte) {
  const SecretBox box = Load();
  const std::string sealed = *box.Seal(kSecret, kPlace);
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(sealed.substr(5), &bytes));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(box.Open("gcm1:" + absl::Base64Escape(changed), kPlace).status().code(),
              absl::StatusCode::kDataLoss)
        << "byte " << i;
  }
}

TEST_F(SecretBoxTest, RefusesTextThatItNeverSealed) {
  const SecretBox box = Load();
  const std::string sealed = *box.Seal(kSecret, kPlace);
  for (const std::string& text :
       {std::string(), std::string("gcm1:"), std::string("gcm1:AAAA"), std::string("gcm1:!!!"),
        sealed.substr(5), "gcm2:" + sealed.substr(5), sealed.substr(0, 20)}) {
    const absl::Status status = box.Open(text, kPlace).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_NE(InfoOf(status).hint, "");
  }
}

TEST_F(SecretBoxTest, ASecretCannotBeMovedToAnotherPlace) {
  const SecretBox box = Load();
  const std::string sealed = *box.Seal(kSecret, kPlace);
  EXPECT_EQ(box.Open(sealed, "cluster/billing/replication").status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(box.Open(sealed, "").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SecretBoxTest, AnotherKeyOpensNothing) {
  const std::string sealed = *Load().Seal(kSecret, kPlace);
  const auto other = SecretBox::LoadOrCreate(directory_.path() + "/other.key");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->Open(sealed, kPlace).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SecretBoxTest, TheKeyIsForItsOwnerOnly) {
  Load();

  struct stat about {};

  ASSERT_EQ(stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600);
}

TEST_F(SecretBoxTest, RefusesADamagedKeyAndLeavesItAsItIs) {
  for (const std::string& damaged :
       {std::string(), std::string("\n"), std::string(62, 'a'), std::string(64, 'g'),
        std::string(64, 'A'), std::string(65, 'a')}) {
    ASSERT_TRUE(WriteFileAtomically(path(), damaged, 0600).ok());
    const auto box = SecretBox::LoadOrCreate(path());
    ASSERT_EQ(box.status().code(), absl::StatusCode::kDataLoss) << damaged;
    EXPECT_THAT(std::string(box.status().message()), HasSubstr(path()));
    if (!damaged.empty() && damaged != "\n") {
      EXPECT_THAT(FormatError(box.status()), Not(HasSubstr(damaged))) << "shows key material";
    }
    EXPECT_EQ(*ReadFile(path()), damaged);
  }
}

TEST_F(SecretBoxTest, SaysWhereTheKeyCannotBeMade) {
  const auto box = SecretBox::LoadOrCreate(directory_.path() + "/missing/secrets.key");
  ASSERT_FALSE(box.ok());
  EXPECT_THAT(std::string(box.status().message()), HasSubstr("missing/secrets.key"));
}

}  // namespace
}  // namespace pgmahout
