// SPDX-License-Identifier: Apache-2.0
#include "common/base/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/error.h"
#include "common/base/file_descriptor.h"
#include "common/base/status_macros.h"

namespace pgmahout {
namespace {

absl::Status Failed(absl::string_view verb, const std::string& path) {
  return ErrnoStatus(errno, absl::StrCat("cannot ", verb, " \"", path, "\""));
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Failed("write", path);
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string DirectoryOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::Status Replace(const std::string& path,
                     absl::string_view content,
                     mode_t mode,
                     bool durable) {
  const std::string temporary = absl::StrCat(path, ".tmp");
  // A leftover of a crash may have another mode; a new file gets ours.
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    return Failed("remove", temporary);
  }
  const FileDescriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) {
    return Failed("create", temporary);
  }
  PGM_RETURN_IF_ERROR(WriteAll(file.get(), content, temporary));
  if (durable && fsync(file.get()) != 0) {
    return Failed("fsync", temporary);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return Failed("rename to", path);
  }
  return durable ? SyncDirectory(DirectoryOf(path)) : absl::OkStatus();
}

}  // namespace

absl::Status WriteFileDurably(const std::string& path, absl::string_view content, mode_t mode) {
  return Replace(path, content, mode, /*durable=*/true);
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content, mode_t mode) {
  return Replace(path, content, mode, /*durable=*/false);
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    return Failed("open", path);
  }
  std::string content;
  std::string block(size_t{64} << 10, '\0');
  while (true) {
    const ssize_t got = read(file.get(), block.data(), block.size());
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return Failed("read", path);
    }
    if (got == 0) {
      return content;
    }
    content.append(block, 0, static_cast<size_t>(got));
    if (content.size() > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("file \"", path, "\" is larger than ", max_bytes, " bytes"));
    }
  }
}

absl::Status SyncDirectory(const std::string& directory) {
  const FileDescriptor dir(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0) {
    return Failed("open", directory);
  }
  return fsync(dir.get()) == 0 ? absl::OkStatus() : Failed("fsync", directory);
}

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  struct stat info {};

  if (stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? absl::OkStatus()
                                 : absl::FailedPreconditionError(
                                       absl::StrCat("\"", path, "\" exists and is no directory"));
  }
  const std::string parent = DirectoryOf(path);
  if (parent != path) {
    PGM_RETURN_IF_ERROR(MakeDirectories(parent, 0755));
  }
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return Failed("create directory", path);
  }
  return absl::OkStatus();
}

}  // namespace pgmahout
