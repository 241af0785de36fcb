// SPDX-License-Identifier: Apache-2.0
#include "common/net/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace pgmahout {
namespace {

constexpr int kIterations = 4096;
constexpr size_t kSaltBytes = 16;

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest Hmac(const Digest& key, absl::string_view text) {
  Digest result{};
  unsigned int length = 0;
  PGM_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                 reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data(),
                 &length) != nullptr);
  return result;
}

std::string Base64(const Digest& digest) {
  return absl::Base64Escape({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

absl::StatusOr<std::string> ScramVerifier(absl::string_view password,
                                          absl::string_view salt,
                                          int iterations) {
  const bool printable = std::all_of(password.begin(), password.end(),
                                     [](char c) { return absl::ascii_isprint(c) != 0; });
  if (password.empty() || !printable) {
    return absl::InvalidArgumentError("a password must be printable ASCII and not empty");
  }
  Digest salted{};
  PGM_CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                              reinterpret_cast<const unsigned char*>(salt.data()),
                              static_cast<int>(salt.size()), iterations, EVP_sha256(),
                              static_cast<int>(salted.size()), salted.data()) == 1);
  const Digest client_key = Hmac(salted, "Client Key");
  Digest stored_key{};
  SHA256(client_key.data(), client_key.size(), stored_key.data());
  return absl::StrCat("SCRAM-SHA-256$", iterations, ":", absl::Base64Escape(salt), "$",
                      Base64(stored_key), ":", Base64(Hmac(salted, "Server Key")));
}

absl::StatusOr<std::string> NewScramVerifier(absl::string_view password) {
  std::string salt(kSaltBytes, '\0');
  PGM_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()), kSaltBytes) == 1);
  return ScramVerifier(password, salt, kIterations);
}

std::string GeneratePassword() {
  constexpr absl::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  constexpr unsigned char kUnbiased = 256 / kAlphabet.size() * kAlphabet.size();
  std::string password;
  while (password.size() < 32) {
    unsigned char byte = 0;
    PGM_CHECK(RAND_bytes(&byte, 1) == 1);
    if (byte < kUnbiased) {  // else some letters would be likelier
      password += kAlphabet[byte % kAlphabet.size()];
    }
  }
  return password;
}

}  // namespace pgmahout
