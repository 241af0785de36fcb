// SPDX-License-Identifier: Apache-2.0
// PostgreSQL refuses to run as root, and peer authentication wants its superuser's own account: a
// test that root starts goes on as user postgres.
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

bool BecomePostgres() {
  const passwd* account = getpwnam("postgres");  // NOLINT(concurrency-mt-unsafe): one thread yet
  return account != nullptr && initgroups("postgres", account->pw_gid) == 0 &&
         setgid(account->pw_gid) == 0 && setuid(account->pw_uid) == 0 &&
         // libpq looks for certificates there.
         setenv("HOME", account->pw_dir, 1) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (geteuid() == 0 && !BecomePostgres()) {
    std::perror("cannot become user postgres");
    return 1;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
