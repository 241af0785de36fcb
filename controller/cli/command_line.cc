// SPDX-License-Identifier: Apache-2.0
#include "controller/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/version.h"
#include "common/wire/nearest.h"
#include "common/wire/units.h"
#include "controller/cli/verbs.h"

namespace pgmahout::cli {
namespace {

using VerbFunction = absl::Status (*)(Session*);

const std::vector<std::string>& FormatNames() {
  static const auto* const kNames =
      new std::vector<std::string>({"table", "wide", "json", "yaml", "name"});
  return *kNames;
}

OutputFormat FormatOf(const std::string& name) {
  const std::vector<std::string>& names = FormatNames();
  return static_cast<OutputFormat>(std::find(names.begin(), names.end(), name) - names.begin());
}

// A validator returns what is wrong, or nothing.
std::string CheckFormat(const std::string& text) {
  const std::vector<std::string>& names = FormatNames();
  return std::find(names.begin(), names.end(), text) != names.end()
             ? ""
             : absl::StrCat("unknown format \"", text, "\". ", AllowedHint(text, names));
}

std::string CheckDuration(const std::string& text) {
  const auto duration = ParseDuration(text);
  return duration.has_value() && duration->count() > 0
             ? ""
             : absl::StrCat("invalid duration \"", text, "\". ", kDurationHint);
}

void AddDuration(CLI::App* app,
                 const std::string& name,
                 Duration* duration,
                 const std::string& description) {
  app->add_option_function<std::string>(
         name, [duration](const std::string& text) { *duration = *ParseDuration(text); },
         description)
      ->check(CheckDuration)
      ->type_name("DURATION")
      ->default_str(FormatDuration(*duration));
}

class CommandLine {
 public:
  explicit CommandLine(const std::string& default_config) {
    invocation_.config = default_config;
    app_.require_subcommand(1);
    app_.fallthrough();  // global options may stand behind the verb
    app_.set_version_flag("--version", absl::StrCat("pgmahout ", kVersion));
    AddGlobalOptions();
    AddApply();
    AddCluster();
    AddNode();
    AddToken();
    CLI::App* const watch = AddVerb(&app_, "watch", "Print each change of a cluster", Watch);
    AddName(watch, "cluster");
    CLI::App* const version = AddVerb(&app_, "version",
                                      "Versions of this program and the "
                                      "controller",
                                      Version);
    version->add_flag("--client", invocation_.client_only, "Do not ask the controller");
    CLI::App* const completion = AddNoun("completion", "Completion for shells");
    AddVerb(completion, "bash", "For bash: source <(pgmahout completion bash)", CompletionBash);
  }

  absl::StatusOr<Invocation> Parse(std::vector<std::string> arguments, std::ostream& out) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(arguments);
    } catch (const CLI::Success& success) {
      app_.exit(success, out, out);
      return Invocation();
    } catch (const CLI::ParseError& error) {
      return WithHint(absl::InvalidArgumentError(error.what()), HintFor(error));
    }
    return invocation_;
  }

 private:
  CLI::App* AddNoun(const std::string& name, const std::string& description) {
    CLI::App* const noun = app_.add_subcommand(name, description);
    noun->require_subcommand(1);
    return noun;
  }

  CLI::App* AddVerb(CLI::App* parent,
                    const std::string& name,
                    const std::string& description,
                    VerbFunction function) {
    CLI::App* const verb = parent->add_subcommand(name, description);
    verb->callback([this, function] { invocation_.verb = function; });
    return verb;
  }

  void AddName(CLI::App* verb, const std::string& what) {
    verb->add_option("name", invocation_.name, "Name of the " + what)->required();
  }

  void AddWait(CLI::App* verb, const std::string& until) {
    verb->add_flag("--wait,!--no-wait", invocation_.wait, "Wait until " + until + " (default)");
  }

  void AddGlobalOptions() {
    app_.add_option_function<std::string>(
            "-o,--output", [this](const std::string& text) { invocation_.output = FormatOf(text); },
            "table, wide, json, yaml or name")
        ->check(CheckFormat)
        ->type_name("FORMAT")
        ->default_str("table");
    app_.add_option("--context", invocation_.context, "Context of the contexts file");
    app_.add_option("--config", invocation_.config,
                    "Contexts file; else $PGMAHOUT_CONFIG or ~/.config/pgmahout/config.yaml");
    AddDuration(&app_, "--timeout", &invocation_.timeout, "How long to wait for the outcome");
    app_.add_flag("--dry-run", invocation_.dry_run, "Say what would happen; change nothing");
    app_.add_flag("-y,--yes", invocation_.yes, "Confirm what loses or deletes something");
  }

  void AddApply() {
    CLI::App* const apply =
        AddVerb(&app_, "apply", "Create or change clusters from a YAML file", Apply);
    apply->add_option("-f,--file", invocation_.file, "The file; - is standard input")->required();
    AddWait(apply, "the cluster is Healthy");
    CLI::App* const diff = AddVerb(&app_, "diff", "Say what apply would change", Diff);
    diff->add_option("-f,--file", invocation_.file, "The file; - is standard input")->required();
  }

  void AddCluster() {
    CLI::App* const cluster = AddNoun("cluster", "Clusters: a primary and its standbys");
    AddVerb(cluster, "list", "All clusters", ClusterList);
    CLI::App* const show = AddVerb(cluster, "show", "One cluster and its members", ClusterShow);
    AddName(show, "cluster");
    show->add_flag("--spec", invocation_.spec_only, "Print its spec as YAML, ready for apply");
    CLI::App* const switchover = AddVerb(
        cluster, "switchover", "Make another member the primary, planned", ClusterSwitchover);
    AddName(switchover, "cluster");
    switchover->add_option("--to", invocation_.target, "Node; default: the best standby");
    AddWait(switchover, "the new primary is writable");
    CLI::App* const failover = AddVerb(
        cluster, "failover", "Promote a standby because the primary is lost", ClusterFailover);
    AddName(failover, "cluster");
    failover->add_option("--to", invocation_.target, "Node; default: the best standby");
    failover->add_flag("--accept-data-loss", invocation_.accept_data_loss,
                       "Promote even if acknowledged commits may be lost");
    AddWait(failover, "the new primary is writable");
    AddCare(cluster);
    CLI::App* const adopt = AddVerb(
        cluster, "adopt", "Make a cluster of servers that run, without a restart", ClusterAdopt);
    adopt->add_option("name", invocation_.name, "Name of the cluster, as the file has it");
    adopt->add_option("-f,--file", invocation_.file, "Its spec; - is standard input")->required();
    adopt->add_option("--primary", invocation_.target,
                      "Node whose server is the primary; default: the first one of the spec");
    AddWait(adopt, "the cluster is Healthy");
    CLI::App* const release =
        AddVerb(cluster, "release", "Let go of a cluster; its servers run on", ClusterRelease);
    AddName(release, "cluster");
    AddWait(release, "every agent has let go");
    AddName(
        AddVerb(cluster, "delete", "Forget a cluster; its servers and data stay", ClusterDelete),
        "cluster");
    AddName(AddVerb(cluster, "history", "Changes of primary, timed", ClusterHistory), "cluster");
    AddName(AddVerb(cluster, "explain", "Why the primary changed last, with the evidence",
                    ClusterExplain),
            "cluster");
    CLI::App* const events = AddVerb(cluster, "events", "Everything that happened", ClusterEvents);
    AddName(events, "cluster");
    events->add_option("--limit", invocation_.limit, "The last N; 0: all")->default_val(50);
    CLI::App* const credentials =
        AddVerb(cluster, "credentials", "The password of a role", ClusterCredentials);
    AddName(credentials, "cluster");
    credentials->add_option("role", invocation_.role, "Role of the cluster's spec")->required();
  }

  void AddCare(CLI::App* cluster) {
    AddName(AddVerb(cluster, "pause", "Repair and move nothing until resume", ClusterPause),
            "cluster");
    AddName(AddVerb(cluster, "resume", "End a pause", ClusterResume), "cluster");
    CLI::App* const reinit =
        AddVerb(cluster, "reinit", "Copy a standby anew from the primary", ClusterReinit);
    AddName(reinit, "cluster");
    reinit->add_option("node", invocation_.node, "The standby")->required();
    AddWait(reinit, "the new copy streams");
    CLI::App* const restart =
        AddVerb(cluster, "restart", "Restart PostgreSQL, one member at a time, the primary last",
                ClusterRestart);
    AddName(restart, "cluster");
    restart->add_option("--node", invocation_.node,
                        "Only this member; default: all that wait for a restart");
    restart->add_flag("--force", invocation_.force, "Also where no parameter waits for a restart");
    restart->add_flag("--in-place", invocation_.in_place,
                      "Restart the primary where it is, instead of a switchover");
    AddWait(restart, "all are restarted");
  }

  void AddMaintenance(CLI::App* node) {
    CLI::App* const maintenance =
        AddVerb(node, "maintenance", "Take a member out of service, or back", NodeMaintenance);
    AddName(maintenance, "node");
    auto* const group = maintenance->add_option_group("--on, --off");
    group->add_flag_callback(
        "--on", [this] { invocation_.maintenance_on = true; },
        "Never promoted, confirms no commits, not started when stopped");
    group->add_flag_callback(
        "--off", [this] { invocation_.maintenance_on = false; }, "It takes part again");
    group->require_option(1);
    AddWait(maintenance, "no commit rests on it, or until it streams again");
  }

  void AddNode() {
    CLI::App* const node = AddNoun("node", "Nodes: VMs with an agent");
    AddVerb(node, "list", "All nodes", NodeList);
    AddName(AddVerb(node, "show", "One node", NodeShow), "node");
    AddMaintenance(node);
    AddName(AddVerb(node, "remove", "Refuse a node from now on", NodeRemove), "node");
  }

  void AddToken() {
    CLI::App* const token = AddNoun("token", "One-time tokens with which nodes join");
    CLI::App* const create = AddVerb(token, "create", "Make a token for a node", TokenCreate);
    create->add_option("--node", invocation_.node, "Name of the node")->required();
    AddDuration(create, "--ttl", &invocation_.ttl, "How long it can be used");
    AddVerb(token, "list", "All tokens, without their secrets", TokenList);
    CLI::App* const revoke = AddVerb(token, "revoke", "Make a token useless", TokenRevoke);
    revoke->add_option("id", invocation_.id, "Id of the token")->required();
  }

  // The verbs that may stand where the last understood one was followed by nonsense.
  std::string HintFor(const CLI::ParseError& error) const {
    const CLI::App* at = &app_;
    std::string path = "pgmahout";
    while (!at->get_subcommands().empty()) {
      at = at->get_subcommands().front();
      absl::StrAppend(&path, " ", at->get_name());
    }
    std::vector<std::string> words;
    for (const CLI::App* const verb : at->get_subcommands([](const CLI::App*) { return true; })) {
      words.push_back(verb->get_name());
    }
    const std::string help = absl::StrCat("See ", path, " --help.");
    const std::vector<std::string> extras = app_.remaining(true);
    const bool is_extra = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) ||
                          error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError);
    const std::string nearest =
        is_extra && !extras.empty() ? NearestWord(extras.front(), words) : "";
    return nearest.empty() ? help : absl::StrCat("Did you mean \"", nearest, "\"? ", help);
  }

  CLI::App app_{"Highly available PostgreSQL on plain VMs", "pgmahout"};
  Invocation invocation_;
};

}  // namespace

absl::StatusOr<Invocation> ParseCommandLine(const std::vector<std::string>& arguments,
                                            const std::string& default_config,
                                            std::ostream& out) {
  return CommandLine(default_config).Parse(arguments, out);
}

}  // namespace pgmahout::cli
