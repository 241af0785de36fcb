// SPDX-License-Identifier: Apache-2.0
#include "agent/core/orders.h"

#include <utility>

namespace pgmahout::agent {
namespace {

// The lease counts from before the heartbeat was sent, which is earlier than the moment from which
// the controller counts (I1). An answer that was overtaken by a later one shortens nothing.
void TakeLease(const Order& order, BootTime sent_at, Orders* orders) {
  if (order.lease <= Duration{0} || !orders->desired.has_value()) {
    return;
  }
  Lease lease{order.epoch, sent_at + order.lease, order.lease, orders->desired->quorum};
  if (orders->lease.has_value() && orders->lease->epoch == lease.epoch &&
      orders->lease->deadline > lease.deadline) {
    lease.deadline = orders->lease->deadline;
    lease.length = orders->lease->length;
  }
  orders->lease = std::move(lease);
}

bool IsFromTwin(const Order& order, const Orders& orders) {
  return order.controller_incarnation == orders.incarnation && orders.opening != 0 &&
         order.controller_opening != orders.opening;
}

}  // namespace

bool Obey(Received received, const Memory& memory, Orders* orders) {
  const Order& order = received.order;
  if (order.controller_incarnation < orders->incarnation || IsFromTwin(order, *orders) ||
      order.epoch < memory.epoch) {
    return false;
  }
  if (received.desired.has_value() && received.desired->epoch != order.epoch) {
    return false;
  }
  orders->incarnation = order.controller_incarnation;
  orders->opening = order.controller_opening;
  if (received.desired.has_value()) {
    orders->desired = std::move(received.desired);
    orders->generation = order.generation;
  }
  orders->member_lsn = order.member_lsn;
  TakeLease(order, received.sent_at, orders);
  return true;
}

}  // namespace pgmahout::agent
