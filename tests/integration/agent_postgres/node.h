// SPDX-License-Identifier: Apache-2.0
// A VM for tests: directories of its own, an identity, an Instance, and the memory an agent would
// keep. Steps are given by the test; the configuration is what agent/core renders.
//
// The destructor ends all its servers and removes all it left.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/core/config_file.h"
#include "agent/core/step.h"
#include "agent/postgres/instance.h"
#include "agent/postgres/session.h"
#include "common/base/clock.h"
#include "common/model/desired_state.h"

namespace pgmahout::agent {

// A directory under /tmp that is removed with this object. Holds the test CA.
class Site {
 public:
  // Also ends the servers of a test program that did not live to do it, and removes its directory.
  Site();
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_ = -1;  // held as long as this process lives
};

class Node {
 public:
  // `address` is one of 127.0.0.0/8; the port is free when this is called.
  Node(const Site& site, const std::string& name, const std::string& address);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Instance& instance() { return *instance_; }

  // Another Instance on the same files, as after a restart of the agent.
  void RestartAgent();

  Member AsMember() const;
  std::string DataDirectory() const;

  std::string DataRoot() const { return config_.data_root; }

  // A step with the node's memory; `Run` remembers what it says once it succeeded.
  Step NewStep(StepKind kind) const;
  absl::Status Run(const Step& step);

  absl::Status Run(StepKind kind) { return Run(NewStep(kind)); }

  // A step that makes the next data directory.
  Step NewDataStep(StepKind kind) const;
  // pgmahout.conf and pg_hba.conf as rendered from `desired`.
  Step ConfigureStep(bool detached = false) const;
  // initdb, configuration, start. Fails the test if one of them does.
  void Bootstrap();

  Observation Look(Duration sql_deadline = Duration{2'000});
  // Looks until `accept` is content; the last look, whatever it shows, after half a minute.
  Observation LookUntil(const std::function<bool(const Observation&)>& accept,
                        Duration sql_deadline = Duration{2'000});

  // Superuser SQL through the Unix socket; names need their schema. Fails the test if the statement
  // does.
  Rows Sql(const std::string& sql, const std::string& database = "postgres");
  std::string Value(const std::string& sql, const std::string& database = "postgres");

  pid_t Postmaster() const;
  std::vector<pid_t> Processes() const;
  // The process of the running server that shows `title` in its title; 0: none.
  pid_t ProcessNamed(const std::string& title) const;

  DesiredState desired;
  Memory memory;
  std::vector<std::string> progress;  // of the step that ran last
  std::function<void()> on_progress;  // called with each text, if set

 private:
  InstanceConfig config_;
  ConfigContext context_;
  uint16_t port_ = 0;
  std::unique_ptr<Instance> instance_;
};

// A TCP port of `address` that nobody uses now.
uint16_t FreePort(const std::string& address);

std::string Slurp(const std::string& path);
bool FileExists(const std::string& path);

// False if `condition` did not become true within half a minute.
bool Eventually(const std::function<bool()>& condition);

}  // namespace pgmahout::agent
