// SPDX-License-Identifier: Apache-2.0
// BIND's key files: every way to write them that named accepts, and clear words for the others.
#include "controller/dns/tsig_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"

namespace pgmahout::controller {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ=";

std::string KeyFile(const std::string& body) {
  return absl::StrCat("key \"pgmahout\" {", body, "};\n");
}

void ExpectRefused(const std::string& text, const std::string& message) {
  const auto key = ParseTsigKeyFile(text);
  ASSERT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(std::string(key.status().message()), HasSubstr(message)) << text;
  EXPECT_THAT(FormatError(key.status()), Not(HasSubstr("c2VjcmV0"))) << "the secret leaked";
}

TEST(TsigKeyFile, ReadsWhatTsigKeygenPrints) {
  const auto key = ParseTsigKeyFile(absl::StrCat(
      "key \"PgMahout-Key\" {\n\talgorithm hmac-sha256;\n\tsecret \"", kSecret, "\";\n};\n"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->name, "pgmahout-key.");
  EXPECT_EQ(key->algorithm, "hmac-sha256");
  EXPECT_EQ(key->secret_base64, kSecret);
}

TEST(TsigKeyFile, ToleratesCommentsOneLineAndMissingQuotes) {
  const auto key = ParseTsigKeyFile(
      absl::StrCat("# made by hand\n/* two\nlines */ key pgmahout.{secret ", kSecret,
                   "; // the order does not matter\r\n algorithm \"HMAC-SHA512\" ;}; # end"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->name, "pgmahout.");
  EXPECT_EQ(key->algorithm, "hmac-sha512");
  EXPECT_EQ(key->secret_base64, kSecret);
}

TEST(TsigKeyFile, NamesTheLineAndWhatIsMissing) {
  const std::string secret = absl::StrCat("secret \"", kSecret, "\";");
  ExpectRefused("", "line 1: expected \"key\"");
  ExpectRefused("\n\nzone \"x\" {};", "line 3: expected \"key\"");
  ExpectRefused("key {", "line 1: expected the key's name");
  ExpectRefused("key \"a\"\n;", "line 2: expected \"{\"");
  ExpectRefused(KeyFile("\n" + secret + "\n"), "line 3: the key has no algorithm clause");
  ExpectRefused(KeyFile("algorithm hmac-sha256;"), "the key has no secret clause");
  ExpectRefused(KeyFile("algorithm hmac-sha256\n" + secret), "line 2: expected \";\"");
  ExpectRefused(KeyFile("secret \"\";"), "expected a value after \"secret\"");
  ExpectRefused(KeyFile("\n\nsecret \"c2VjcmV0\n\";"), "line 3: the quoted string does not end");
  ExpectRefused("/* key", "line 1: the comment does not end");
  ExpectRefused(KeyFile(secret + "\n" + secret), "line 2: a second secret clause");
  ExpectRefused(KeyFile("\nmac x;"), "line 2: expected \"algorithm\", \"secret\" or \"}\"");
  ExpectRefused("key \"a\" { algorithm hmac-sha256;\n" + secret, "line 2: expected");
  const std::string whole = KeyFile("algorithm hmac-sha256;" + secret);
  ExpectRefused(whole + whole, "line 2: something follows the first key");
}

TEST(TsigKeyFile, RefusesWhatCannotSign) {
  const std::string secret = absl::StrCat("secret \"", kSecret, "\";");
  ExpectRefused(KeyFile("algorithm hmac-md5;" + secret), "\"hmac-md5\" is not supported");
  ExpectRefused(KeyFile("algorithm hmac-sha256;\nsecret \"c2VjcmV0*\";"),
                "line 2: the TSIG key's secret is not base64");
  ExpectRefused("key \"a b\" {};", "the TSIG key's name is not a DNS name");
}

TEST(TsigKeyFile, KeepsASecretInTheWrongPlaceToItself) {
  ExpectRefused(KeyFile(absl::StrCat("algorithm \"", kSecret, "\";")), "is not supported");
  ExpectRefused(absl::StrCat("key \"", kSecret, "\" {};"), "is not a DNS name");
  ExpectRefused(KeyFile(absl::StrCat("\"", kSecret, "\";")), "expected \"algorithm\"");
}

}  // namespace
}  // namespace pgmahout::controller
