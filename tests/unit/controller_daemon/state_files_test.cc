// SPDX-License-Identifier: Apache-2.0
// A state directory of which a part was lost: nothing is made anew over the rest.
#include "controller/daemon/state_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/unit/store/store_test_support.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;

class StateFilesTest : public ::testing::Test {
 protected:
  void Touch(const std::string& name) {
    ASSERT_TRUE(WriteFileDurably(directory_.File(name), "x", 0600).ok());
  }

  std::unique_ptr<SqliteStore> Store() { return OpenOrFail(directory_.File("controller.db")); }

  std::string Root() const { return directory_.File(""); }

  void ExpectRefused(const absl::Status& status, const std::string& what) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_THAT(InfoOf(status).hint, HasSubstr("from one backup"));
  }

  TempDirectory directory_;
};

TEST_F(StateFilesTest, AnEmptyDirectoryIsABeginning) {
  EXPECT_TRUE(CheckStoreIsThere(Root()).ok());
  EXPECT_TRUE(CheckKeysAreThere(Root(), *Store()).ok());
}

TEST_F(StateFilesTest, AStartThatWasCutShortGoesOn) {
  auto store = Store();  // the first file that is made
  EXPECT_TRUE(CheckStoreIsThere(Root()).ok());
  EXPECT_TRUE(CheckKeysAreThere(Root(), *store).ok());
  Touch("ca.key");
  Touch("ca.crt");
  EXPECT_TRUE(CheckKeysAreThere(Root(), *store).ok());
}

TEST_F(StateFilesTest, AMissingStoreIsNotReplacedByAnEmptyOne) {
  for (const char* left : {"secrets.key", "ca.crt", "ca.key"}) {
    Touch(left);
    ExpectRefused(CheckStoreIsThere(Root()), "controller.db\" is missing, but there is");
  }
}

TEST_F(StateFilesTest, AMissingCaIsNotReplacedUnderNodesThatTrustIt) {
  auto store = Store();
  Touch("secrets.key");
  ASSERT_TRUE(store->Commit(PutOne("token", "1", "x")).ok());
  ExpectRefused(CheckKeysAreThere(Root(), *store),
                "ca.key\" is missing, but the store has a token");
  ASSERT_TRUE(store->Commit(PutOne("node", "db1", "x")).ok());
  ExpectRefused(CheckKeysAreThere(Root(), *store), "ca.key\" is missing, but the store has a node");
  Touch("ca.crt");  // half a pair is refused by the CA itself
  EXPECT_TRUE(CheckKeysAreThere(Root(), *store).ok());
}

TEST_F(StateFilesTest, AMissingSealIsNotReplacedUnderSealedPasswords) {
  auto store = Store();
  Touch("ca.key");
  ASSERT_TRUE(store->Commit(PutOne("credential", "orders/app", "x")).ok());
  ExpectRefused(CheckKeysAreThere(Root(), *store), "secrets.key\" is missing");
  Touch("secrets.key");
  EXPECT_TRUE(CheckKeysAreThere(Root(), *store).ok());
}

}  // namespace
}  // namespace pgmahout::controller
