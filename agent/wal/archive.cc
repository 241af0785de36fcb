// SPDX-License-Identifier: Apache-2.0
#include "agent/wal/archive.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/wal/segment_end.h"
#include "agent/wal/wal_name.h"
#include "common/base/durable_file.h"
#include "common/base/error.h"
#include "common/base/status_macros.h"
#include "common/pg/timeline_placeholder.h"

namespace pgmahout::wal {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr absl::string_view kTemporaryPrefix = ".pgmahout-tmp.";

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : path_(path), fd_(open(path.c_str(), flags | O_CLOEXEC, mode)), open_error_(errno) {}

  ~File() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }

  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }

  absl::Status Opened() const {
    return fd_ >= 0 ? absl::OkStatus()
                    : ErrnoStatus(open_error_, absl::StrCat("cannot open \"", path_, "\""));
  }

  absl::Status Failed(absl::string_view verb) const {
    return ErrnoStatus(errno, absl::StrCat("cannot ", verb, " \"", path_, "\""));
  }

  absl::StatusOr<size_t> Read(std::string& block) const {
    while (true) {
      const ssize_t got = read(fd_, block.data(), block.size());
      if (got >= 0) {
        return static_cast<size_t>(got);
      }
      if (errno != EINTR) {
        return Failed("read");
      }
    }
  }

  absl::Status Write(absl::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = write(fd_, text.data(), text.size());
      if (written < 0 && errno != EINTR) {
        return Failed("write");
      }
      text.remove_prefix(written < 0 ? 0 : static_cast<size_t>(written));
    }
    return absl::OkStatus();
  }

  absl::Status Sync() const { return fsync(fd_) == 0 ? absl::OkStatus() : Failed("fsync"); }

 private:
  std::string path_;
  int fd_;
  int open_error_;
};

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }

  void Add(absl::string_view text) { EVP_DigestUpdate(context_.get(), text.data(), text.size()); }

  std::string Finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
    return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), size});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free};
};

// What a file turned out to hold.
struct Content {
  uint64_t bytes = 0;
  std::string first_page;
  std::string sha256;
};

// Reads `from` to its end; also writes it to `to` unless that is null.
absl::StatusOr<Content> Drain(const File& from, const File* to) {
  Content content;
  Sha256 hash;
  std::string block(kBlockBytes, '\0');
  while (true) {
    PGM_ASSIGN_OR_RETURN(const size_t got, from.Read(block));
    if (got == 0) {
      content.sha256 = hash.Finish();
      return content;
    }
    const absl::string_view text(block.data(), got);
    if (content.bytes == 0) {
      content.first_page = std::string(text.substr(0, kFirstPageBytes));
    }
    content.bytes += got;
    hash.Add(text);
    if (to != nullptr) {
      PGM_RETURN_IF_ERROR(to->Write(text));
    }
  }
}

absl::Status CheckContent(const WalName& name, const Content& content, const std::string& path) {
  absl::Status status;
  if (name.kind == NameKind::kSegment || name.kind == NameKind::kPartial) {
    status = CheckSegment(name, content.first_page, content.bytes);
  } else if (content.bytes == 0) {
    status = absl::DataLossError("it is empty");
  }
  return Annotate(status, absl::StrCat("\"", path, "\" is not what its name says"));
}

absl::Status CheckDirectory(const std::string& directory) {
  struct stat info {};

  const std::string hint = absl::StrCat(
      "Create it, owned by the user that runs PostgreSQL, on every member: install -d -o postgres "
      "-m 0750 ",
      directory);
  if (stat(directory.c_str(), &info) != 0) {
    // Not NotFound: that would look like a file that is not archived yet.
    return WithHint(
        absl::FailedPreconditionError(
            ErrnoStatus(errno, absl::StrCat("cannot use archive directory \"", directory, "\""))
                .message()),
        hint);
  }
  if (!S_ISDIR(info.st_mode)) {
    return WithHint(absl::FailedPreconditionError(
                        absl::StrCat("archive directory \"", directory, "\" is no directory")),
                    hint);
  }
  std::error_code ignored;
  for (fs::path parent = fs::canonical(directory, ignored); parent.has_relative_path();
       parent = parent.parent_path()) {
    if (fs::exists(parent / "PG_VERSION", ignored)) {
      return WithHint(absl::FailedPreconditionError(absl::StrCat(
                          "archive directory \"", directory, "\" lies inside the data directory \"",
                          parent.string(), "\"")),
                      "An archive that is lost together with the data is none. Choose another "
                      "place in spec.archive.directory.");
    }
  }
  return absl::OkStatus();
}

std::string HostName() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// ".pgmahout-tmp.<host>.<pid>.<name>": unique among processes and machines that share a directory.
std::string TemporaryPath(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, "/", kTemporaryPrefix, HostName(), ".", getpid(), ".", name);
}

// Left by processes of this machine that were killed. Others' are theirs to remove.
void RemoveLeftovers(const std::string& directory) {
  const std::string mine = absl::StrCat(kTemporaryPrefix, HostName(), ".");
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const std::vector<std::string> rest = absl::StartsWith(name, mine)
                                              ? absl::StrSplit(name.substr(mine.size()), '.')
                                              : std::vector<std::string>{};
    if (!rest.empty() && absl::SimpleAtoi(rest.front(), &pid) && pid > 0 && kill(pid, 0) != 0 &&
        errno == ESRCH) {
      fs::remove(entry.path(), ignored);
    }
  }
}

class RemoveAtEnd {
 public:
  explicit RemoveAtEnd(std::string path) : path_(std::move(path)) {}

  ~RemoveAtEnd() { unlink(path_.c_str()); }

  RemoveAtEnd(const RemoveAtEnd&) = delete;
  RemoveAtEnd& operator=(const RemoveAtEnd&) = delete;

 private:
  std::string path_;
};

// Whether two segments `name` differ only where nobody reads (segment_end.h).
absl::StatusOr<bool> AreSameUpToSwitch(const WalName& name,
                                       const std::string& one,
                                       const std::string& other) {
  PGM_ASSIGN_OR_RETURN(const std::string content, ReadFile(one, kSegmentBytesMax));
  const std::optional<uint64_t> end = EndOfSwitch(name, content);
  if (!end.has_value()) {
    return false;
  }
  PGM_ASSIGN_OR_RETURN(const std::string content_of_other, ReadFile(other, kSegmentBytesMax));
  return content.size() == content_of_other.size() &&
         absl::string_view(content).substr(0, *end) ==
             absl::string_view(content_of_other).substr(0, *end);
}

bool IsPlaceholder(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() && *text == kTimelinePlaceholder;
}

// Whether what is archived as `name` serves as well as `source`, whose content differs. The records
// of a .partial are also in the first segment of the timeline that was begun there, for each
// candidate that left its timeline in one segment.
absl::StatusOr<bool> IsAsGood(const WalName& name,
                              const std::string& archived,
                              const std::string& source) {
  switch (name.kind) {
    case NameKind::kPartial:
      return true;
    case NameKind::kSegment:
      return AreSameUpToSwitch(name, archived, source);
    case NameKind::kHistory:
      return IsPlaceholder(source);
    case NameKind::kBackup:
      break;
  }
  return false;
}

// Whether `name` is archived as a placeholder, which says nothing, and `source` is the history of a
// candidate that was not lost after all.
bool ReplacesPlaceholder(const WalName& name,
                         const std::string& archived,
                         const std::string& source) {
  return name.kind == NameKind::kHistory && IsPlaceholder(archived) && !IsPlaceholder(source);
}

// A push that was cut short after its rename may not have been durable: sync before success.
absl::Status CompareWithArchived(const std::string& directory,
                                 const WalName& name,
                                 const std::string& final_path,
                                 const std::string& source,
                                 const Content& pushed) {
  const File archived(final_path, O_RDONLY);
  PGM_RETURN_IF_ERROR(archived.Opened());
  PGM_ASSIGN_OR_RETURN(const Content there, Drain(archived, nullptr));
  bool is_there = there.bytes == pushed.bytes && there.sha256 == pushed.sha256;
  if (!is_there) {
    PGM_ASSIGN_OR_RETURN(is_there, IsAsGood(name, final_path, source));
  }
  if (is_there) {
    PGM_RETURN_IF_ERROR(archived.Sync());
    return SyncDirectory(directory);
  }
  return WithInfo(
      absl::AlreadyExistsError(
          absl::StrCat("\"", final_path, "\" exists with other content; it is not replaced")),
      ErrorInfo{"archive-conflict",
                absl::StrCat("Archived: ", there.bytes, " bytes, SHA-256 ", there.sha256,
                             ". To push: ", source, ", ", pushed.bytes, " bytes, SHA-256 ",
                             pushed.sha256, "."),
                "Two servers may write one archive, or a data directory was restored over it. "
                "Find out which history is wanted before moving either file away."});
}

}  // namespace

absl::Status Push(const std::string& directory, const std::string& source) {
  const std::string name = fs::path(source).filename().string();
  const std::optional<WalName> parsed = ParseWalName(name);
  if (!parsed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is no name of a file that PostgreSQL archives"));
  }
  PGM_RETURN_IF_ERROR(CheckDirectory(directory));
  const File from(source, O_RDONLY);
  PGM_RETURN_IF_ERROR(from.Opened());

  struct stat info {};

  if (fstat(from.fd(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", source, "\" is no regular file"));
  }
  const std::string final_path = absl::StrCat(directory, "/", name);
  const bool replaces = ReplacesPlaceholder(*parsed, final_path, source);
  if (!replaces && access(final_path.c_str(), F_OK) == 0) {
    PGM_ASSIGN_OR_RETURN(const Content content, Drain(from, nullptr));
    return CompareWithArchived(directory, *parsed, final_path, source, content);
  }
  RemoveLeftovers(directory);
  const std::string temporary = TemporaryPath(directory, name);
  unlink(temporary.c_str());
  const File to(temporary, O_WRONLY | O_CREAT | O_EXCL, 0640);
  PGM_RETURN_IF_ERROR(to.Opened());
  const RemoveAtEnd cleanup(temporary);
  PGM_ASSIGN_OR_RETURN(const Content content, Drain(from, &to));
  PGM_RETURN_IF_ERROR(CheckContent(*parsed, content, source));
  PGM_RETURN_IF_ERROR(to.Sync());
  // link() never replaces: the first of two pushes wins, the second compares.
  if (replaces) {
    if (rename(temporary.c_str(), final_path.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("cannot replace \"", final_path, "\""));
    }
  } else if (link(temporary.c_str(), final_path.c_str()) != 0) {
    if (errno == EEXIST) {
      return CompareWithArchived(directory, *parsed, final_path, source, content);
    }
    return ErrnoStatus(errno, absl::StrCat("cannot create \"", final_path, "\""));
  }
  return SyncDirectory(directory);
}

absl::Status Get(const std::string& directory,
                 const std::string& name,
                 const std::string& destination) {
  const std::optional<WalName> parsed = ParseWalName(name);
  if (!parsed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is no name of a file that PostgreSQL archives"));
  }
  PGM_RETURN_IF_ERROR(CheckDirectory(directory));
  const std::string archived = absl::StrCat(directory, "/", name);
  const File from(archived, O_RDONLY);
  PGM_RETURN_IF_ERROR(from.Opened());
  const std::string temporary = absl::StrCat(destination, ".pgmahout-tmp");
  unlink(temporary.c_str());
  const File to(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
  PGM_RETURN_IF_ERROR(to.Opened());
  const RemoveAtEnd cleanup(temporary);
  PGM_ASSIGN_OR_RETURN(const Content content, Drain(from, &to));
  PGM_RETURN_IF_ERROR(CheckContent(*parsed, content, archived));
  PGM_RETURN_IF_ERROR(to.Sync());
  if (rename(temporary.c_str(), destination.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot rename to \"", destination, "\""));
  }
  return absl::OkStatus();
}

absl::StatusOr<Verification> Verify(const std::string& directory) {
  PGM_RETURN_IF_ERROR(CheckDirectory(directory));
  Verification result;
  std::map<std::string, WalName> segments;  // by name, so in order within a timeline
  uint64_t segment_bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const std::optional<WalName> parsed = ParseWalName(name);
    if (!parsed.has_value()) {
      if (!absl::StartsWith(name, kTemporaryPrefix)) {
        result.problems.push_back(absl::StrCat(name, ": not a file that PostgreSQL archives"));
      }
      continue;
    }
    ++result.files;
    const File file(entry.path().string(), O_RDONLY);
    PGM_RETURN_IF_ERROR(file.Opened());
    PGM_ASSIGN_OR_RETURN(const Content content, Drain(file, nullptr));
    if (const absl::Status status = CheckContent(*parsed, content, name); !status.ok()) {
      result.problems.emplace_back(status.message());
    } else if (parsed->kind == NameKind::kSegment) {
      segments[name] = *parsed;
      segment_bytes = content.bytes;
    }
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("cannot list \"", directory, "\""));
  }
  const WalName* before = nullptr;
  for (const auto& [name, segment] : segments) {
    if (before != nullptr && before->timeline == segment.timeline) {
      uint32_t log = before->log;
      uint32_t number = before->segment;
      NextSegment(segment_bytes, &log, &number);
      if (log != segment.log || number != segment.segment) {
        result.problems.push_back(absl::StrCat("gap: ", SegmentName(segment.timeline, log, number),
                                               " and what follows it before ", name,
                                               " is missing"));
      }
    }
    before = &segment;
  }
  return result;
}

}  // namespace pgmahout::wal
