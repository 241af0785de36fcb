// SPDX-License-Identifier: Apache-2.0
#include "controller/dns/tsig_key.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "controller/dns/dns_name.h"

namespace pgmahout::controller {
namespace {

constexpr absl::string_view kExample =
    "Write it as tsig-keygen does: key \"pgmahout\" { algorithm hmac-sha256; secret \"...\"; };";

// A word, a quoted string, or one of "{", "}", ";".
struct Token {
  std::string text;
  bool is_word = false;
  int line = 1;
};

// None of the three repeats a text that may be the secret in the wrong place.
absl::StatusOr<std::string> KeyName(absl::string_view text) {
  absl::StatusOr<std::string> name = NormalizeDnsName(text);
  if (!name.ok()) {
    return WithInfo(absl::InvalidArgumentError("the TSIG key's name is not a DNS name"),
                    {"dns-bad-key", "", "Use letters, digits, '-', '_' and dots, 63 per label."});
  }
  return name;
}

absl::StatusOr<std::string> KeyAlgorithm(absl::string_view text) {
  const std::string name = absl::AsciiStrToLower(absl::StripSuffix(text, "."));
  // ldns 1.8 misspells hmac-sha384 on the wire, and the weaker ones are not worth having.
  if (name != "hmac-sha256" && name != "hmac-sha512") {
    const bool is_a_name = name.size() <= 16 && absl::StartsWith(name, "hmac-");
    return WithInfo(absl::InvalidArgumentError(absl::StrCat(
                        "TSIG algorithm ", is_a_name ? absl::StrCat("\"", name, "\" ") : "",
                        "is not supported")),
                    {"dns-bad-key", "", "Make a key with hmac-sha256 (tsig-keygen does)."});
  }
  return name;
}

absl::StatusOr<std::string> KeySecret(absl::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) || bytes.empty()) {
    return WithInfo(absl::InvalidArgumentError("the TSIG key's secret is not base64"),
                    {"dns-bad-key", "", "Copy the whole secret, with its \"=\" signs."});
  }
  return absl::Base64Escape(bytes);
}

absl::Status BadLine(int line, absl::string_view problem) {
  return WithInfo(
      absl::InvalidArgumentError(absl::StrCat("bad TSIG key file, line ", line, ": ", problem)),
      {"dns-bad-key-file", "", std::string(kExample)});
}

// Cuts the text into tokens. No token's text appears in an error: it may be the secret.
class Tokenizer {
 public:
  explicit Tokenizer(absl::string_view text) : rest_(text) {}

  absl::StatusOr<std::vector<Token>> Run() {
    std::vector<Token> tokens;
    while (true) {
      PGM_RETURN_IF_ERROR(SkipBlanks());
      if (rest_.empty()) {
        tokens.push_back(Token{"", false, line_});
        return tokens;
      }
      PGM_ASSIGN_OR_RETURN(Token token, Next());
      tokens.push_back(std::move(token));
    }
  }

 private:
  void Skip(size_t bytes) {
    for (const char c : rest_.substr(0, bytes)) {
      line_ += c == '\n' ? 1 : 0;
    }
    rest_.remove_prefix(std::min(bytes, rest_.size()));
  }

  bool AtPrefix(absl::string_view prefix) const { return rest_.substr(0, prefix.size()) == prefix; }

  absl::Status SkipBlanks() {
    while (!rest_.empty()) {
      if (absl::ascii_isspace(static_cast<unsigned char>(rest_.front()))) {
        Skip(1);
      } else if (rest_.front() == '#' || AtPrefix("//")) {
        Skip(rest_.find('\n'));
      } else if (AtPrefix("/*")) {
        const size_t end = rest_.find("*/", 2);
        if (end == absl::string_view::npos) {
          return BadLine(line_, "the comment does not end");
        }
        Skip(end + 2);
      } else {
        break;
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Token> Next() {
    Token token{"", false, line_};
    const char first = rest_.front();
    if (first == '{' || first == '}' || first == ';') {
      token.text = std::string(1, first);
      Skip(1);
      return token;
    }
    token.is_word = true;
    if (first == '"') {
      const size_t end = rest_.find_first_of("\"\n", 1);
      if (end == absl::string_view::npos || rest_[end] == '\n') {
        return BadLine(line_, "the quoted string does not end");
      }
      token.text = std::string(rest_.substr(1, end - 1));
      Skip(end + 1);
      return token;
    }
    token.text = std::string(rest_.substr(0, rest_.find_first_of(" \t\r\n\v\f{};\"#")));
    Skip(token.text.size());
    return token;
  }

  absl::string_view rest_;
  int line_ = 1;
};

class KeyParser {
 public:
  using Check = absl::StatusOr<std::string> (*)(absl::string_view);

  explicit KeyParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<TsigKey> Run() {
    PGM_RETURN_IF_ERROR(ExpectWord("key"));
    PGM_RETURN_IF_ERROR(TakeValue("the key's name", KeyName, &key_.name));
    PGM_RETURN_IF_ERROR(Expect("{"));
    while (!At("}")) {
      PGM_RETURN_IF_ERROR(ParseClause());
    }
    const int last_line = Peek().line;
    PGM_RETURN_IF_ERROR(Expect("}"));
    PGM_RETURN_IF_ERROR(Expect(";"));
    if (next_ + 1 != tokens_.size()) {
      return BadLine(Peek().line, "something follows the first key; one key per file");
    }
    if (key_.algorithm.empty() || key_.secret_base64.empty()) {
      return BadLine(last_line, key_.algorithm.empty() ? "the key has no algorithm clause"
                                                       : "the key has no secret clause");
    }
    return std::move(key_);
  }

 private:
  const Token& Peek() const { return tokens_[next_]; }

  bool At(absl::string_view mark) const { return !Peek().is_word && Peek().text == mark; }

  absl::Status Expect(absl::string_view mark) {
    if (!At(mark)) {
      return BadLine(Peek().line, absl::StrCat("expected \"", mark, "\""));
    }
    ++next_;
    return absl::OkStatus();
  }

  absl::Status ExpectWord(absl::string_view word) {
    if (!Peek().is_word || Peek().text != word) {
      return BadLine(Peek().line, absl::StrCat("expected \"", word, "\""));
    }
    ++next_;
    return absl::OkStatus();
  }

  // Takes a word that `check` accepts.
  absl::Status TakeValue(absl::string_view what, Check check, std::string* value) {
    if (!Peek().is_word || Peek().text.empty()) {
      return BadLine(Peek().line, absl::StrCat("expected ", what));
    }
    absl::StatusOr<std::string> checked = check(Peek().text);
    if (!checked.ok()) {
      return BadLine(Peek().line, checked.status().message());
    }
    *value = *std::move(checked);
    ++next_;
    return absl::OkStatus();
  }

  absl::Status ParseClause() {
    const Token& clause = Peek();
    if (!clause.is_word || (clause.text != "algorithm" && clause.text != "secret")) {
      return BadLine(clause.line, "expected \"algorithm\", \"secret\" or \"}\"");
    }
    const bool is_secret = clause.text == "secret";
    std::string* value = is_secret ? &key_.secret_base64 : &key_.algorithm;
    if (!value->empty()) {
      return BadLine(clause.line, absl::StrCat("a second ", clause.text, " clause"));
    }
    ++next_;
    PGM_RETURN_IF_ERROR(TakeValue(absl::StrCat("a value after \"", clause.text, "\""),
                                  is_secret ? KeySecret : KeyAlgorithm, value));
    return Expect(";");
  }

  std::vector<Token> tokens_;  // the last one is empty and stands for the end
  size_t next_ = 0;
  TsigKey key_;
};

}  // namespace

absl::StatusOr<TsigKey> MakeTsigKey(absl::string_view name,
                                    absl::string_view algorithm,
                                    absl::string_view secret_base64) {
  TsigKey key;
  PGM_ASSIGN_OR_RETURN(key.name, KeyName(name));
  PGM_ASSIGN_OR_RETURN(key.algorithm, KeyAlgorithm(algorithm));
  PGM_ASSIGN_OR_RETURN(key.secret_base64, KeySecret(secret_base64));
  return key;
}

absl::StatusOr<TsigKey> ParseTsigKeyFile(absl::string_view text) {
  PGM_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenizer(text).Run());
  return KeyParser(std::move(tokens)).Run();
}

}  // namespace pgmahout::controller
