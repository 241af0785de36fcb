// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent_postgres/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "common/base/check.h"
#include "common/base/durable_file.h"

namespace pgmahout::agent {

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/pgm-agent-unit-XXXXXX";
  PGM_CHECK(mkdtemp(name) != nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryDirectory::Write(const std::string& name, const std::string& text) const {
  PGM_CHECK(WriteFileAtomically(path_ + "/" + name, text, 0600).ok());
}

Child::Child(const std::string& directory) {
  std::array<int, 2> ready{};
  PGM_CHECK(pipe2(ready.data(), O_CLOEXEC) == 0);
  pid_ = fork();
  PGM_CHECK(pid_ >= 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    // The pipe closes with exec: from then on it sleeps in `directory`.
    if (chdir(directory.c_str()) == 0) {
      execl("/bin/sleep", "sleep", "300", static_cast<char*>(nullptr));
    }
    _exit(1);
  }
  close(ready[1]);
  char nothing = 0;
  while (read(ready[0], &nothing, 1) < 0 && errno == EINTR) {
  }
  close(ready[0]);
}

Child::~Child() {
  if (!waited_for_) {
    kill(pid_, SIGKILL);
    WaitForSignal();
  }
}

int Child::WaitForSignal() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  waited_for_ = true;
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace pgmahout::agent
