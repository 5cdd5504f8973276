// SPDX-License-Identifier: Apache-2.0
#include "net/wheel.h"

#include <algorithm>
#include <utility>

namespace sluice::net {

Deadline::~Deadline() { unlink(); }

std::uint64_t Deadline::tick_in(Limits::Duration duration) const {
    const auto count = std::max<std::int64_t>(duration.count(), 0);
    const auto ticks = static_cast<std::uint64_t>(count) / static_cast<std::uint64_t>(Wheel::tick.count());
    // One for the part of a tick that the division lost, one for the part of the current tick that is already over.
    return wheel_->now_ + ticks + 2;
}

void Deadline::expires_in(Limits::Duration duration) {
    at_ = tick_in(duration);
    if (hung_at_ > at_) wheel_->hang(*this, at_);
}

void Deadline::extend(Limits::Duration duration) {
    if (is_set()) at_ = std::max(at_, tick_in(duration));
}

void Deadline::unlink() {
    if (!link_) return;
    *link_ = next_;
    if (next_) next_->link_ = link_;
    next_ = nullptr;
    link_ = nullptr;
    hung_at_ = never;
}

void Wheel::hang(Deadline& node, std::uint64_t at) {
    node.unlink();
    node.hung_at_ = std::min(at, now_ + slots - 1);
    Deadline*& head = heads_[node.hung_at_ % slots];
    node.next_ = head;
    node.link_ = &head;
    if (head) head->link_ = &node.next_;
    head = &node;
}

void Wheel::turn(std::uint64_t slot_tick) {
    // The slot's nodes move to a list of their own, as some go back to the same slot. Always the first: `on_expired` may destroy any of them.
    Deadline* due = std::exchange(heads_[slot_tick % slots], nullptr);
    if (due) due->link_ = &due;
    while (Deadline* node = due) {
        node->unlink();
        if (node->at_ == Deadline::never) continue;
        if (node->at_ > now_) {
            hang(*node, node->at_);
            continue;
        }
        node->at_ = Deadline::never;
        node->on_expired();
    }
}

void Wheel::advance(std::uint64_t now) {
    if (now <= now_) return;
    const std::uint64_t before = now_;
    // A loop that stood still for longer than a whole turn sees every slot once.
    const std::uint64_t first = now - before > slots ? now - slots + 1 : before + 1;
    now_ = now;
    for (std::uint64_t tick_due = first; tick_due <= now; ++tick_due) turn(tick_due);
    for (const auto& call : callbacks_) call();
}

}  // namespace sluice::net
