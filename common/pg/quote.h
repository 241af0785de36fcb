// SPDX-License-Identifier: Apache-2.0
// The one place where text becomes part of SQL or of a configuration file.
//
// Inputs may hold anything but a NUL byte, which PostgreSQL cannot hold either; the functions drop
// nothing and reject nothing, so callers check names first (common/pg/names.h).
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace pgmahout {

// A quoted SQL identifier: we"ird -> "we""ird" (docs, "Identifiers and Key Words").
std::string QuoteIdentifier(absl::string_view name);

// An SQL string constant that is right for both settings of standard_conforming_strings:
// it's -> 'it''s', and E'' syntax as soon as there is a backslash.
std::string QuoteLiteral(absl::string_view text);

// A value in postgresql.conf (docs, "Parameter Interaction via the Configuration File"): quotes and
// backslashes doubled, newlines as \n.
std::string QuoteConfigValue(absl::string_view value);

// A value in a libpq connection string (docs, "Keyword/Value Connection Strings").
std::string QuoteConninfoValue(absl::string_view value);

// One field of pg_hba.conf: always double-quoted, so that no keyword is meant by accident.
std::string QuoteHbaField(absl::string_view field);

}  // namespace pgmahout
