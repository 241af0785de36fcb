// SPDX-License-Identifier: Apache-2.0
// pgmahout-sim: runs the simulation for many seeds. Ends with one line that says what came of it.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "tests/sim/simulation.h"

namespace pgmahout::sim {
namespace {

constexpr char kUsage[] =
    "usage: pgmahout-sim [--seeds N] [--from S] [--seed S] [--trace] [--stop-at-first]\n"
    "                    [--break CONTRACT] [--durability preferred|required|off]\n"
    "                    [--witness] [--drill left-behind|lost-source|old-store|rewind-in-vain|\n"
    "                     promise-taken-back|followed-last|word-in-vain|\n"
    "                     word-of-before|word-unheard|alone-unheard|\n"
    "                     two-of-one-number|former-primary|two-controllers]\n"
    "Runs seeds S to S+N-1. --seed S --trace prints all that happens in one of them.\n"
    "--witness: every cluster has two members and a witness.\n"
    "--drill: this situation instead of random faults.\n"
    "--break makes an adapter break its contract, to see that it is noticed.\n";

struct Arguments {
  uint64_t seeds = 100;
  uint64_t from = 1;
  bool trace = false;
  bool stop_at_first = false;
  bool witness = false;
  std::string drill;
  std::optional<DataDurability> durability;
  BrokenAdapters broken;
};

bool Number(const char* text, uint64_t* number) {
  const char* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, *number);
  return error == std::errc() && rest == end;
}

bool SetBroken(const std::string& name, BrokenAdapters* broken) {
  const std::map<std::string, bool*> flags = {
      {"lease-from-receipt", &broken->lease_from_receipt},
      {"memory-not-durable", &broken->memory_not_durable},
      {"effects-before-store", &broken->effects_before_store},
      {"any-order-is-fresh", &broken->any_order_is_fresh},
      {"guard-sleeps", &broken->guard_sleeps},
      {"dns-without-prerequisite", &broken->dns_without_prerequisite},
      {"old-store-goes-unnoticed", &broken->old_store_goes_unnoticed},
  };
  const auto found = flags.find(name);
  if (found == flags.end()) {
    return false;
  }
  *found->second = true;
  return true;
}

bool SetDurability(const std::string& name, std::optional<DataDurability>* durability) {
  const std::map<std::string, DataDurability> names = {{"preferred", DataDurability::kPreferred},
                                                       {"required", DataDurability::kRequired},
                                                       {"off", DataDurability::kOff}};
  const auto found = names.find(name);
  if (found == names.end()) {
    return false;
  }
  *durability = found->second;
  return true;
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--trace") {
      arguments->trace = true;
    } else if (option == "--witness") {
      arguments->witness = true;
    } else if (option == "--stop-at-first") {
      arguments->stop_at_first = true;
    } else if (option == "--seeds" && has_value && Number(argv[i + 1], &arguments->seeds)) {
      ++i;
    } else if (option == "--from" && has_value && Number(argv[i + 1], &arguments->from)) {
      ++i;
    } else if (option == "--seed" && has_value && Number(argv[i + 1], &arguments->from)) {
      arguments->seeds = 1;
      ++i;
    } else if (option == "--durability" && has_value &&
               SetDurability(argv[i + 1], &arguments->durability)) {
      ++i;
    } else if (option == "--drill" && has_value && Simulation::IsDrill(argv[i + 1])) {
      arguments->drill = argv[++i];
    } else if (option == "--break" && has_value && SetBroken(argv[i + 1], &arguments->broken)) {
      ++i;
    } else {
      return false;
    }
  }
  return true;
}

int RunAll(const Arguments& arguments) {
  uint64_t violations = 0;
  uint64_t run = 0;
  uint64_t promotions = 0;
  double hours = 0;
  for (uint64_t seed = arguments.from; seed < arguments.from + arguments.seeds; ++seed) {
    Options options;
    options.seed = seed;
    options.trace = arguments.trace;
    options.broken = arguments.broken;
    options.durability = arguments.durability;
    options.witness = arguments.witness;
    options.drill = arguments.drill;
    Simulation simulation(options);
    const std::string broken = simulation.Run();
    ++run;
    hours += static_cast<double>(simulation.virtual_time().count()) / 3'600'000;
    promotions += simulation.promotions();
    if (!broken.empty()) {
      ++violations;
      std::printf("violation: seed %llu %s\n", static_cast<unsigned long long>(seed),
                  broken.c_str());
      if (arguments.stop_at_first) {
        break;
      }
    }
  }
  std::printf("seeds=%llu violations=%llu virtual_hours=%.1f promotions=%llu\n",
              static_cast<unsigned long long>(run), static_cast<unsigned long long>(violations),
              hours, static_cast<unsigned long long>(promotions));
  return violations == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pgmahout::sim

int main(int argc, char** argv) {
  pgmahout::sim::Arguments arguments;
  if (!pgmahout::sim::Parse(argc, argv, &arguments)) {
    std::fputs(pgmahout::sim::kUsage, stderr);
    return 2;
  }
  return pgmahout::sim::RunAll(arguments);
}
