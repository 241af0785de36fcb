// SPDX-License-Identifier: Apache-2.0
#include "common/net/secret_box.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/net/openssl.h"
#include "common/net/pki.h"

namespace pgmahout {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kNonceBytes = 12;  // NIST SP 800-38D, 8.2: 96 bits, random per message
constexpr size_t kTagBytes = 16;
constexpr absl::string_view kPrefix = "gcm1:";

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

int Size(absl::string_view text) {
  return static_cast<int>(text.size());
}

absl::Status NotOurs() {
  ERR_clear_error();
  return WithHint(absl::DataLossError("a sealed secret cannot be opened"),
                  "It was changed, or sealed with another secrets.key. Restore both from one "
                  "backup.");
}

}  // namespace

absl::StatusOr<SecretBox> SecretBox::LoadOrCreate(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, 4096);
  if (absl::IsNotFound(text.status())) {
    PGM_RETURN_IF_ERROR(WriteFileDurably(path, RandomHex(kKeyBytes) + "\n", 0600));
    text = ReadFile(path, 4096);
  }
  PGM_RETURN_IF_ERROR(text.status());
  const absl::string_view hex = absl::StripTrailingAsciiWhitespace(*text);
  if (hex.size() != 2 * kKeyBytes ||
      hex.find_first_not_of("0123456789abcdef") != absl::string_view::npos) {
    return WithHint(
        absl::DataLossError(absl::StrCat("\"", path, "\" holds no key of 64 hex digits")),
        "Restore it from the backup that the store comes from: it seals the passwords in there, "
        "and is "
        "never made anew over an old one.");
  }
  return SecretBox(absl::HexStringToBytes(hex));
}

absl::StatusOr<std::string> SecretBox::Seal(absl::string_view secret,
                                            absl::string_view place) const {
  std::string nonce(kNonceBytes, '\0');
  PGM_CHECK(RAND_bytes(Bytes(nonce), static_cast<int>(kNonceBytes)) == 1);
  std::string body(secret.size(), '\0');
  std::string tag(kTagBytes, '\0');
  const ssl::CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool ok =
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_),
                         Bytes(absl::string_view(nonce))) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &written, Bytes(place), Size(place)) == 1 &&
      EVP_EncryptUpdate(context.get(), Bytes(body), &written, Bytes(secret), Size(secret)) == 1 &&
      EVP_EncryptFinal_ex(context.get(), Bytes(body), &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  if (!ok) {
    return ssl::Failed(absl::StatusCode::kInternal, "cannot seal a secret");
  }
  return absl::StrCat(kPrefix, absl::Base64Escape(absl::StrCat(nonce, body, tag)));
}

absl::StatusOr<std::string> SecretBox::Open(absl::string_view sealed,
                                            absl::string_view place) const {
  std::string bytes;
  if (!absl::ConsumePrefix(&sealed, kPrefix) || !absl::Base64Unescape(sealed, &bytes) ||
      bytes.size() < kNonceBytes + kTagBytes) {
    return NotOurs();
  }
  const absl::string_view view = bytes;
  const absl::string_view nonce = view.substr(0, kNonceBytes);
  const absl::string_view body = view.substr(kNonceBytes, view.size() - kNonceBytes - kTagBytes);
  std::string tag(view.substr(view.size() - kTagBytes));
  std::string secret(body.size(), '\0');
  const ssl::CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool ok =
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(key_), Bytes(nonce)) ==
          1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &written, Bytes(place), Size(place)) == 1 &&
      EVP_DecryptUpdate(context.get(), Bytes(secret), &written, Bytes(body), Size(body)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), Bytes(secret), &written) == 1;
  if (!ok) {
    return NotOurs();
  }
  return secret;
}

}  // namespace pgmahout
