// SPDX-License-Identifier: Apache-2.0
#include "common/net/scram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <set>

#include "absl/strings/escaping.h"
#include "common/base/error.h"

namespace pgmahout {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string Base64Decoded(const std::string& text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text, &bytes));
  return bytes;
}

std::string Hmac(const std::string& key, const std::string& text) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

// The exchange in RFC 7677, section 3.
constexpr char kRfcSalt[] = "W22ZaJ0SNY7soEsUEjb6gQ==";
constexpr char kRfcAuthMessage[] =
    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr char kRfcServerSignature[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

TEST(ScramVerifier, LetsTheServerProveItselfAsInTheRfc) {
  const std::string verifier = *ScramVerifier("pencil", Base64Decoded(kRfcSalt), 4096);
  const std::string server_key = Base64Decoded(verifier.substr(verifier.rfind(':') + 1));
  EXPECT_EQ(Hmac(server_key, kRfcAuthMessage), Base64Decoded(kRfcServerSignature));
}

// Computed with another implementation of PBKDF2 and HMAC.
TEST(ScramVerifier, HasPostgresqlsForm) {
  EXPECT_EQ(*ScramVerifier("pencil", Base64Decoded(kRfcSalt), 4096),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
            "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  EXPECT_EQ(*ScramVerifier("s3cret ~!", "0123456789abcdef", 4096),
            "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$"
            "V2SBgN0juVXBNOXheMHa1oY83z+6M4TZREsYaJREozM=:"
            "RM/S2Bt5CGVzQpfQU9p6SozOfXmrxyDYDBvGBihRROw=");
}

TEST(ScramVerifier, RefusesWhatWouldNeedSaslprepWithoutShowingIt) {
  for (const std::string& password :
       {std::string(), std::string("p\xc3\xa4ss"), std::string("tab\there"), std::string("a\0b", 3),
        std::string("del\x7f")}) {
    const auto verifier = ScramVerifier(password, "0123456789abcdef", 4096);
    ASSERT_EQ(verifier.status().code(), absl::StatusCode::kInvalidArgument);
    if (!password.empty()) {
      EXPECT_THAT(FormatError(verifier.status()), Not(HasSubstr(password)));
    }
  }
}

TEST(ScramVerifier, EveryNewOneHasASaltOfItsOwn) {
  const std::string first = *NewScramVerifier("pencil");
  EXPECT_THAT(first, MatchesRegex("SCRAM-SHA-256\\$4096:[A-Za-z0-9+/]{22}==\\$"
                                  "[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="));
  EXPECT_NE(first, *NewScramVerifier("pencil"));
}

TEST(GeneratePassword, IsLongPlainAndNeverTheSame) {
  std::set<std::string> seen;
  std::set<char> letters;
  for (int i = 0; i < 200; ++i) {
    const std::string password = GeneratePassword();
    EXPECT_THAT(password, MatchesRegex("[A-Za-z0-9]{32}"));
    EXPECT_TRUE(seen.insert(password).second);
    letters.insert(password.begin(), password.end());
  }
  EXPECT_EQ(letters.size(), 62) << "some letters never come";
}

}  // namespace
}  // namespace pgmahout
