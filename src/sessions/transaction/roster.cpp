// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/roster.h"

namespace sluice::sessions {

void Roster::add(RosterEntry& entry) {
    entry.next_ = first_;
    entry.link_ = &first_;
    if (first_ != nullptr) first_->link_ = &entry.next_;
    first_ = &entry;
    ++size_;
}

void Roster::remove(RosterEntry& entry) {
    *entry.link_ = entry.next_;
    if (entry.next_ != nullptr) entry.next_->link_ = entry.link_;
    --size_;
}

void Roster::drain() {
    is_draining_ = true;
    for (RosterEntry* entry = first_; entry != nullptr; entry = entry->next_) entry->drain();
}

}  // namespace sluice::sessions
