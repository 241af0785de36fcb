// SPDX-License-Identifier: Apache-2.0
// token create, list, revoke: one-time tokens with which nodes join.
#include "absl/strings/str_cat.h"
#include "common/wire/units.h"
#include "controller/cli/output.h"
#include "controller/cli/table.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {

absl::Status TokenCreate(Session* session) {
  const Invocation& options = session->options;
  if (options.dry_run) {
    session->streams.out << "This makes a token with which node \"" << options.node
                         << "\" may join once, within " << FormatDuration(options.ttl)
                         << ".\nNothing was changed (--dry-run).\n";
    return absl::OkStatus();
  }
  v1::CreateTokenRequest request;
  request.set_node(options.node);
  request.set_ttl_seconds(options.ttl.count() / 1000);
  PGM_ASSIGN_OR_RETURN(const v1::CreateTokenResponse response,
                       session->Call(&AdminStub::CreateToken, request));
  if (IsForScripts(options.output)) {
    Json json;
    json["id"] = response.id();
    json["node"] = options.node;
    json["token"] = response.token();
    json["expires"] = TimeText(response.expires_ms());
    PrintForScripts(json, session);
    return absl::OkStatus();
  }
  // Only the token on stdout: it is piped into a file on the node.
  session->streams.out << (options.output == OutputFormat::kName ? response.id() : response.token())
                       << "\n";
  session->streams.err << "Token " << response.id() << " lets node \"" << options.node
                       << "\" join once, until " << TimeText(response.expires_ms())
                       << ". It is not shown again.\n";
  return absl::OkStatus();
}

absl::Status TokenList(Session* session) {
  PGM_ASSIGN_OR_RETURN(const v1::ListTokensResponse response,
                       session->Read(&AdminStub::ListTokens, v1::ListTokensRequest()));
  if (IsForScripts(session->options.output)) {
    Json json = Json::array();
    for (const v1::Token& token : response.tokens()) {
      json.push_back(ToJson(token));
    }
    PrintForScripts(json, session);
    return absl::OkStatus();
  }
  Table table({"ID", "NODE", "STATE", "EXPIRES"});
  for (const v1::Token& token : response.tokens()) {
    if (session->options.output == OutputFormat::kName) {
      session->streams.out << token.id() << "\n";
    }
    table.AddRow({token.id(), token.node(), token.state(), TimeText(token.expires_ms())});
  }
  if (session->options.output != OutputFormat::kName) {
    session->streams.out << table.Render();
  }
  return absl::OkStatus();
}

absl::Status TokenRevoke(Session* session) {
  const Invocation& options = session->options;
  if (options.dry_run) {
    session->streams.out << "This revokes token " << options.id
                         << ".\nNothing was changed (--dry-run).\n";
    return absl::OkStatus();
  }
  v1::RevokeTokenRequest request;
  request.set_id(options.id);
  PGM_ASSIGN_OR_RETURN(const v1::ActionResponse response,
                       session->Call(&AdminStub::RevokeToken, request));
  session->streams.err << response.message() << "\n";
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
