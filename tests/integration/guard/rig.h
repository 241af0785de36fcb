// SPDX-License-Identifier: Apache-2.0
// A real guard, a real server and somebody who feeds the guard.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/guard/guard_file.h"
#include "agent/guard/guard_report.h"
#include "tests/integration/agent_postgres/node.h"

namespace pgmahout::guard {

// pgmahout-guard as a child of the test; killed with this object.
class GuardProcess {
 public:
  // Returns once it guards `directory`/order, unless it ended before.
  explicit GuardProcess(const std::string& directory, const std::vector<std::string>& more = {});
  ~GuardProcess();
  GuardProcess(const GuardProcess&) = delete;
  GuardProcess& operator=(const GuardProcess&) = delete;

  pid_t pid() const { return pid_; }

  // True once it has ended; at most half a minute.
  bool WaitForEnd();

  // After WaitForEnd(): 128 + signal number if a signal ended it.
  int exit_code() const { return exit_code_; }

  // What it logged.
  std::string Log() const;

  // Clock ticks of CPU time that it used so far.
  int64_t CpuTicks() const;
  int64_t RssKilobytes() const;

 private:
  std::string log_file_;
  pid_t pid_ = 0;
  bool ended_ = false;
  int exit_code_ = 0;
};

// Stands for the agent: a process that renews the deadline, `ahead` from now, every 50 ms. Dies
// with the test.
class Feeder {
 public:
  Feeder(const std::string& order_file, const std::string& data_directory, Duration ahead);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  void Freeze() const;
  void KillHard();

 private:
  pid_t pid_ = 0;
};

// A server that runs when a test begins, and a directory for the guard's files. The server is made
// once for all tests of a suite.
class GuardedServer : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;

  static agent::Node& db();

  static std::string Data() { return db().DataDirectory(); }

  static bool Runs() { return !db().Processes().empty(); }

  std::string OrderFile() const { return files_.path() + "/order"; }

  std::string ReportFile() const { return files_.path() + "/report"; }

  // Writes an order of epoch 1.
  void Order(bool armed, BootTime deadline);

  void ArmFor(Duration ahead) { Order(true, SystemClock().Now() + ahead); }

  void Disarm() { Order(false, BootTime()); }

  // The first time at which no process of the server was there any more; half a minute at most.
  static BootTime WaitUntilGone();
  static void WaitUntil(BootTime time);

  // The report, once there is one that `accept` likes.
  GuardReport ReportWhen(const std::function<bool(const GuardReport&)>& accept) const;
  GuardReport ReportWhenClear() const;

  agent::Site files_;

 private:
  static std::unique_ptr<agent::Site> site_;
  static std::unique_ptr<agent::Node> node_;
};

}  // namespace pgmahout::guard
