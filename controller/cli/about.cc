// SPDX-License-Identifier: Apache-2.0
// version, and completion for bash.
#include "common/base/error.h"
#include "common/base/version.h"
#include "controller/cli/output.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {
namespace {

// Names of clusters and nodes are asked of the controller, briefly and silently.
constexpr char kBashCompletion[] =
    R"bash(# bash completion for pgmahout; load with: source <(pgmahout completion bash)
_pgmahout_names() {
  pgmahout "$1" list -o name --timeout 2s 2>/dev/null
}

_pgmahout() {
  local current previous words noun verb word
  COMPREPLY=()
  current=${COMP_WORDS[COMP_CWORD]}
  previous=${COMP_WORDS[COMP_CWORD-1]}
  noun= verb=
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi
  done
  case $previous in
    -o|--output) COMPREPLY=($(compgen -W "table wide json yaml name" -- "$current")); return ;;
    -f|--file|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
    --to|--node|--primary) COMPREPLY=($(compgen -W "$(_pgmahout_names node)" -- "$current")); return ;;
  esac
  if [[ $current == -* ]]; then
    words="--output --context --config --timeout --dry-run --yes --help"
    case "$noun $verb" in
      "apply "*) words+=" --file --wait --no-wait" ;;
      "diff "*) words+=" --file" ;;
      "cluster switchover") words+=" --to --wait --no-wait" ;;
      "cluster failover") words+=" --to --accept-data-loss --wait --no-wait" ;;
      "cluster show") words+=" --spec" ;;
      "cluster reinit") words+=" --wait --no-wait" ;;
      "cluster restart") words+=" --node --force --in-place --wait --no-wait" ;;
      "node maintenance") words+=" --on --off --wait --no-wait" ;;
      "cluster adopt") words+=" --file --primary --wait --no-wait" ;;
      "cluster release") words+=" --wait --no-wait" ;;
      "cluster events") words+=" --limit" ;;
      "token create") words+=" --node --ttl" ;;
    esac
  else
    case "$noun $verb" in
      " ") words="apply diff cluster node token watch version completion" ;;
      "cluster ") words="list show switchover failover adopt release pause resume reinit restart delete history explain events credentials" ;;
      "node ") words="list show maintenance remove" ;;
      "token ") words="create list revoke" ;;
      "completion ") words="bash" ;;
      "cluster list"|"node list"|"token "*) words= ;;
      "cluster "*|"watch "*) words=$(_pgmahout_names cluster) ;;
      "node "*) words=$(_pgmahout_names node) ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}

complete -F _pgmahout pgmahout
)bash";

void Print(const std::string& controller, Session* session) {
  if (IsForScripts(session->options.output)) {
    Json json;
    json["client"] = std::string(kVersion);
    json["controller"] = controller;
    PrintForScripts(json, session);
    return;
  }
  session->streams.out << "pgmahout " << kVersion << "\n";
  if (!controller.empty()) {
    session->streams.out << "controller " << controller << "\n";
  }
}

}  // namespace

absl::Status Version(Session* session) {
  if (session->options.client_only) {
    Print("", session);
    return absl::OkStatus();
  }
  const auto response = session->Read(&AdminStub::GetVersion, v1::GetVersionRequest());
  Print(response.ok() ? response->version() : "", session);
  if (response.status().code() == absl::StatusCode::kInvalidArgument) {
    // No context yet: the question about this program is answered all the same.
    session->streams.err << FormatError(response.status());
    return absl::OkStatus();
  }
  return response.status();
}

absl::Status CompletionBash(Session* session) {
  session->streams.out << kBashCompletion;
  return absl::OkStatus();
}

}  // namespace pgmahout::cli
