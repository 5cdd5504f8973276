// SPDX-License-Identifier: Apache-2.0
// The sessions of one service: so many, and all of them told when it drains. Of the worker's thread alone.
#pragma once

#include <cstddef>

namespace sluice::sessions {

class RosterEntry {
public:
    // Nothing new begins; what is under way ends by itself.
    virtual void drain() = 0;

protected:
    RosterEntry() = default;
    RosterEntry(const RosterEntry&) = delete;
    RosterEntry& operator=(const RosterEntry&) = delete;
    ~RosterEntry() = default;

private:
    friend class Roster;
    RosterEntry* next_ = nullptr;
    RosterEntry** link_ = nullptr;
};

class Roster {
public:
    void add(RosterEntry& entry);
    void remove(RosterEntry& entry);
    std::size_t size() const { return size_; }

    void drain();
    bool is_draining() const { return is_draining_; }

private:
    RosterEntry* first_ = nullptr;
    std::size_t size_ = 0;
    bool is_draining_ = false;
};

}  // namespace sluice::sessions
