// SPDX-License-Identifier: Apache-2.0
// Quoting with nasty input: what goes in comes out as one value, whatever it looks like.
#include "common/pg/quote.h"

#include <gtest/gtest.h>

#include <string>

namespace pgmahout {
namespace {

const char* const kNasty[] = {"",    "plain", "it's",   "\"",     "\\",        "\\'",  "'; DROP --",
                              "a b", "a=b",   "#x",     "x\ny",   "tab\there", "%p",   "$HOME `id`",
                              "ü",   "''''",  "\"\"\"", "\\\\\\", "E'x'",      "end\\"};

// Reads one value as libpq does (keyword/value strings): quotes around, backslash escapes.
std::string ReadConninfo(const std::string& text) {
  EXPECT_GE(text.size(), 2U);
  EXPECT_EQ(text.front(), '\'');
  std::string value;
  size_t i = 1;
  for (; i < text.size() && text[i] != '\''; ++i) {
    if (text[i] == '\\') {
      ++i;
    }
    value += text.at(i);
  }
  EXPECT_EQ(i, text.size() - 1) << "the value ends with the text: " << text;
  return value;
}

// Reads a doubled-quote field, as SQL identifiers and pg_hba.conf have them.
std::string ReadDoubled(const std::string& text, char quote) {
  EXPECT_GE(text.size(), 2U);
  EXPECT_EQ(text.front(), quote);
  std::string value;
  size_t i = 1;
  for (; i < text.size(); ++i) {
    if (text[i] == quote) {
      if (i + 1 < text.size() && text[i + 1] == quote) {
        ++i;
      } else {
        break;
      }
    }
    value += text[i];
  }
  EXPECT_EQ(i, text.size() - 1) << "the value ends with the text: " << text;
  return value;
}

TEST(QuoteIdentifier, RoundTrips) {
  for (const char* text : kNasty) {
    EXPECT_EQ(ReadDoubled(QuoteIdentifier(text), '"'), text);
  }
}

TEST(QuoteHbaField, RoundTripsAndIsNeverAKeyword) {
  for (const char* text : kNasty) {
    EXPECT_EQ(ReadDoubled(QuoteHbaField(text), '"'), text);
  }
  EXPECT_EQ(QuoteHbaField("all"), "\"all\"");
}

TEST(QuoteConninfoValue, RoundTrips) {
  for (const char* text : kNasty) {
    EXPECT_EQ(ReadConninfo(QuoteConninfoValue(text)), text);
  }
}

TEST(QuoteLiteral, IsPlainWithoutABackslashAndEscapedWithOne) {
  EXPECT_EQ(QuoteLiteral("it's"), "'it''s'");
  EXPECT_EQ(QuoteLiteral("C:\\temp"), "E'C:\\\\temp'");
  EXPECT_EQ(QuoteLiteral("\\'"), "E'\\\\'''");
  EXPECT_EQ(QuoteLiteral(""), "''");
}

// Right for both settings of standard_conforming_strings: no backslash is left to its mercy.
TEST(QuoteLiteral, HasNoBackslashOutsideEscapeSyntax) {
  for (const char* text : kNasty) {
    const std::string quoted = QuoteLiteral(text);
    if (quoted.find('\\') != std::string::npos) {
      EXPECT_EQ(quoted.substr(0, 2), "E'") << quoted;
    }
  }
}

TEST(QuoteConfigValue, KeepsEveryValueOnItsLine) {
  EXPECT_EQ(QuoteConfigValue("it's"), "'it''s'");
  EXPECT_EQ(QuoteConfigValue("a\\b"), "'a\\\\b'");
  EXPECT_EQ(QuoteConfigValue("x\nfsync = off\r"), "'x\\nfsync = off\\r'");
  for (const char* text : kNasty) {
    EXPECT_EQ(QuoteConfigValue(text).find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace pgmahout
