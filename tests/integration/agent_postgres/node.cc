// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/agent_postgres/node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/postgres/process_control.h"
#include "agent/postgres/real_instance.h"
#include "common/base/check.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "tests/integration/agent_postgres/certificates.h"

namespace pgmahout::agent {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kMajor = 15;
constexpr char kBinDirectory[] = "/usr/lib/postgresql/15/bin";
constexpr char kSiteName[] = "pgm-agent-";
constexpr char kSitePrefix[] = "/tmp/pgm-agent-";
constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr Duration kPatience{30'000};
// ":" and "\" have a meaning in a password file, "'" has one in SQL.
constexpr char kPassword[] = "re:pli\\ca'tion";

// A killed postmaster leaves its System V segment; its id is in the 7th line of postmaster.pid.
void FreeSharedMemory(const std::string& data_directory) {
  const std::vector<std::string> lines =
      absl::StrSplit(Slurp(data_directory + "/postmaster.pid"), '\n');
  if (lines.size() < 7) {
    return;
  }
  const std::vector<std::string> words = absl::StrSplit(lines[6], ' ', absl::SkipEmpty());
  int segment = 0;
  if (words.size() == 2 && absl::SimpleAtoi(words[1], &segment)) {
    shmctl(segment, IPC_RMID, nullptr);
  }
}

void EndServer(const std::string& data_directory) {
  (void)KillServerProcesses(data_directory, Duration{10'000});
  FreeSharedMemory(data_directory);
}

// The locked file of a site; -1: its test program lives.
int LockSite(const std::string& path) {
  const int fd = open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

void RemoveSite(const std::string& path) {
  std::error_code ignored;
  for (const auto& node : fs::directory_iterator(path, ignored)) {
    for (const auto& entry : fs::directory_iterator(node.path(), ignored)) {
      if (absl::StartsWith(entry.path().filename().string(), "pgdata.")) {
        EndServer(entry.path().string());
      }
    }
  }
  fs::remove_all(path, ignored);
}

// A program that was killed could not clean up.
void RemoveLeftovers() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/tmp", ignored)) {
    const std::string path = entry.path().string();
    if (!absl::StartsWith(path, kSitePrefix)) {
      continue;
    }
    if (const int lock = LockSite(path); lock >= 0) {
      RemoveSite(path);
      close(lock);
    }
  }
}

// Made and locked under another name, so that nobody takes it for a leftover meanwhile.
std::string MakeSite(int* lock) {
  std::string made = absl::StrCat("/tmp/new-", kSiteName, "XXXXXX");
  PGM_CHECK(mkdtemp(made.data()) != nullptr);
  *lock = LockSite(made);
  PGM_CHECK(*lock >= 0);
  std::string path = absl::StrCat(kSitePrefix, made.substr(made.size() - 6));
  PGM_CHECK(rename(made.c_str(), path.c_str()) == 0);
  return path;
}

}  // namespace

Site::Site() {
  RemoveLeftovers();
  path_ = MakeSite(&lock_);
  MakeAuthority(path_);
}

Site::~Site() {
  RemoveSite(path_);
  close(lock_);
}

Node::Node(const Site& site, const std::string& name, const std::string& address)
    : port_(FreePort(address)) {
  const CertificateFiles files = MakeCertificate(site.path(), name, address);
  config_.node = name;
  config_.address = address;
  config_.data_root = absl::StrCat(site.path(), "/", name);
  config_.state_dir = absl::StrCat(site.path(), "/", name, "-state");
  fs::create_directory(config_.state_dir);
  config_.bin_directories = {{kMajor, kBinDirectory}};
  config_.wal_program = PGMAHOUT_WAL_PROGRAM;
  config_.certificate_file = files.certificate;
  config_.key_file = files.key;
  config_.ca_file = files.authority;
  context_ = ConfigContext{name,
                           address,
                           config_.data_root + "/run",
                           config_.data_root + "/log",
                           config_.data_root + "/tls/server.crt",
                           config_.data_root + "/tls/server.key",
                           config_.data_root + "/tls/ca.crt",
                           config_.data_root + "/replication.pass",
                           config_.wal_program};
  desired.cluster = "orders";
  desired.epoch = 1;
  desired.assignment = Assignment::kBootstrap;
  desired.members = {AsMember()};
  desired.spec.name = "orders";
  desired.spec.postgres_major = kMajor;
  desired.spec.port = port_;
  // Small and fast; mmap leaves nothing outside the data directory when a server is killed.
  desired.spec.parameters = {{"shared_buffers", "16MB"},
                             {"dynamic_shared_memory_type", "mmap"},
                             {"max_connections", "20"}};
  desired.replication_password = kPassword;
  memory.epoch = 1;
  memory.cluster = "orders";
  RestartAgent();
}

Node::~Node() {
  instance_->CancelStep();
  for (uint64_t number = 1; number <= memory.data_number + 1; ++number) {
    const std::string directory = absl::StrCat(config_.data_root, "/pgdata.", number);
    EndServer(directory);
  }
}

void Node::RestartAgent() {
  instance_ = MakeRealInstance(config_, MakeDirectControl(), SystemClock());
}

Member Node::AsMember() const {
  return Member{config_.node, config_.address, port_};
}

std::string Node::DataDirectory() const {
  return absl::StrCat(config_.data_root, "/pgdata.", memory.data_number);
}

Step Node::NewStep(StepKind kind) const {
  Step step;
  step.kind = kind;
  step.memory = memory;
  return step;
}

Step Node::NewDataStep(StepKind kind) const {
  Step step = NewStep(kind);
  step.memory.data_number += 1;
  return step;
}

Step Node::ConfigureStep(bool detached) const {
  Step step = NewStep(StepKind::kConfigure);
  step.config = RenderConfig(desired, context_, detached);
  step.hba = RenderHba(desired);
  return step;
}

absl::Status Node::Run(const Step& step) {
  progress.clear();
  const absl::Status status = instance_->Run(step, desired, [this](const std::string& text) {
    progress.push_back(text);
    if (on_progress) {
      on_progress();
    }
  });
  if (status.ok()) {
    memory = step.memory;
  }
  return status;
}

void Node::Bootstrap() {
  for (const Step& step : {NewDataStep(StepKind::kInitialize)}) {
    const absl::Status status = Run(step);
    ASSERT_TRUE(status.ok()) << FormatError(status);
  }
  const absl::Status configured = Run(ConfigureStep());
  ASSERT_TRUE(configured.ok()) << FormatError(configured);
  const absl::Status started = Run(StepKind::kStart);
  ASSERT_TRUE(started.ok()) << FormatError(started);
  ASSERT_TRUE(LookUntil([](const Observation& seen) { return seen.sql.has_value(); }).sql);
}

Observation Node::Look(Duration sql_deadline) {
  return instance_->Observe(memory, sql_deadline);
}

Observation Node::LookUntil(const std::function<bool(const Observation&)>& accept,
                            Duration sql_deadline) {
  Observation seen;
  EXPECT_TRUE(Eventually([&] {
    seen = Look(sql_deadline);
    return accept(seen);
  })) << "last error: "
      << seen.sql_error;
  return seen;
}

Rows Node::Sql(const std::string& sql, const std::string& database) {
  const BootTime deadline = SystemClock().Now() + kPatience;
  absl::StatusOr<Session> session = absl::UnknownError("nobody was asked");
  EXPECT_TRUE(Eventually([&] {  // a server that has just been started lets nobody in yet
    session = Session::Open(context_.socket_directory, port_, database, deadline);
    return session.ok();
  })) << session.status();
  if (!session.ok()) {
    return {};
  }
  absl::StatusOr<Rows> rows = session->Query(sql, deadline);
  EXPECT_TRUE(rows.ok()) << sql << ": " << rows.status();
  return rows.ok() ? *std::move(rows) : Rows{};
}

std::string Node::Value(const std::string& sql, const std::string& database) {
  const Rows rows = Sql(sql, database);
  return rows.empty() || rows[0].empty() ? "no row" : rows[0][0];
}

pid_t Node::Postmaster() const {
  return FindPostmaster(DataDirectory());
}

std::vector<pid_t> Node::Processes() const {
  return FindServerProcesses(DataDirectory());
}

pid_t Node::ProcessNamed(const std::string& title) const {
  for (const pid_t pid : Processes()) {
    if (absl::StrContains(Slurp(absl::StrCat("/proc/", pid, "/cmdline")), title)) {
      return pid;
    }
  }
  return 0;
}

uint16_t FreePort(const std::string& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  socklen_t size = sizeof name;
  PGM_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&name), size) == 0 &&
            getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0);
  close(fd);
  return ntohs(name.sin_port);
}

std::string Slurp(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *std::move(text) : std::string();
}

bool FileExists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool Eventually(const std::function<bool()>& condition) {
  const BootTime deadline = SystemClock().Now() + kPatience;
  while (!condition()) {
    if (SystemClock().Now() >= deadline) {
      return false;
    }
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace pgmahout::agent
