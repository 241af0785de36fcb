// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/dns/named_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/check.h"
#include "common/base/durable_file.h"
#include "common/base/subprocess.h"

namespace pgmahout::controller {
namespace {

constexpr char kNamed[] = "/usr/sbin/named";
constexpr char kDig[] = "/usr/bin/dig";
constexpr auto kPoll = std::chrono::milliseconds(20);
constexpr int kPolls = 500;

bool BindTo(int type, uint16_t port, int* fd, uint16_t* bound) {
  *fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  if (bind(*fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(*fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return false;
  }
  *bound = ntohs(address.sin_port);
  return true;
}

// Free for UDP and TCP when asked; somebody may still take it before named does.
uint16_t FreePort() {
  for (int i = 0; i < kPolls; ++i) {
    int tcp = -1;
    int udp = -1;
    uint16_t port = 0;
    uint16_t same = 0;
    const bool is_free =
        BindTo(SOCK_STREAM, 0, &tcp, &port) && BindTo(SOCK_DGRAM, port, &udp, &same);
    close(tcp);
    if (udp >= 0) {
      close(udp);
    }
    if (is_free) {
      return port;
    }
  }
  std::abort();
}

std::string KeyText(const std::string& name) {
  return absl::StrCat("key \"", name, "\" { algorithm hmac-sha256; secret \"", kKeySecret,
                      "\"; };\n");
}

std::string ZoneText(const std::string& records) {
  return absl::StrCat("$ORIGIN ", kZone,
                      "\n$TTL 60\n@ SOA ns hostmaster 1 60 10 3600 5\n@ NS ns\nns A 127.0.0.1\n",
                      records, "\n");
}

pid_t Spawn(const std::string& directory) {
  const std::string log = directory + "/named.log";
  const std::string configuration = directory + "/named.conf";
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // named must not outlive a test that crashed.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (getppid() == parent) {
      execl(kNamed, kNamed, "-g", "-n", "1", "-c", configuration.c_str(), nullptr);
    }
    _exit(127);
  }
  return pid;
}

}  // namespace

NamedServer::NamedServer(std::string zone_records, const NamedServer* primary)
    : zone_records_(std::move(zone_records)), primary_(primary) {
  std::string path = (std::filesystem::temp_directory_path() / "pgmahout-named-XXXXXX").string();
  PGM_CHECK(mkdtemp(path.data()) != nullptr);
  directory_ = path;
  PGM_CHECK(WriteFileAtomically(directory_ + "/zone.db", ZoneText(zone_records_), 0600).ok());
}

NamedServer::~NamedServer() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string NamedServer::address() const {
  return absl::StrCat("127.0.0.1:", port_);
}

void NamedServer::WriteConfiguration() {
  std::string zone = absl::StrCat("type primary; update-policy { grant ", kKeyName,
                                  " zonesub A AAAA TXT; }; allow-transfer { any; };");
  if (primary_ != nullptr) {
    zone = absl::StrCat("type secondary; primaries { 127.0.0.1 port ", primary_->port(), "; };");
  }
  const std::string file = primary_ == nullptr ? "zone.db" : "copy.db";
  const std::string text =
      absl::StrCat(KeyText(kKeyName), KeyText(kReadOnlyKeyName), "options { directory \"",
                   directory_, "\"; pid-file \"", directory_, "/named.pid\"; session-keyfile \"",
                   directory_, "/session.key\"; listen-on port ", port_,
                   " { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; "
                   "empty-zones-enable no; notify no; };\ncontrols { };\n",
                   "zone \"", kZone, "\" { ", zone, " file \"", directory_, "/", file, "\"; };\n");
  PGM_CHECK(WriteFileAtomically(directory_ + "/named.conf", text, 0600).ok());
}

bool NamedServer::StartOnce() {
  WriteConfiguration();
  // A secondary that has no copy transfers the zone at once.
  unlink((directory_ + "/copy.db").c_str());
  pid_ = Spawn(directory_);
  for (int i = 0; i < kPolls; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    if (Answers()) {
      return true;
    }
    std::this_thread::sleep_for(kPoll);
  }
  Stop();
  return false;
}

void NamedServer::Start() {
  if (port_ != 0) {
    PGM_CHECK(StartOnce());
    return;
  }
  for (int tries = 0; tries < 3; ++tries) {
    port_ = FreePort();
    if (StartOnce()) {
      return;
    }
  }
  const auto log = ReadFile(directory_ + "/named.log");
  std::fprintf(stderr, "named does not start:\n%s\n", log.ok() ? log->c_str() : "no log");
  Stop();
  std::abort();
}

void NamedServer::Stop() {
  if (pid_ < 0) {
    return;
  }
  Thaw();
  kill(pid_, SIGTERM);
  for (int i = 0; i < kPolls; ++i) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(kPoll);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

// A signal stops one thread after the other; the last one tells the parent.
void NamedServer::Freeze() {
  kill(pid_, SIGSTOP);
  PGM_CHECK(waitpid(pid_, nullptr, WUNTRACED) == pid_);
}

void NamedServer::Thaw() {
  kill(pid_, SIGCONT);
}

bool NamedServer::Answers() const {
  return !Dig(kZone, "SOA").empty();
}

std::vector<std::string> NamedServer::Dig(const std::string& name, const std::string& type) const {
  Command command;
  command.argv = {kDig, "@127.0.0.1", "-p", absl::StrCat(port_), "+short", "+time=1", "+tries=2",
                  "-t", type,         name};
  const auto result = RunCommand(std::move(command));
  if (!result.ok() || result->exit_code != 0) {
    return {};
  }
  std::vector<std::string> values = absl::StrSplit(result->out, '\n', absl::SkipEmpty());
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace pgmahout::controller
