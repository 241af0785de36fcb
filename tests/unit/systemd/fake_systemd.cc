// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/systemd/fake_systemd.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <array>

namespace pgmahout::agent {
namespace {

constexpr char kPath[] = "/org/freedesktop/systemd1";
constexpr char kManager[] = "org.freedesktop.systemd1.Manager";
constexpr char kJob[] = "/org/freedesktop/systemd1/job/7";

FakeSystemd* Self(void* user_data) {
  return static_cast<FakeSystemd*>(user_data);
}

void SendJobRemoved(sd_bus* bus, const char* job, const char* result) {
  sd_bus_message* signal = nullptr;
  sd_bus_message_new_signal(bus, &signal, kPath, kManager, "JobRemoved");
  sd_bus_message_set_sender(signal, "org.freedesktop.systemd1");
  sd_bus_message_append(signal, "uoss", uint32_t{7}, job, "postgresql@14-main.service", result);
  sd_bus_send(bus, signal, nullptr);
  sd_bus_message_unref(signal);
}

int OnSubscribe(sd_bus_message* message, void* user_data, sd_bus_error* /*error*/) {
  Self(user_data)->Remember("Subscribe");
  return sd_bus_reply_method_return(message, "");
}

int OnStart(sd_bus_message* message, void* user_data, sd_bus_error* error) {
  const char* unit = nullptr;
  const char* mode = nullptr;
  sd_bus_message_read(message, "ss", &unit, &mode);
  Self(user_data)->Remember(std::string("StartUnit ") + unit + " " + mode);
  const FakeSystemd::Start start = Self(user_data)->start();
  if (start == FakeSystemd::Start::kAccessDenied) {
    return sd_bus_error_set(error, "org.freedesktop.DBus.Error.AccessDenied", "not allowed");
  }
  sd_bus* bus = sd_bus_message_get_bus(message);
  // Another unit's job ends in between; it must not be taken for ours.
  SendJobRemoved(bus, "/org/freedesktop/systemd1/job/3", "failed");
  if (start == FakeSystemd::Start::kSignalBeforeReply) {
    SendJobRemoved(bus, kJob, "done");
  }
  const int result = sd_bus_reply_method_return(message, "o", kJob);
  if (start == FakeSystemd::Start::kDone || start == FakeSystemd::Start::kFailed) {
    SendJobRemoved(bus, kJob, start == FakeSystemd::Start::kDone ? "done" : "failed");
  }
  return result;
}

int OnStop(sd_bus_message* message, void* user_data, sd_bus_error* /*error*/) {
  const char* unit = nullptr;
  const char* mode = nullptr;
  sd_bus_message_read(message, "ss", &unit, &mode);
  Self(user_data)->Remember(std::string("StopUnit ") + unit + " " + mode);
  return sd_bus_reply_method_return(message, "o", kJob);
}

int OnKill(sd_bus_message* message, void* user_data, sd_bus_error* /*error*/) {
  const char* unit = nullptr;
  const char* who = nullptr;
  int32_t signal = 0;
  sd_bus_message_read(message, "ssi", &unit, &who, &signal);
  Self(user_data)->Remember(std::string("KillUnit ") + unit + " " + who + " " +
                            std::to_string(signal));
  return sd_bus_reply_method_return(message, "");
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Subscribe", "", "", OnSubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StartUnit", "ss", "o", OnStart, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopUnit", "ss", "o", OnStop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("KillUnit", "ssi", "", OnKill, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END};

}  // namespace

FakeSystemd::FakeSystemd(Start start) : start_(start) {}

FakeSystemd::~FakeSystemd() {
  stopping_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::vector<std::string> FakeSystemd::Calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FakeSystemd::Remember(const std::string& call) {
  if (on_start_ && call.starts_with("StartUnit ")) {
    on_start_();
  }
  const std::lock_guard lock(mutex_);
  calls_.push_back(call);
}

void FakeSystemd::Serve(int fd) {
  sd_bus* bus = nullptr;
  sd_id128_t id{};
  sd_id128_randomize(&id);
  sd_bus_new(&bus);
  sd_bus_set_fd(bus, fd, fd);
  sd_bus_set_server(bus, 1, id);
  sd_bus_start(bus);
  sd_bus_add_object_vtable(bus, nullptr, kPath, kManager, kVtable, this);
  constexpr uint64_t kLookMicroseconds = 20'000;
  while (!stopping_) {
    const int processed = sd_bus_process(bus, nullptr);
    if (processed < 0) {
      break;  // the other side has closed
    }
    if (processed == 0) {
      sd_bus_wait(bus, kLookMicroseconds);
    }
  }
  sd_bus_flush_close_unref(bus);
}

BusOpener FakeSystemd::Opener() {
  return [this](sd_bus** bus) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
      return -errno;
    }
    threads_.emplace_back([this, fd = ends[0]] { Serve(fd); });
    sd_bus_new(bus);
    sd_bus_set_fd(*bus, ends[1], ends[1]);
    return sd_bus_start(*bus);
  };
}

}  // namespace pgmahout::agent
